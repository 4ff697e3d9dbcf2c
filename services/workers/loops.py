"""The loops that workers run, whoever hosts them: read a batch, act on it in a thread, go on."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog

from events.topics import events_topic
from infra import tracing
from infra.attempts import Attempts
from infra.careful import Act, Careful
from infra.feeds import Claim, Feed, JournalFeed, KafkaFeed
from infra.identity.parting import Parting
from infra.ids import new_id
from infra.personal.erasure import Eraser
from infra.policy_runner import PolicyRunner
from infra.process.heart import PLACE, Heart
from infra.projector import Fenced, Projector
from infra.quarantine.aside import POLICIES, PROJECTOR, SWEEP, Aside
from infra.search.index import READER as SEARCH
from infra.search.index import Indexer, SearchIndex
from infra.sweeper import Sweeper
from infra.telemetry import HANDLING
from infra.workspace import Workspace
from models.errors import Conflict, Unavailable
from models.policies.catalogue import POLICIES as ALL_POLICIES
from models.projections.catalogue import projections

log = structlog.get_logger()
SWEEP_SECONDS = 1.0
ERASURE_SECONDS = 2.0
WAIT_SECONDS = 1.0
STANDBY_SECONDS = 10.0
"""A plain worker that was fenced leaves the journal to the other; two in haste would only fence each other."""

T = TypeVar("T")
Loop = Callable[[Workspace, Heart], Coroutine[Any, Any, None]]


def holder() -> str:
    """A name for this process that no other has, now or later."""
    return f"{socket.gethostname()}:{os.getpid()}:{new_id()}"


def feed(workspace: Workspace, heart: Heart, group: str, *, live_only: bool = False) -> Feed:
    """Kafka where there is a broker, else the journal itself."""
    settings = workspace.settings
    if not settings.kafka_bootstrap:
        return JournalFeed(workspace.engine, heart, live_only=live_only)
    topic = events_topic(settings.topic_prefix)
    members = f"{settings.topic_prefix}.{group}"
    return KafkaFeed(settings.kafka_bootstrap, topic, members, heart, live_only=live_only)


async def project(workspace: Workspace, heart: Heart) -> None:
    """Keep the read models up to date, for ever."""
    views = projections(workspace.rules, workspace.settings.zone)

    async def run() -> None:
        projector = Projector(workspace.engine, views, holder(), heart)
        careful = _careful(workspace, heart, PROJECTOR, projector.fold)
        await _drain(PROJECTOR, feed(workspace, heart, "projector"), projector.claim, careful)

    await _for_ever("projector", run, _fenced_seconds(workspace))


async def react(workspace: Workspace, heart: Heart) -> None:
    """Let the policies react to what is live, for ever."""
    policies = [policy() for policy in ALL_POLICIES]
    runner = PolicyRunner(workspace.engine, workspace.log, policies, workspace.rules, heart)

    async def run() -> None:
        with heart.asking():
            await asyncio.to_thread(runner.begin)
        careful = _careful(workspace, heart, POLICIES, runner.react)
        source = feed(workspace, heart, "policies", live_only=True)
        await _drain(POLICIES, source, runner.claim, careful)

    await _for_ever("policies", run, _fenced_seconds(workspace))


async def sweep(workspace: Workspace, heart: Heart) -> None:
    """Look for clocks that ran out, and for those whom only a blocked identifier held together, for ever."""
    sweeper = Sweeper(
        workspace.engine, workspace.log, workspace.rules, heart, attempts(workspace, SWEEP),
        _aside(workspace, SWEEP),
    )  # fmt: skip
    parting = Parting(workspace)

    async def run() -> None:
        while True:
            await asyncio.to_thread(lambda: sweeper.sweep(workspace.clock.now()))
            await asyncio.to_thread(parting.turn)
            await asyncio.sleep(SWEEP_SECONDS)

    await _for_ever("sweep", run, WAIT_SECONDS)


async def index(workspace: Workspace, heart: Heart) -> None:
    """Keep the index of texts and names up to date, for ever. There is one, so it reads the journal itself."""
    search = SearchIndex(workspace.engine, workspace.vault, workspace.matcher, heart)

    async def run() -> None:
        indexer = Indexer(workspace.engine, search, holder())
        careful = _careful(workspace, heart, SEARCH, indexer.take)
        await _drain(SEARCH, JournalFeed(workspace.engine, heart), indexer.claim, careful)

    await _for_ever("search", run, STANDBY_SECONDS)


async def erase(workspace: Workspace, heart: Heart) -> None:
    """Forget whoever asked for it, for ever."""
    eraser = Eraser(workspace, heart)

    async def run() -> None:
        while True:
            await asyncio.to_thread(eraser.turn)
            await asyncio.sleep(ERASURE_SECONDS)

    await _for_ever("erasure", run, WAIT_SECONDS)


async def _drain(reader: str, source: Feed, claim: Claim, careful: Careful) -> None:
    async with aclosing(source.batches(claim)) as found:
        async for batches in found:
            events = sum(len(batch.envelopes) for batch in batches)
            with HANDLING.labels(reader).time(), tracing.span("handle", consumer=reader, events=events):
                await patiently(partial(careful.take, batches))


def _careful(workspace: Workspace, heart: Heart, reader: str, act: Act) -> Careful:
    return Careful(workspace.engine, heart, attempts(workspace, reader), _aside(workspace, reader), act)


def _aside(workspace: Workspace, reader: str) -> Aside:
    return Aside(workspace.engine, workspace.quarantine, workspace.clock, reader)


def attempts(workspace: Workspace, reader: str) -> Attempts:
    """Beside the heart that the parent watches, so that both count in one file."""
    place = os.environ.get(PLACE)
    return Attempts.beside(Path(place) if place else workspace.settings.var / "run" / reader)


def _fenced_seconds(workspace: Workspace) -> float:
    """Kafka deals the partitions out anew, without Kafka there is but one to quarrel about."""
    return WAIT_SECONDS if workspace.settings.kafka_bootstrap else STANDBY_SECONDS


async def patiently(act: Callable[[], T]) -> T:
    """Wait for whatever does not answer, in place: what is in hand is not given up."""
    while True:
        try:
            return await asyncio.to_thread(act)
        except Unavailable as error:
            log.warning("waiting", why=str(error))
            await asyncio.sleep(WAIT_SECONDS)


async def _for_ever(name: str, run: Callable[[], Awaitable[None]], fenced_seconds: float) -> None:
    """Begin again when fenced off or when a service is away; any other error ends the process loudly."""
    while True:
        seconds = WAIT_SECONDS
        try:
            await run()
        except Fenced:
            log.warning("fenced", loop=name)
            seconds = fenced_seconds
        except (Unavailable, Conflict) as error:
            log.warning("waiting", loop=name, why=str(error))
        await asyncio.sleep(seconds)
