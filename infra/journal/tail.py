"""The journal's end, watched once for all who wait there: an idle reader costs neither a thread nor a question."""

import asyncio
import time

import structlog
from sqlalchemy import Engine

from infra.cloud_event import CloudEvent
from infra.database import unavailable
from infra.journal.page import PAGE_BYTES, Page, Wanted, head, newest, read_page
from models.errors import Unavailable

log = structlog.get_logger()
IDLE_SECONDS = 0.05
WAIT_SECONDS = 1.0
LINGER_SECONDS = 10.0
"""So long the end is watched after the last reader went: most come back for the next page."""
AT_ONCE = 500
KEPT = 2_000
"""Newest events that are kept for those who wait for them."""


class Tail:
    """Pages of the journal for many readers in one event loop.

    Whoever is near its end is served from memory: an event is read and written as JSON once for all of them.
    """

    def __init__(self, engine: Engine, public_url: str = "") -> None:
        self._engine, self._public_url = engine, public_url
        self._low = self._high = -1
        self._kept: list[CloudEvent] = []
        self._waiting = 0
        self._left = 0.0
        self._watcher: asyncio.Task[None] | None = None
        self._grew = asyncio.Event()

    async def page(self, asked: Wanted, after: int, limit: int, wait: float = 0.0) -> Page:
        """What comes after a position; where there is nothing, the first that comes within `wait` seconds.

        Without anything the page is empty, its cursor further on only if all up to there was not asked for.
        Raises `Unavailable`, and `Refused` for a position beyond the journal.
        """
        until = time.monotonic() + wait
        place = after
        while True:
            page = self._remembered(asked, place, limit)
            if page is None:
                page = await asyncio.to_thread(read_page, self._engine, asked, place, limit, self._public_url)
            place, left = page.next, until - time.monotonic()
            if page.events or left <= 0:
                return page
            if page.end:
                await self._grown(place, left)

    def _remembered(self, asked: Wanted, after: int, limit: int) -> Page | None:
        """A page out of what is kept, where it reaches back far enough."""
        if not self._watched() or not self._low <= after <= self._high:
            return None
        found: list[CloudEvent] = []
        size = 0
        for one in self._kept[after - self._low :]:
            if asked.takes(one.type):
                found.append(one)
                size += len(one.body)
                if len(found) == limit or size >= PAGE_BYTES:
                    return Page(found, one.position, one.position == self._high)
        return Page(found, self._high, True)

    async def _grown(self, place: int, seconds: float) -> None:
        """Return when the journal is beyond a position, or after so many seconds."""
        if not self._watched():
            self._begin()
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                while self._high <= place:
                    await self._grew.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting -= 1
            self._left = time.monotonic()

    def _begin(self) -> None:
        """Watch from where the journal ends now. Who waits already, waits on."""
        if self._watcher is None or self._watcher.get_loop() is not asyncio.get_running_loop():
            self._waiting, self._grew = 0, asyncio.Event()
        self._low = self._high = -1
        self._kept = []
        self._tell()
        self._watcher = asyncio.create_task(self._watch(), name="journal tail")

    def _watched(self) -> bool:
        """Is somebody watching, in this event loop?"""
        watcher = self._watcher
        return watcher is not None and not watcher.done() and watcher.get_loop() is asyncio.get_running_loop()

    async def _watch(self) -> None:
        """Look for what is new, for as long as somebody waits for it."""
        while self._waiting or time.monotonic() - self._left < LINGER_SECONDS:
            try:
                if self._high < 0:
                    self._low = self._high = await asyncio.to_thread(self._head)
                    self._tell()
                found = await asyncio.to_thread(newest, self._engine, self._high, AT_ONCE, self._public_url)
            except Unavailable as error:
                log.warning("waiting", why=str(error))
                await asyncio.sleep(WAIT_SECONDS)
                continue
            if found:
                self._keep(found)
                self._tell()
            if len(found) < AT_ONCE:
                await asyncio.sleep(IDLE_SECONDS)

    def _head(self) -> int:
        with unavailable(), self._engine.connect() as connection:
            return head(connection)

    def _keep(self, found: list[CloudEvent]) -> None:
        """Add the newest, and let go of the oldest."""
        self._kept += found
        self._high = found[-1].position
        many = len(self._kept) - KEPT
        size = sum(len(one.body) for one in self._kept)
        gone = 0
        while gone < len(self._kept) and (gone < many or size > PAGE_BYTES):
            size -= len(self._kept[gone].body)
            gone += 1
        del self._kept[:gone]
        self._low += gone

    def _tell(self) -> None:
        """Wake all who wait."""
        grew, self._grew = self._grew, asyncio.Event()
        grew.set()
