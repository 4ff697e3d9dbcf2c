"""A process's sign of life, in a small file that its parent reads: what it does, since when, with which event.

A watchdog inside the process would be dead too when a regular expression holds the interpreter.
"""

import asyncio
import mmap
import os
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from events.envelope import Envelope

PLACE = "TOUCHSTONE_HEART"
"""The environment variable with the file; the parent of our processes sets it."""

BEAT_SECONDS = 1.0
IDLE, WAITING, HANDLING = 0, 1, 2
ITEM_BYTES = 36
"""An event's id."""

_BEAT = struct.Struct("=d")
_ASKED = struct.Struct("=d")
_WORK = struct.Struct(f"=dB{ITEM_BYTES}s")
_PACK = _WORK.pack_into
_ASKED_AT = _BEAT.size
_WORK_AT = _ASKED_AT + _ASKED.size
_SIZE = _WORK_AT + _WORK.size


class Pulse(Struct, frozen=True, kw_only=True):
    """What a heart says. Times are seconds of the system's monotonic clock, 0 before the first beat.

    `since` is when the present work began: for HANDLING, when `item` was taken up. `asked` is when the
    oldest of several questions at once was put to a database or a broker that has not answered; 0 for none.
    """

    beat: float
    asked: float = 0.0
    since: float
    work: int
    item: str


class Heart:
    """The process's side. One thread beats, one works, and any may have questions open (`asking`).

    Without a parent it beats for itself alone.
    """

    def __init__(self, path: Path | None = None) -> None:
        if path is None:
            self._map = mmap.mmap(-1, _SIZE)
        else:
            with path.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), _SIZE)
        self._open: dict[object, float] = {}
        self._opening = threading.Lock()

    @classmethod
    def of_process(cls) -> "Heart":
        """The heart that this process's parent watches, if one does."""
        place = os.environ.get(PLACE)
        return cls(Path(place) if place else None)

    def beat(self) -> None:
        """Say that the process is not stuck."""
        _BEAT.pack_into(self._map, 0, time.monotonic())

    async def beat_for_ever(self) -> None:
        """Beat in an event loop, for as long as that turns."""
        while True:
            self.beat()
            await asyncio.sleep(BEAT_SECONDS)

    def beat_in_thread(self) -> None:
        """Beat from a thread, for as long as the interpreter is free."""

        def run() -> None:
            while True:
                self.beat()
                time.sleep(BEAT_SECONDS)

        threading.Thread(target=run, name="heart", daemon=True).start()

    def pulse(self) -> Pulse:
        """What the parent would read."""
        return read(self._map)

    @property
    def item(self) -> str:
        """The event in hand, "" where there is none."""
        return self.pulse().item

    def wait(self) -> None:
        """From here on the work depends on others: a database, a broker."""
        self._work(WAITING)

    def rest(self) -> None:
        """The work is done."""
        self._work(IDLE)

    def handle(self, event_id: str) -> None:
        """From here on the process has this event in hand, and nothing that it does depends on others."""
        _PACK(self._map, _WORK_AT, time.monotonic(), HANDLING, event_id.encode())  # for every event: quick

    def watch(self, history: Iterable[Envelope]) -> Iterator[Envelope]:
        """The history, each event taken in hand as it is asked for."""
        for one in history:
            self.handle(one.event_id)
            yield one
        self.wait()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Meanwhile one of perhaps many questions is open, beside whatever else the process does."""
        question = self.ask()
        try:
            yield
        finally:
            self.answered(question)

    def ask(self) -> object:
        """A question is open from here on; what comes back closes it."""
        question = object()
        with self._opening:
            self._open[question] = time.monotonic()
            self._tell_oldest()
        return question

    def answered(self, question: object) -> None:
        """A question is open no more."""
        with self._opening:
            self._open.pop(question, None)
            self._tell_oldest()

    def _tell_oldest(self) -> None:
        _ASKED.pack_into(self._map, _ASKED_AT, next(iter(self._open.values()), 0.0))

    def _work(self, work: int, item: str = "") -> None:
        _WORK.pack_into(self._map, _WORK_AT, time.monotonic(), work, item.encode())


def prepare(path: Path) -> mmap.mmap:
    """The parent's side: a heart that has not beaten yet, in a file; `read` says how it goes on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(_SIZE))
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), _SIZE)


def read(found: mmap.mmap) -> Pulse:
    """What a heart says."""
    (beat,) = _BEAT.unpack_from(found, 0)
    (asked,) = _ASKED.unpack_from(found, _ASKED_AT)
    since, work, item = _WORK.unpack_from(found, _WORK_AT)
    name = item.rstrip(b"\0").decode(errors="replace")
    return Pulse(beat=beat, asked=asked, since=since, work=work, item=name)
