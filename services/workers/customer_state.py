"""Runs the writer of the compacted topic: the views' rows to Kafka, customer by customer."""

import signal
import threading

from infra.customer_state.topic import StateTopic
from infra.logs import configure_logging
from infra.process.collector import keep_what_is_loaded
from infra.process.heart import Heart
from infra.process.readiness import ready
from infra.process.supervisor import end_in_time, end_with_parent
from infra.settings import Settings
from infra.telemetry import serve_metrics
from infra.workspace import open_workspace


def main() -> None:
    """Run until stopped."""
    configure_logging()
    end_with_parent()
    workspace = open_workspace(Settings())
    settings = workspace.settings
    if not settings.kafka_bootstrap:
        raise SystemExit("the states of customers go to Kafka: set KAFKA_BOOTSTRAP")
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
    StateTopic(
        workspace.engine, settings.kafka_bootstrap, settings.topic_prefix, workspace.rules, settings.zone,
        workspace.clock, heart, settings.public_url,
    ).run(stop)  # fmt: skip
    workspace.close()


if __name__ == "__main__":
    main()
