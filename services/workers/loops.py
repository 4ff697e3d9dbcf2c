"""The loops a worker runs, whoever hosts them: read a batch, act on it in a thread, go on."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from events.topics import events_topic
from infra.feeds import Feed, JournalFeed, KafkaFeed
from infra.ids import new_id
from infra.policy_runner import PolicyRunner
from infra.projector import Fenced, Projector
from infra.sweeper import Sweeper
from infra.workspace import Workspace
from models.errors import Conflict, Unavailable
from models.policies.catalogue import POLICIES
from models.projections.catalogue import projections

log = structlog.get_logger()
SWEEP_SECONDS = 1.0
WAIT_SECONDS = 1.0


def holder() -> str:
    """A name for this process that no other has, now or later."""
    return f"{socket.gethostname()}:{os.getpid()}:{new_id()}"


def feed(workspace: Workspace, group: str, *, live_only: bool = False) -> Feed:
    """Kafka where there is a broker, else the journal itself."""
    settings = workspace.settings
    if not settings.kafka_bootstrap:
        return JournalFeed(workspace.engine, live_only=live_only)
    topic = events_topic(settings.topic_prefix)
    return KafkaFeed(settings.kafka_bootstrap, topic, f"{settings.topic_prefix}.{group}", live_only=live_only)


async def project(workspace: Workspace) -> None:
    """Keep the read models up to date, for ever."""
    rules = projections(workspace.rules, workspace.settings.zone)

    async def run() -> None:
        projector = Projector(workspace.engine, rules, holder())
        source = feed(workspace, "projector")
        async for batches in source.batches(projector.claim):
            await _patiently(partial(projector.fold, batches))

    await _for_ever("projector", run)


async def react(workspace: Workspace) -> None:
    """Let the policies react to what is live, for ever."""
    policies = [policy() for policy in POLICIES]
    runner = PolicyRunner(workspace.engine, workspace.log, policies, workspace.rules)

    async def run() -> None:
        await asyncio.to_thread(runner.begin)
        source = feed(workspace, "policies", live_only=True)
        async for batches in source.batches(runner.claim):
            await _patiently(partial(runner.react, batches))

    await _for_ever("policies", run)


async def sweep(workspace: Workspace) -> None:
    """Look for clocks that ran out, for ever."""
    sweeper = Sweeper(workspace.engine, workspace.log, workspace.rules)

    async def run() -> None:
        while True:
            await asyncio.to_thread(lambda: sweeper.sweep(workspace.clock.now()))
            await asyncio.sleep(SWEEP_SECONDS)

    await _for_ever("sweep", run)


async def _patiently(act: Callable[[], None]) -> None:
    """Wait for whatever does not answer, in place: the batch is not given up."""
    while True:
        try:
            await asyncio.to_thread(act)
        except Unavailable as error:
            log.warning("waiting", why=str(error))
            await asyncio.sleep(WAIT_SECONDS)
        else:
            return


async def _for_ever(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Begin again when fenced off or when a service is away; any other error ends the process loudly."""
    while True:
        try:
            await run()
        except Fenced:
            log.warning("fenced", loop=name)
        except (Unavailable, Conflict) as error:
            log.warning("waiting", loop=name, why=str(error))
        await asyncio.sleep(WAIT_SECONDS)
