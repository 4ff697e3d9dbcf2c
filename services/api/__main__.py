"""Runs the API."""

import uvicorn

from infra.settings import Settings
from infra.supervisor import end_with_parent
from infra.telemetry import configure_logging
from infra.workspace import open_workspace
from services.api.app import create_app


def main() -> None:
    """Run until stopped."""
    configure_logging()
    end_with_parent()
    settings = Settings()
    uvicorn.run(
        create_app(open_workspace(settings)), host="127.0.0.1", port=settings.api_port,
        log_level="warning", access_log=False, loop="uvloop", http="httptools",
    )  # fmt: skip


if __name__ == "__main__":
    main()
