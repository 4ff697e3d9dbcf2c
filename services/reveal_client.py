"""For subscribers: opens the sealed fields of events through the API, in batches, as fast as the API lets it.

revealer = Revealer("https://touchstone.example", key, purpose="retention")
for event_id, fields in revealer.open(ids).items(): ...
"""

import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import httpx

MOST = 500
TRIES = 5


class Revealer:
    """Asks in the name of one key, for one purpose. Nothing that was opened is kept here.

    `pause` waits so many seconds, and `transport` is httpx's; both are there for tests.
    """

    def __init__(
        self, api: str, key: str, purpose: str, *, pause: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:  # fmt: skip
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=api, headers=headers, timeout=30, transport=transport)
        self._purpose, self._pause = purpose, pause

    def open(self, event_ids: Iterable[str]) -> dict[str, dict[str, str]]:
        """Event id → its personal fields in the clear, "[erased]" where they are gone; unknown ids are missing.

        Waits where it is told to. Raises `httpx.HTTPStatusError`: 403 where the key may not see personal values.
        """
        found: dict[str, dict[str, str]] = {}
        ids = iter(dict.fromkeys(event_ids))
        while batch := list(islice(ids, MOST)):
            found |= self._ask({"purpose": self._purpose, "events": batch})["events"]
        return found

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def _ask(self, body: dict[str, Any]) -> Any:
        for attempt in range(1, TRIES + 1):
            answer = self._http.post("/v1/reveal", json=body)
            if answer.status_code not in (429, 503) or attempt == TRIES:
                break
            self._pause(float(answer.headers.get("Retry-After", "1")))
        return answer.raise_for_status().json()
