"""A clock that a test sets."""

from datetime import UTC, datetime, timedelta

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class SetClock:
    """Stands at a moment; moves only when told."""

    def __init__(self, at: datetime = MONDAY) -> None:
        self.at = at

    def now(self) -> datetime:
        """The moment it stands at."""
        return self.at

    def pass_time(self, **parts: float) -> None:
        """Move on by this much (hours=4, days=1, …)."""
        self.at += timedelta(**parts)
