"""Logs as JSON lines on stderr and counters for Prometheus; no personal value, no payload goes into either."""

import logging
import sys

import structlog
from prometheus_client import start_http_server


def configure_logging(level: int = logging.INFO) -> None:
    """One line a message, with its time and level."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def serve_metrics(port: int) -> None:
    """Serve this process's counters on the loopback at /metrics; port 0 serves none."""
    if port:
        start_http_server(port, "127.0.0.1")
