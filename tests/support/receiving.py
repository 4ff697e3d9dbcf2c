"""A receiver of webhooks on this machine, as somebody else would have written it, and an API on a real port."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import uvicorn

from infra.workspace import Workspace
from services.api.app import create_app

PATIENCE = 20.0


@dataclass
class Request:
    """What came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Keeps what comes, and answers as it is told: by `answer`, status and headers for each request."""

    url: str
    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], tuple[int, dict[str, str]]] = lambda _: (204, {})

    @property
    def ids(self) -> list[str]:
        """The ids that came, repeats included."""
        return [one.headers["webhook-id"] for one in self.requests]

    def until(self, count: int) -> list[str]:
        """Wait until so many requests came."""
        until(lambda: len(self.requests) >= count)
        return self.ids


def until(true: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Ask until the answer is something; what it is."""
    deadline = time.monotonic() + patience
    while not (found := true()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)
    return found


def stays(true: Callable[[], Any], seconds: float = 0.3) -> None:
    """Nothing changes for a while, in which it would."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert true()
        time.sleep(0.02)


@contextmanager
def receiving(host: str = "127.0.0.1") -> Iterator[Receiver]:
    """A receiver on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.path, headers, body)
            status, more = receiver.answer(request)
            receiver.requests.append(request)
            self.send_response(status)
            for name, value in {"content-length": "0", **more}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: the test reads what came."""

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://{host}:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def serving(workspace: Workspace) -> Iterator[str]:
    """The workspace's API on a port of its own; its address."""
    config = uvicorn.Config(
        create_app(workspace), host="127.0.0.1", port=0, log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
