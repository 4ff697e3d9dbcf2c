"""A gateway in miniature on a real port: it keeps what it got and answers in the gateway's form."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).parents[2] / "support" / "import_samples"
KEY = "a-key-of-the-tests"


class Gateway:
    """Dedupes by (source, source id); `script` holds answers to give first: a status, or (status, pause)."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], dict[str, Any]] = {}
        self.batches: list[int] = []
        self.script: list[int | tuple[int, str]] = []
        self.most_items = 2_500
        self.fails_after: int | None = None
        self.lock = threading.Lock()
        self.url = ""

    def answer(self, authorization: str, path: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        with self.lock:
            if self.script:
                scripted = self.script.pop(0)
                status, pause = scripted if isinstance(scripted, tuple) else (scripted, "0")
                return status, {"retry-after": pause}, {}
            if path != "/v1/facts":
                return 404, {}, {}
            if authorization != f"Bearer {KEY}":
                return 401, {}, {}
            if self.fails_after is not None and len(self.batches) >= self.fails_after:
                return 418, {}, {}
            items = json.loads(body)
            if len(items) > self.most_items:
                return 413, {}, {}
            self.batches.append(len(items))
            return 200, {}, self.account(items)

    def account(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        results: list[dict[str, Any]] = []
        for index, item in enumerate(items):
            key = (item["source"], item["source_id"])
            result: dict[str, Any] = {"index": index, "source_id": item["source_id"], "event_id": None}
            if "unreadable" in item:
                why = {k: item["unreadable"][k] for k in ("code", "path", "detail")}
                result |= {"verdict": "quarantined", **why}
            elif key in self.kept:
                same = self.kept[key] == item
                result |= {"verdict": "duplicate", "code": None if same else "content_differs"}
            else:
                result |= {"verdict": "accepted"}
            if result["verdict"] != "quarantined" and item["identifiers"]:
                result["customer"] = "customer of " + item["identifiers"][0]["value"]
            self.kept.setdefault(key, item)
            results.append(result)
        said = [one["verdict"] for one in results]
        return {
            "received": len(items), "accepted": said.count("accepted"), "duplicates": said.count("duplicate"),
            "refused": said.count("refused"), "quarantined": said.count("quarantined"), "results": results,
        }  # fmt: skip


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A running gateway in miniature."""
    state = Gateway()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, headers, said = state.answer(self.headers.get("authorization", ""), self.path, body)
            content = json.dumps(said).encode()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def key() -> str:
    """The key that the gateway in miniature knows."""
    return KEY


@pytest.fixture
def samples() -> Path:
    """Small files of our own invention in the forms of the real ones."""
    return SAMPLES
