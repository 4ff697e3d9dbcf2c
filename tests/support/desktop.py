"""Somebody's screen at a desk, as the stream of prompts fills it."""

import json
import threading
from typing import Any, Self

import httpx
from httpx_sse import connect_sse

from tests.support.receiving import until


class Desktop:
    """What a desk is told, message by message, from when it is entered; `last` is where it was cut off."""

    def __init__(self, url: str, desk: str, last: int | None = None, key: str = "test-key") -> None:
        self.messages: list[tuple[int, str, str]] = []
        self._url, self._path = url, f"/v1/desk/{desk}/prompts"
        self._headers = {"Authorization": f"Bearer {key}"} | ({"Last-Event-ID": str(last)} if last else {})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def _listen(self) -> None:
        with (
            httpx.Client(base_url=self._url, headers=self._headers, timeout=30) as client,
            connect_sse(client, "GET", self._path) as source,
        ):
            for one in source.iter_sse():
                if self._stop.is_set():
                    return
                self.messages.append((int(one.id), one.event, one.data))

    @property
    def prompts(self) -> list[tuple[int, dict[str, Any]]]:
        """What it shows: (position, prompt) each."""
        return [(at, json.loads(data)) for at, event, data in self.messages if event == "prompt"]

    @property
    def last(self) -> int:
        """Where it would go on."""
        return self.messages[-1][0]

    def shows(self, count: int) -> dict[str, Any]:
        """Wait until it shows so many; the newest."""
        until(lambda: len(self.prompts) >= count)
        assert len(self.prompts) == count
        return self.prompts[-1][1]

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self.messages)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(1)  # it looks again when the next message comes
