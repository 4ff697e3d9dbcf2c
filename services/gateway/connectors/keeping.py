"""Calls that come at the same time keep their bodies together: they share the commits."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextvars import Context

from infra.raw_body import NewBody, RawBodies

GROUP = 5_000
"""Bodies of one group, unless one call alone has more."""

Waiting = tuple[Sequence[NewBody], "asyncio.Future[None]"]


class Keeping:
    """Keeps the bodies of many calls. Belongs to one event loop, from its first call on."""

    def __init__(self, bodies: RawBodies) -> None:
        self._bodies = bodies
        self._waiting: deque[Waiting] = deque()
        self._lane: asyncio.Task[None] | None = None

    async def keep(self, bodies: Sequence[NewBody]) -> None:
        """Return when they are committed. Raises `Unavailable`."""
        if not bodies:
            return
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((bodies, kept))
        if self._lane is None or self._lane.done():
            self._lane = asyncio.create_task(self._run(), context=Context())  # of no single call
        await kept

    async def _run(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft()]
            size = len(group[0][0])
            while self._waiting and size + len(self._waiting[0][0]) <= GROUP:
                group.append(self._waiting.popleft())
                size += len(group[-1][0])
            together = [one for bodies, _ in group for one in bodies]
            try:
                await asyncio.to_thread(self._bodies.keep, together)
            except Exception as error:
                for _, kept in group:
                    if not kept.done():
                        kept.set_exception(error)
            else:
                for _, kept in group:
                    if not kept.done():
                        kept.set_result(None)
