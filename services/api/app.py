"""The API's HTTP surface: read customers, timelines, the pipeline and lists; act on opportunities."""

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from infra.database import wait_until_ready
from infra.views import Views
from infra.workspace import Workspace
from services.api import customer, event, lists, opportunity, pipeline, problems, search, timeline
from services.api.security import DOCUMENTED, Guard


class Ready(BaseModel):
    """The databases answer."""

    status: str


def create_app(workspace: Workspace) -> FastAPI:
    """The API over an open workspace."""
    app = FastAPI(
        title="Touchstone API",
        summary="Customers at a glance, as of any moment; the pipeline; target lists.",
        version="1",
    )
    app.add_middleware(Guard, settings=workspace.settings)
    problems.install(app)
    views = Views(workspace.engine, workspace.rules, workspace.settings.zone)
    for subject in (search, customer, timeline, pipeline, opportunity, event):
        app.include_router(subject.router(workspace, views), dependencies=DOCUMENTED)

    app.include_router(lists.router(workspace), dependencies=DOCUMENTED)

    @app.get("/health", tags=["operations"], responses=problems.described())
    def health() -> Ready:
        """200 when the databases answer."""
        wait_until_ready(workspace.engine)
        wait_until_ready(workspace.vault_engine)
        return Ready(status="ready")

    @app.get("/metrics", tags=["operations"])
    def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app
