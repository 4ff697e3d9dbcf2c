"""Runs the relay: journal to Kafka."""

import signal
import threading

from infra.logs import configure_logging
from infra.process.collector import keep_what_is_loaded
from infra.process.heart import Heart
from infra.process.readiness import ready
from infra.process.supervisor import end_in_time, end_with_parent
from infra.relay import Relay
from infra.settings import Settings
from infra.telemetry import serve_metrics
from infra.workspace import open_workspace


def main() -> None:
    """Run until stopped."""
    configure_logging()
    end_with_parent()
    workspace = open_workspace(Settings())
    settings = workspace.settings
    serve_metrics(settings.metrics_port, ready=ready(workspace), host=settings.host)
    stop = threading.Event()

    def told(*_: object) -> None:
        stop.set()
        end_in_time()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    heart = Heart.of_process()
    heart.beat_in_thread()
    keep_what_is_loaded()
    Relay(workspace.engine, settings.kafka_bootstrap, settings.topic_prefix, heart, settings.public_url).run(
        stop
    )
    workspace.close()


if __name__ == "__main__":
    main()
