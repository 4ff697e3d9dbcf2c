"""Whoever listens at a desk is told of every contact that comes to it: once, in order, soon.

One task a process looks for all of them, woken by the one watcher of the journal's end. What a listener is told
rests on the journal alone, so that it may go on at another process.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import timedelta
from typing import NamedTuple, ParamSpec, TypeVar

import structlog

from infra.clock import Clock
from infra.desk.calls import WINDOW, Call, DeskCalls, Start, brought
from infra.journal.page import Page, Wanted
from infra.journal.tail import Tail
from models.domain.prompt import CALLING
from models.errors import Unavailable

log = structlog.get_logger()
PATIENCE = 2.0
"""Seconds that a prompt waits for the views; then its customer's history is folded for it."""
LOOK_SECONDS = 0.05
WAIT_SECONDS = 5.0
PAUSE_SECONDS = 1.0
LINGER_SECONDS = 10.0
BEAT_SECONDS = 15.0
"""After so long without a prompt a listener is told how far it is, so that it resumes there."""
REACH = timedelta(hours=12)
"""So far back a listener that was cut off is told what it missed."""
AT_ONCE = 200
HELD = 200
"""Prompts that wait for a slow listener; with more it is cut off, and resumes when it can."""
REMEMBERED = 20_000
SEARCHES = 4
"""Listeners whose gaps are looked through at the same time."""

P = ParamSpec("P")
T = TypeVar("T")
_WANTED = Wanted(types=frozenset(cls.WIRE for cls in CALLING))


class Prompt(NamedTuple):
    """What is told of a contact: for whoever may see personal values, and for everybody else."""

    personal: str
    plain: str


Telling = Callable[[Sequence[Start], Collection[int], bool], Sequence[Prompt]]
"""(contacts, positions that the views do not have yet, may somebody see personal values) → what is told of each."""


class Message(NamedTuple):
    """One message of a stream. Everything up to `position` has been told. Without a body it says only that."""

    position: int
    body: str = ""
    resync: bool = False


class _Waiting(NamedTuple):
    """A contact that may have come to a desk, until it is told or found to be none; since when we know."""

    call: Call
    since: float


class Listener:
    """Somebody at a desk. `personal`: they may see personal values. `last` is where they were cut off."""

    def __init__(self, desk: str, personal: bool, last: int | None) -> None:
        self.desk, self.personal, self.last = desk, personal, last
        self.joined = 0
        self.prompts: asyncio.Queue[Message | None] = asyncio.Queue()


class Desks:
    """All listeners of one process, in one event loop."""

    def __init__(self, tail: Tail, calls: DeskCalls, telling: Telling, clock: Clock) -> None:
        self._tail, self._calls, self._telling, self._clock = tail, calls, telling, clock
        self._listeners: dict[str, set[Listener]] = {}
        self._waiting: list[_Waiting] = []
        self._met: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._place = -1
        self._left = 0.0
        self._task: asyncio.Task[None] | None = None

    async def enter(self, desk: str, personal: bool, last: int | None) -> Listener:
        """Somebody who will listen. Raises `Unavailable`, and `Refused` for a place beyond the journal."""
        if last is not None and not (self._runs() and 0 <= last <= self._place):
            await asyncio.to_thread(self._calls.expect, last)
        await self._begun()
        return Listener(desk, personal, last)

    async def messages(self, listener: Listener) -> AsyncIterator[Message]:
        """What this listener is told, for as long as it stays."""
        await self._begun()
        self._listeners.setdefault(listener.desk, set()).add(listener)
        listener.joined = self._place
        told = listener.joined if listener.last is None else listener.last
        try:
            yield Message(told)
            if told < listener.joined:
                async for message in self._missed(listener, told):
                    yield message
                    told = message.position
            told = max(told, listener.joined)
            while True:
                try:
                    async with asyncio.timeout(BEAT_SECONDS):
                        found = await listener.prompts.get()
                except TimeoutError:
                    told = max(told, self._safe(listener))
                    yield Message(told)
                    continue
                if found is None:
                    return
                if found.position > told:
                    yield found
                    told = found.position
        finally:
            self._leave(listener)

    async def _missed(self, listener: Listener, last: int) -> AsyncIterator[Message]:
        """What came while nobody listened, up to where the listener joined."""
        reach = await self._search(self._calls.reach, last, self._clock.now() - REACH)
        if last < reach:
            last = reach
            yield Message(last, resync=True)
        while last < listener.joined:
            upto = min(last + WINDOW, listener.joined)
            calls = await self._search(self._calls.of, listener.desk, last, upto)
            starts = (await self._search(self._calls.starts, calls)).starts if calls else []
            for at in range(0, len(starts), AT_ONCE):
                some = starts[at : at + AT_ONCE]
                behind = await self._behind({start.call.position for start in some})
                prompts = await self._search(self._telling, some, behind, listener.personal)
                for start, prompt in zip(some, prompts, strict=True):
                    yield Message(start.call.position, prompt.personal if listener.personal else prompt.plain)
            yield Message(upto)
            last = upto

    async def _behind(self, positions: set[int]) -> set[int]:
        """Which of these the views still lack after some patience."""
        until = time.monotonic() + PATIENCE
        while True:
            lacking = positions - await self._search(self._calls.folded, positions)
            if not lacking or time.monotonic() >= until:
                return lacking
            await asyncio.sleep(LOOK_SECONDS)

    async def _search(self, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask on behalf of one listener, a few at a time; a database that is away is waited for."""
        async with self._searches:
            return await _patiently(ask, *args, **kwargs)

    def _safe(self, listener: Listener) -> int:
        """Up to where this listener has been told everything."""
        if not listener.prompts.empty():
            return 0
        pending = [one.call.position for one in self._waiting if one.call.desk == listener.desk]
        return min(pending) - 1 if pending else self._place

    def _leave(self, listener: Listener) -> None:
        there = self._listeners.get(listener.desk, set())
        there.discard(listener)
        if not there:
            self._listeners.pop(listener.desk, None)
        self._left = time.monotonic()

    def _runs(self) -> bool:
        """Is the task at work, in this event loop?"""
        task = self._task
        return task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop()

    async def _begun(self) -> None:
        """Have the task at work, from where the journal ends now if it was not."""
        if not self._runs():
            self._listeners, self._waiting, self._place = {}, [], -1
            self._searches = asyncio.Semaphore(SEARCHES)
            self._began = asyncio.get_running_loop().create_future()
            self._left = time.monotonic()
            self._task = asyncio.create_task(self._run(), name="desks")
        await asyncio.shield(self._began)

    async def _run(self) -> None:
        try:
            self._place = await _patiently(self._calls.head)
            self._began.set_result(None)
            while self._listeners or time.monotonic() - self._left < LINGER_SECONDS:
                wait = LOOK_SECONDS if self._waiting else WAIT_SECONDS
                try:
                    self._take(await self._tail.page(_WANTED, self._place, AT_ONCE, wait))
                    if self._waiting:
                        await self._tell()
                except Unavailable as error:
                    log.warning("waiting", why=str(error))
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            for there in self._listeners.values():
                for one in there:  # their streams end, and they come back
                    one.prompts.put_nowait(None)

    def _take(self, page: Page) -> None:
        """Keep what may be for somebody who listens. From here on, what comes first is no longer missed."""
        now = time.monotonic()
        calls = [call for event in page.events for call in brought(event)]
        self._waiting += [
            _Waiting(call, now)
            for call in calls
            if call.desk in self._listeners and (call.desk, call.contact) not in self._met
        ]
        self._place = page.next

    async def _tell(self) -> None:
        """Tell what can be told. What is not in the views yet waits, and so does what comes after it there."""
        found = await asyncio.to_thread(self._calls.starts, [one.call for one in self._waiting])
        starts = {start.call: start for start in found.starts}
        for met, position in found.firsts.items():
            if position <= self._place:  # what is recorded beyond has not been looked at for anybody yet
                self._met[met] = None
        while len(self._met) > REMEMBERED:
            self._met.popitem(last=False)
        self._waiting = [one for one in self._waiting if one.call in starts]
        if not self._waiting:
            return
        folded = await asyncio.to_thread(self._calls.folded, {one.call.position for one in self._waiting})
        now = time.monotonic()
        held: set[str] = set()
        due: list[_Waiting] = []
        for one in self._waiting:
            ready = one.call.position in folded or now - one.since >= PATIENCE
            if ready and one.call.desk not in held and len(due) < AT_ONCE:
                due.append(one)
            else:
                held.add(one.call.desk)
        if not due:
            return
        behind = {one.call.position for one in due} - folded
        personal = any(
            listener.personal for one in due for listener in self._listeners.get(one.call.desk, ())
        )
        prompts = await asyncio.to_thread(self._telling, [starts[one.call] for one in due], behind, personal)
        for one, prompt in zip(due, prompts, strict=True):
            for listener in list(self._listeners.get(one.call.desk, ())):
                if one.call.position > listener.joined:
                    body = prompt.personal if listener.personal else prompt.plain
                    self._hand(listener, Message(one.call.position, body))
        told = set(map(id, due))
        self._waiting = [one for one in self._waiting if id(one) not in told]

    def _hand(self, listener: Listener, message: Message) -> None:
        """Into what waits for a listener; one that does not take it is cut off, and resumes when it can."""
        if listener.prompts.qsize() < HELD:
            listener.prompts.put_nowait(message)
            return
        while not listener.prompts.empty():
            listener.prompts.get_nowait()
        listener.prompts.put_nowait(None)
        self._leave(listener)


async def _patiently(ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask in a thread until there is an answer."""
    while True:
        try:
            return await asyncio.to_thread(ask, *args, **kwargs)
        except Unavailable as error:
            log.warning("waiting", why=str(error))
            await asyncio.sleep(PAUSE_SECONDS)
