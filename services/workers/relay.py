"""Runs the relay: journal to Kafka."""

import signal
import threading

from infra.heart import Heart
from infra.relay import Relay
from infra.settings import Settings
from infra.supervisor import end_with_parent
from infra.telemetry import configure_logging, serve_metrics
from infra.workspace import open_workspace


def main() -> None:
    """Run until stopped."""
    configure_logging()
    end_with_parent()
    workspace = open_workspace(Settings())
    serve_metrics(workspace.settings.metrics_port)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    heart = Heart.of_process()
    heart.beat_in_thread()
    settings = workspace.settings
    Relay(workspace.engine, settings.kafka_bootstrap, settings.topic_prefix, heart).run(stop)
    workspace.close()


if __name__ == "__main__":
    main()
