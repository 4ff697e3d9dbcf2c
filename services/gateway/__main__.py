"""Runs the gateway."""

from infra.logs import configure_logging
from infra.process.heart import Heart
from infra.process.serving import serve
from infra.process.supervisor import end_with_parent
from infra.settings import Settings
from infra.workspace import open_workspace
from services.gateway.app import create_app


def main() -> None:
    """Run until stopped."""
    configure_logging()
    end_with_parent()
    settings = Settings()
    heart = Heart.of_process()
    serve(create_app(open_workspace(settings), heart), settings.host, settings.gateway_port, heart)


if __name__ == "__main__":
    main()
