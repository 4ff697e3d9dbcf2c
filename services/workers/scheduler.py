"""Runs what is due by the schedule of the workspace."""

import signal
import sys
import threading

from infra.logs import configure_logging
from infra.process.collector import keep_what_is_loaded
from infra.process.health import Health, answers
from infra.process.heart import Heart
from infra.process.supervisor import end_in_time, end_with_parent
from infra.schedule.scheduler import Scheduler
from infra.settings import Settings
from infra.telemetry import serve_metrics
from infra.workspace import open_workspace

PROGRAM = (sys.executable, "-m", "services.cli.job")


def main() -> None:
    """Run until stopped; what is being run then is ended, and comes again."""
    configure_logging()
    end_with_parent()
    workspace = open_workspace(Settings())
    settings = workspace.settings
    ready = Health({"journal": answers(workspace.engine)}, 1.8)
    serve_metrics(settings.metrics_port, ready=ready.check, host=settings.host)
    stop = threading.Event()

    def told(*_: object) -> None:
        stop.set()
        end_in_time()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    heart = Heart.of_process()
    heart.beat_in_thread()
    keep_what_is_loaded()
    Scheduler(workspace, PROGRAM, heart, stop).run()
    workspace.close()


if __name__ == "__main__":
    main()
