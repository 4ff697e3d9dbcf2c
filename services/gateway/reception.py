"""What all doors of the gateway have in common: the key, the queue before the journal, the counters."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import Response

from infra.door import RECEIVED, VERDICTS, Answer
from infra.intake import Rejected
from infra.logs import current_request
from infra.process.heart import Heart
from infra.security import may_call
from infra.telemetry import WAITING_EVENTS
from infra.workspace import Workspace
from services.gateway.body import BadBody
from services.gateway.gathering import Gathering

WAITING = 50_000
"""Events that may wait for the journal at once; beyond, senders are asked to come back."""

DOOR = "gateway"
RETRY = {"Retry-After": "2"}


class Reception:
    """Takes items in at any of the gateway's doors, each counted under its own name."""

    def __init__(self, workspace: Workspace, heart: Heart | None = None) -> None:
        self.workspace = workspace
        self._heart = heart or Heart()
        self._doors: dict[str, Gathering] = {}
        self._waiting = 0
        self.open(DOOR)

    def open(self, name: str) -> None:
        """A door of this name, to be taken in at."""
        self._doors[name] = Gathering(self.workspace.door(name), self.workspace.clock, self._heart)

    def expect_key(self, given: str) -> None:
        """Raises `BadBody` (401) for what is no key of this workspace."""
        if not may_call(given, self.workspace.settings.keys):
            raise BadBody(401, "no_key", "send a key of this workspace: Authorization: Bearer KEY")

    async def take(self, items: Sequence[bytes | Rejected], door: str = DOOR) -> list[Answer]:
        """A verdict for each item, in order: events as `/v1/touches` takes them, or what could not be made one.

        Raises `BadBody` (429) where too many wait already, `Unavailable`.
        """
        if self._waiting + len(items) > WAITING:
            raise BadBody(429, "too_many_waiting", "more events are waiting than can be recorded soon")
        self._waiting += len(items)
        WAITING_EVENTS.labels(DOOR).set(self._waiting)
        try:
            return await self._doors[door].take(items)
        finally:
            self._waiting -= len(items)
            WAITING_EVENTS.labels(DOOR).set(self._waiting)


def refused_whole(door: str) -> None:
    """Count a request that could not be read at all as one item, refused."""
    RECEIVED.labels(door).inc()
    VERDICTS.labels(door, "refused").inc()


def counted(answers: Sequence[Answer]) -> dict[str, int]:
    """Four counters that add up to the first."""
    count = {"accepted": 0, "duplicate": 0, "refused": 0, "quarantined": 0}
    for answer in answers:
        count[answer.verdict] += 1
    return {
        "received": len(answers), "accepted": count["accepted"], "duplicates": count["duplicate"],
        "refused": count["refused"], "quarantined": count["quarantined"],
    }  # fmt: skip


def as_json(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of the gateway."""
    return Response(msgspec.json.encode(body), status, headers, "application/json")


def problem(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, path: str = "$"
) -> Response:
    """What went wrong with a whole request, in the words that each of the SDKs looks for."""
    body = {"code": code, "path": path, "detail": detail, "message": detail, "request_id": current_request()}
    return as_json(status, body, headers)
