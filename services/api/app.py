"""The API's HTTP surface: read customers, timelines, the pipeline and lists; act on opportunities."""

from fastapi import FastAPI

from infra.behind import behind, show
from infra.journal.tail import Tail
from infra.observing import NO_TELEMETRY, Observed, add_operations
from infra.process.health import Health, answers
from infra.process.heart import Heart
from infra.telemetry import show_held
from infra.views import Views
from infra.workspace import Workspace
from services.api import (
    consent,
    contact,
    customer,
    desk,
    erasure,
    event,
    events_feed,
    identity,
    lists,
    offers,
    opportunity,
    pipeline,
    problems,
    quarantine,
    reveal,
    schema,
    search,
    text_search,
    timeline,
    webhook,
)
from services.api.security import DOCUMENTED, Guard


def create_app(workspace: Workspace, heart: Heart | None = None) -> FastAPI:
    """The API over an open workspace; `heart` is told how long requests wait."""
    app = FastAPI(
        title="Touchstone API",
        summary="Customers at a glance, as of any moment; the pipeline; target lists.",
        version="1",
        telemetry=NO_TELEMETRY,
    )
    app.add_middleware(Guard, settings=workspace.settings)
    # Around the guard: what it turns away is counted too.
    app.add_middleware(Observed, service="api", heart=heart)
    problems.install(app)
    views = Views(workspace.engine, workspace.rules, workspace.settings.zone)
    tail = Tail(workspace.engine, workspace.settings.public_url)
    app.include_router(desk.router(workspace, views, tail), dependencies=DOCUMENTED)
    app.include_router(events_feed.router(workspace, tail), dependencies=DOCUMENTED)
    for subject in (
        search,
        customer,
        consent,
        erasure,
        identity,
        contact,
        timeline,
        pipeline,
        opportunity,
        offers,
        event,
    ):
        app.include_router(subject.router(workspace, views), dependencies=DOCUMENTED)

    for other in (lists, quarantine, reveal, text_search, webhook):
        app.include_router(other.router(workspace), dependencies=DOCUMENTED)

    needs_key = [] if workspace.settings.public_url else DOCUMENTED
    app.include_router(schema.router(workspace.settings), dependencies=needs_key)

    add_operations(
        app,
        Health({"journal": answers(workspace.engine), "vault": answers(workspace.vault_engine)}),
        before_metrics=lambda: _show(workspace),
    )
    return app


def _show(workspace: Workspace) -> None:
    """Bring figures up to date that nobody counts as things happen."""
    show_held(workspace.quarantine.counts())
    show(behind(workspace.engine, workspace.settings.topic_prefix))
