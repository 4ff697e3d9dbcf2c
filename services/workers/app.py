"""The faust app of one role: hosts its loop as a service, or the agent that records what others put on Kafka."""

from collections.abc import Awaitable, Callable
from functools import partial

import faust
from mode import Service

from infra.process.heart import Heart
from infra.workspace import Workspace
from services.workers import intake, loops

INTAKE = "intake"
LOOPS: dict[str, loops.Loop] = {
    "projector": loops.project, "policies": loops.react, "sweep": loops.sweep,
    "erasure": loops.erase, "search": loops.index,
}  # fmt: skip
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
        broker_request_timeout=12.0,
        broker_heartbeat_interval=2.5,
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        value_serializer="raw",
        key_serializer="raw",
    )
    if role == INTAKE:
        intake.install(app, workspace, heart)
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
