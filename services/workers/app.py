"""The faust app of one role: hosts its loop as a service, or records what arrives on the intake topic."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import faust
import structlog
from mode import Service

from events.topics import intake_topic
from infra.door import Door
from infra.heart import Heart
from infra.workspace import Workspace
from models.errors import Unavailable
from services.workers import loops

log = structlog.get_logger()
INTAKE = "intake"
LOOPS: dict[str, loops.Loop] = {"projector": loops.project, "policies": loops.react, "sweep": loops.sweep}
ROLES = (*LOOPS, INTAKE)


def create_app(workspace: Workspace, role: str, heart: Heart) -> faust.App:
    """A worker of a workspace. No truth is kept in tables, nothing is exactly-once, no web server."""
    settings = workspace.settings
    app = faust.App(
        f"{settings.topic_prefix}.{role}",
        broker=f"kafka://{settings.kafka_bootstrap}",
        store="memory://",
        datadir=str(settings.var / "faust"),
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        broker_session_timeout=8.0,
        broker_heartbeat_interval=2.5,
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        value_serializer="raw",
        key_serializer="raw",
    )
    if role == INTAKE:
        _intake(app, workspace)
    else:
        app.producer_only = True  # the loop reads by itself: faust starts no client of Kafka
        app.boot_strategy = app.BootStrategy(app, enable_kafka=False)
        app.service(_hosted(role, partial(LOOPS[role], workspace, heart)))
    app.service(_hosted("heart", heart.beat_for_ever))
    return app


class _Hosted(Service):
    """A loop as a service of the worker: it starts and stops with it, and its crash is the worker's."""

    abstract = True
    run: Callable[[], Awaitable[None]]

    @Service.task
    async def run_loop(self) -> None:
        await type(self).run()


def _hosted(name: str, run: Callable[[], Awaitable[None]]) -> type[Service]:
    return type(name, (_Hosted,), {"abstract": False, "run": staticmethod(run)})


def _intake(app: faust.App, workspace: Workspace) -> None:
    topic = app.topic(
        intake_topic(workspace.settings.topic_prefix), key_type=bytes, value_type=bytes,
        key_serializer="raw", value_serializer="raw", internal=False,
    )  # fmt: skip
    door = workspace.door("intake")

    @app.agent(topic, name="intake")
    async def intake(stream: faust.StreamT[bytes]) -> None:
        """Faust acks a message even when we raise, so each ending is decided here."""
        async for message in stream:
            await settle(door, message or b"")


async def settle(door: Door, message: bytes) -> None:
    """Give a message its verdict; while the journal does not answer, wait with it in hand.

    On a topic no sender keeps what is refused, so it goes into quarantine too; and so does whatever
    fails by a defect of ours.
    """
    while True:
        try:
            await asyncio.to_thread(_settle, door, message)
        except Unavailable as error:
            log.warning("waiting", loop="intake", why=str(error))
            await asyncio.sleep(loops.WAIT_SECONDS)
        else:
            return


def _settle(door: Door, message: bytes) -> None:
    try:
        (answer,) = door.receive([message])
    except Unavailable:
        raise
    except Exception as error:
        log.error("failed", loop="intake", kind=type(error).__name__)
        door.hold(message, "failed", "$", "taking it in failed; it can be replayed when that is mended")
        return
    if answer.verdict == "refused":
        door.hold(message, answer.code, answer.path, answer.detail)
    if answer.verdict not in ("accepted", "duplicate"):
        log.warning("not taken", verdict=answer.verdict, code=answer.code, path=answer.path)
