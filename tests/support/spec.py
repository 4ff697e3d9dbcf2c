"""Given what happened, when a command is given, then this is recorded: rules told in the domain's words."""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from typing import Any

import msgspec

from events import registry
from events.envelope import Envelope, Event
from models.errors import Conflict, Refused
from models.handling import Decider, handle
from models.ports import By, Write
from tests.support.clock import MONDAY


def happened(event: Event, at: datetime = MONDAY, event_id: str = "", **more: Any) -> Envelope:
    """An event in its place; its id says what it is and when, unless the test names it."""
    event_id = event_id or f"{event.WIRE} {at:%Y-%m-%dT%H:%M}"
    known = {"position": 1, "known_at": at, "recorded_at": at, "source": "test", "source_id": event_id}
    return Envelope(event=event, event_id=event_id, occurred_at=at, **{**known, **more})


class Notebook:
    """A journal of a few streams, kept in memory: dedupes and checks revisions as the real one does."""

    def __init__(self) -> None:
        self.streams: dict[str, list[Envelope]] = {}

    def stream(self, name: str) -> list[Envelope]:
        """A stream's events in order."""
        return list(self.streams.get(name, ()))

    def record(self, by: By, writes: Sequence[Write]) -> bool:
        """Append all or nothing."""
        everything = [one for stream in self.streams.values() for one in stream]
        if any((one.source, one.source_id) == (by.source, by.source_id) for one in everything):
            return False
        if any(len(self.streams.get(write.stream, ())) != write.expected for write in writes):
            raise Conflict("a stream has moved on")
        number = 0
        for write in writes:
            for event, at in write.events:
                source_id = by.source_id + (f":{number}" if number else "")
                self.put(event, at, write.stream, source=by.source, source_id=source_id, origin=by.origin,
                         customer=by.customer)  # fmt: skip
                number += 1
        return True

    def put(self, event: Event, at: datetime, stream: str, **more: Any) -> None:
        """Write an event at the end of its stream."""
        written = self.streams.setdefault(stream, [])
        name = f"{event.WIRE} {stream} {len(written) + 1}"
        written.append(happened(event, at, name, stream=stream, revision=len(written) + 1,
                                **{"source_id": name, **more}))  # fmt: skip


class Spec:
    """The kit for one decider: `given(...)`, `when(...)`, then one of the `then_…`, compared in full."""

    def __init__(self, decider: Decider[Any, Any]) -> None:
        self._decider, self._log = decider, Notebook()
        self._outcome: list[Event] | str = []
        self._commands = 0
        self.stream = ""

    def given(
        self, *events: Event, at: datetime = MONDAY, origin: str = "live", customer: str = ""
    ) -> "Spec":
        """These were recorded before."""
        for event in events:
            self.stream = registry.of(event).stream(event)
            self._log.put(event, at, self.stream, origin=origin, customer=customer)
        return self

    def when(self, command: Any, *, origin: str = "live", source_id: str = "") -> "Spec":
        """This is asked, through the path of every command."""
        self._commands += 1
        self.stream = self.stream or f"opportunity-{command.opportunity_id}"
        by = By(source="person", source_id=source_id or f"command {self._commands}", actor="ann",
                origin=origin, customer="whoever asked")  # fmt: skip
        try:
            self._outcome = handle(self._log, self._decider, self.stream, command, by)
        except Refused as refused:
            self._outcome = refused.code
        return self

    def then(self, *events: Event) -> "Spec":
        """Exactly these were recorded, in this order."""
        assert self._outcome == list(events)
        return self

    def then_nothing(self) -> "Spec":
        """It was agreed to, and nothing was new."""
        return self.then()

    def then_refused(self, code: str) -> "Spec":
        """A rule said no."""
        assert self._outcome == code
        return self

    @property
    def envelopes(self) -> list[Envelope]:
        """Everything in the stream by now."""
        return self._log.stream(self.stream)

    @property
    def state(self) -> Any:
        """What the stream's events come to."""
        return reduce(self._decider.evolve, self.envelopes, self._decider.initial)


def plain(struct: msgspec.Struct) -> dict[str, Any]:
    """A state as it comes back from a table."""
    return msgspec.json.decode(msgspec.json.encode(struct))
