"""Figures for Prometheus: what every process counts, and the small server of those that speak no HTTP.

docs/operating.md lists every figure with what it means, those of other modules too. No label holds a value
that somebody sent.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import Counter, Gauge, Histogram, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from infra.process.health import Check, Health
from infra.quarantine.codes import DEFECTS
from models.errors import Unavailable

HTTP = Histogram(
    "touchstone_http_request_seconds", "Time from the first byte of a request to the end of its answer",
    ["service", "method", "route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
WAITING_EVENTS = Gauge(
    "touchstone_waiting_events", "Events that were received and wait for the journal", ["door"]
)
GROUP = Histogram(
    "touchstone_group_commit_events", "Events that shared one commit of the journal",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000),
)  # fmt: skip
LAG = Gauge("touchstone_lag_events", "Events a consumer has still to read", ["consumer", "partition"])
HANDLING = Histogram(
    "touchstone_handler_seconds", "Time a consumer took for one batch, waiting for others included",
    ["consumer"], buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)  # fmt: skip
QUARANTINED = Counter("touchstone_quarantined_total", "Items put into quarantine, repeats included", ["code"])
HELD = Gauge("touchstone_quarantine_open_entries", "Open entries of the quarantine", ["code"])

OTHER = "other"
CODES = 60
"""So many codes of the quarantine are told apart, and ours; importers make up their own."""
_CODE = re.compile(r"[a-z](?:[a-z_.]|[0-9](?![0-9])){0,39}")


def code_label(code: str) -> str:
    """A code as a label or in a log: a sender who tells us why a line is unreadable may write anything."""
    return code if _CODE.fullmatch(code) else OTHER


def show_held(counts: Mapping[str, int]) -> None:
    """Let the gauge say how many open entries there are, by code; the rarest codes are counted together."""
    told: dict[str, int] = {}
    for code, count in sorted(counts.items(), key=lambda one: -one[1]):
        label = code_label(code)
        label = label if label in told or label in DEFECTS or len(told) < CODES else OTHER
        told[label] = told.get(label, 0) + count
    HELD.clear()
    for label, count in told.items():
        HELD.labels(label).set(count)


def serve_metrics(
    port: int, live: Check | None = None, ready: Check | None = None, host: str = "127.0.0.1"
) -> WSGIServer | None:
    """Serve /metrics, /health/live and /health/ready from a thread of its own; port 0 serves nothing.

    `live` and `ready` return if all is well and raise `Unavailable` if not: then the answer is 503.
    """
    if not port:
        return None
    checks = {
        "/health/live": Health({"process": live} if live else {}),
        "/health/ready": Health({"process": ready} if ready else {}),
    }
    server = make_server(host, port, _application(checks), ThreadingWSGIServer, handler_class=_Silent)
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


_Start = Callable[[str, list[tuple[str, str]]], object]


def _application(checks: Mapping[str, Health]) -> Callable[[dict[str, str], _Start], Iterable[bytes]]:
    metrics = make_wsgi_app()

    def application(asked: dict[str, str], start: _Start) -> Iterable[bytes]:
        path = asked.get("PATH_INFO", "")
        if path == "/metrics":
            return metrics(asked, start)
        if path not in checks:
            return _say(start, "404 Not Found", "not found")
        try:
            checks[path].check()
        except Unavailable as error:
            return _say(start, "503 Service Unavailable", str(error), ("Retry-After", "2"))
        return _say(start, "200 OK", "well")

    return application


def _say(start: _Start, status: str, text: str, *headers: tuple[str, str]) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8"), *headers])
    return [text.encode() + b"\n"]


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A scrape every few seconds is no news."""
