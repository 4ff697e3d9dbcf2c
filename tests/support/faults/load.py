"""Load on a whole system, all of it from one seed."""

import time
from random import Random

from tests.support.faults.book import Book
from tests.support.faults.crowd import Crowd, people
from tests.support.faults.senders import (
    HANG_SECONDS,
    Answers,
    CaptureSender,
    IntakeSender,
    Reader,
    Sender,
    TouchSender,
)


class Load:
    """All senders of a system, on one seed."""

    def __init__(
        self, *, seed: int, book: Book, gateway: str, api: str, key: str, name: str, bootstrap: str = "",
        intake: str = "", pace: float, crowd: int,
    ) -> None:  # fmt: skip
        everybody, self.answers, self._book = people(crowd), Answers(), book

        def chance(who: str) -> Random:
            return Random(f"{seed}:{name}:{who}")

        def crowd_of(who: str) -> Crowd:
            return Crowd(f"{name}-{who}", everybody, chance(who + "'s crowd"))

        self._senders: list[Sender] = [
            TouchSender(crowd_of(who), chance(who), book, gap / pace, gateway, key, self.answers)
            for who, gap in (("switch", 0.1), ("shop", 0.15), ("till", 0.25))
        ]
        self._senders.append(CaptureSender(book, name, chance("desk"), 0.5 / pace, api, key, self.answers))
        self._senders.append(Reader(everybody, chance("reader"), 0.2 / pace, api, key, self.answers))
        if bootstrap:
            self._senders.append(IntakeSender(crowd_of("legacy"), book, 0.1 / pace, bootstrap, intake))

    def __enter__(self) -> "Load":
        for sender in self._senders:
            sender.start()
        return self

    def __exit__(self, *_: object) -> None:
        for sender in self._senders:
            sender.give_up()
        for sender in self._senders:
            sender.join(HANG_SECONDS + 10)

    def settle(self, seconds: float = 90.0) -> None:
        """Make nothing new, and send what is owed until it is acknowledged. Fails if that does not end."""
        deadline = time.monotonic() + seconds
        for sender in self._senders:
            sender.stop()
        for sender in self._senders:
            sender.join(max(0.0, deadline - time.monotonic()))
        failures = [f"{one.name}: {one.failure!r}" for one in self._senders if one.failure is not None]
        assert not failures, failures
        assert not self._book.wrong, self._book.wrong[:5]
        still = [one.name for one in self._senders if one.is_alive()]
        owed = self._book.owed()
        assert not still, f"after {seconds:.0f} s still owed: {len(owed)} events, by {still}"
        assert not owed, f"{len(owed)} events are owed by nobody: {owed[:5]}"
