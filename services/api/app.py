"""The API's HTTP surface: read customers, timelines, the pipeline and lists; act on opportunities."""

from fastapi import FastAPI

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
    opportunity,
    pipeline,
    problems,
    quarantine,
    reveal,
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
        event,
    ):
        app.include_router(subject.router(workspace, views), dependencies=DOCUMENTED)

    for other in (lists, quarantine, reveal, text_search, webhook):
        app.include_router(other.router(workspace), dependencies=DOCUMENTED)

    add_operations(
        app,
        Health({"journal": answers(workspace.engine), "vault": answers(workspace.vault_engine)}),
        before_metrics=lambda: show_held(workspace.quarantine.counts()),
    )
    return app
