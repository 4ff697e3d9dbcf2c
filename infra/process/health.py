"""Whether a process can do its work, asked beside the work: probes never queue behind events."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from sqlalchemy import Engine, NullPool, create_engine

from infra.database import wait_until_ready
from models.errors import Unavailable

SECONDS = 2.0
"""An answer that takes longer is none."""

T = TypeVar("T")
Check = Callable[[], None]
"""Returns if all is well, else raises; `Unavailable` says why in its own words."""


class Lane(Generic[T]):
    """A piece of work with a thread of its own, never twice at once: who asks meanwhile gets the same result."""

    def __init__(self, name: str, work: Callable[[], T]) -> None:
        self.name, self._work = name, work
        self._lock = threading.Lock()
        self._under_way: Future[T] | None = None

    def ask(self) -> Future[T]:
        """The result to come. The thread never keeps the process from ending."""
        with self._lock:
            if self._under_way is None or self._under_way.done():
                future: Future[T] = Future()
                future.set_running_or_notify_cancel()
                self._under_way = future
                threading.Thread(target=self._run, args=(future,), name=self.name, daemon=True).start()
            return self._under_way

    async def answer(self, seconds: float = SECONDS) -> T:
        """The result. Raises `Unavailable` if it takes longer, else what the work raised."""
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self.ask()), seconds)
        except TimeoutError:
            raise Unavailable(f"{self.name} does not answer") from None

    def _run(self, future: Future[T]) -> None:
        try:
            future.set_result(self._work())
        except BaseException as error:
            future.set_exception(error)


class Health:
    """The checks of a process, by the name of what is asked. They run at the same time, each in its lane."""

    def __init__(self, checks: Mapping[str, Check], seconds: float = SECONDS) -> None:
        self._lanes, self._seconds = [Lane(name, check) for name, check in checks.items()], seconds

    def check(self) -> None:
        """Return if the process can do its work. Raises `Unavailable`, naming what does not answer in time."""
        asked = {lane.name: lane.ask() for lane in self._lanes}
        wait(asked.values(), self._seconds)
        _judge(asked)

    async def checked(self) -> None:
        """The same, without holding up the event loop."""
        asked = {lane.name: lane.ask() for lane in self._lanes}
        waiting = [asyncio.wrap_future(future) for future in asked.values()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=self._seconds)
            for one in late:
                one.cancel()
        for one in waiting:
            if one.done() and not one.cancelled():
                one.exception()  # looked at, so that asyncio does not report it as forgotten
        _judge(asked)


def answers(engine: Engine) -> Check:
    """A check that a database answers: over a connection of its own, so that a busy pool is no illness."""
    own = create_engine(
        engine.url, poolclass=NullPool, hide_parameters=True,
        connect_args={"connect_timeout": int(SECONDS), "tcp_user_timeout": int(SECONDS * 1000)},
    )  # fmt: skip
    return lambda: wait_until_ready(own)


def _judge(asked: Mapping[str, "Future[None]"]) -> None:
    why = []
    for name, future in asked.items():
        if not future.done():
            why.append(f"{name}: no answer in time")
        elif (error := future.exception()) is not None:
            why.append(f"{name}: {error if isinstance(error, Unavailable) else type(error).__name__}")
    if why:
        raise Unavailable("; ".join(why))
