"""Requests that wait at the same time are recorded together: they share the commits of vault and journal."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context

import structlog

from infra.clock import Clock
from infra.door import Answer, Door
from infra.intake import Pending, Rejected
from infra.logs import described
from infra.process.heart import Heart
from models.errors import Unavailable

log = structlog.get_logger()
LANES = 2
"""Groups under way at once: one computes while the other waits for its commit."""
GROUP = 5_000
"""Events of one group, unless one request alone has more."""
SMALL = 20
"""A request of so many events is read at once; a larger one in a thread, so that others need not wait."""
ANSWER_SECONDS = 10.0
"""Longer nobody is kept waiting; what is recorded all the same is a duplicate when it is sent again."""

Read = Sequence[Pending | Rejected]
Waiting = tuple[Read, "asyncio.Future[list[Answer]]"]


class Gathering:
    """A door through which many requests go at once. Belongs to one event loop, from its first request on."""

    def __init__(self, door: Door, clock: Clock, heart: Heart) -> None:
        self._door, self._clock, self._heart = door, clock, heart
        self._waiting: deque[Waiting] = deque()
        self._lanes: set[asyncio.Task[None]] = set()
        self._pool = ThreadPoolExecutor(LANES, "recording")

    async def take(self, raws: Sequence[bytes | Rejected]) -> list[Answer]:
        """A verdict for each item of a request, in order. Raises `Unavailable`."""
        if len(raws) <= SMALL:
            read = self._door.read(raws, self._clock.now())
        else:
            read = await asyncio.to_thread(self._door.read, raws, self._clock.now())
        told: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        self._waiting.append((read, told))
        if len(self._lanes) < LANES:
            lane = asyncio.create_task(self._lane(), context=Context())  # of no single request
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        try:
            return await asyncio.wait_for(told, ANSWER_SECONDS)
        except TimeoutError:
            raise Unavailable("the journal takes too long to answer") from None

    async def _lane(self) -> None:
        """Record group after group until nobody waits."""
        while self._waiting:
            with self._heart.asking():
                await self._record(self._group())

    def _group(self) -> list[Waiting]:
        group, size = [self._waiting.popleft()], 0
        size = len(group[0][0])
        while self._waiting and size + len(self._waiting[0][0]) <= GROUP:
            one = self._waiting.popleft()
            group.append(one)
            size += len(one[0])
        return group

    async def _record(self, group: Sequence[Waiting]) -> None:
        """Answer a group. A defect of ours that one request hits fails no other one."""
        together = [one for read, _ in group for one in read]
        try:
            answers = await self._settle(together)
        except Unavailable as error:
            for _, told in group:
                _fail(told, error)
        except Exception as error:
            if len(group) == 1:
                _fail(group[0][1], error)
                return
            log.error("group failed", requests=len(group), **described(error))
            for one in group:
                await self._record([one])
        else:
            at = 0
            for read, told in group:
                mine = answers[at : at + len(read)]
                at += len(read)
                for index, answer in enumerate(mine):
                    answer.index = index
                if not told.done():
                    told.set_result(mine)

    async def _settle(self, read: Read) -> list[Answer]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._door.settle, read, self._clock.now())


def _fail(told: "asyncio.Future[list[Answer]]", error: Exception) -> None:
    if not told.done():
        told.set_exception(error)
