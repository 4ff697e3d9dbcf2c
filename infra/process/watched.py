"""The log as one watched handler uses it: its reads and writes wait for others, what lies between is its own."""

from collections.abc import Sequence

from events.envelope import Envelope
from infra.process.heart import Heart
from models.ports import By, Log, Write


class WatchedLog:
    """Implements `models.ports.Log` around another one, for the handling of one event."""

    def __init__(self, log: Log, heart: Heart, event_id: str) -> None:
        self._log, self._heart, self._event_id = log, heart, event_id
        heart.handle(event_id)

    def stream(self, name: str) -> list[Envelope]:
        """A stream's events in order."""
        self._heart.wait()
        found = self._log.stream(name)
        self._heart.handle(self._event_id)
        return found

    def record(self, by: By, writes: Sequence[Write]) -> bool:
        """Append as one item; False for a repeat."""
        self._heart.wait()
        new = self._log.record(by, writes)
        self._heart.handle(self._event_id)
        return new
