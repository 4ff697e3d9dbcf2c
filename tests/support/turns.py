"""Threads at one database that take turns, a statement or a commit at a time, in an order that a test decides."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, Engine, event, text

PATIENCE = 30.0
"""Seconds until a thread that does not come on is given up."""

LOOK_SECONDS = 0.005


@dataclass
class _Actor:
    thread: threading.Thread
    pid: int = 0
    next: str = ""
    """The step that it waits to take; empty while it works, or has ended."""

    go: bool = False
    error: BaseException | None = None


class Turns:
    """While it is open, threads that it started stop before each step until it is their turn."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._actors = engine, dict[str, _Actor]()
        self._changed = threading.Condition()
        self._heard: dict[str, Callable[..., None]] = {
            "before_cursor_execute": lambda connection, cursor, statement, *rest: self._wait(
                connection, statement
            ),
            "commit": lambda connection: self._wait(connection, "COMMIT"),
            "rollback": lambda connection: self._wait(connection, "ROLLBACK"),
        }
        self.steps: list[tuple[str, str]] = []
        """Who did what, in order."""

        self.blocked = 0
        """How often somebody had to wait for another's lock."""

    def __enter__(self) -> "Turns":
        for what, heard in self._heard.items():
            event.listen(self._engine, what, heard)
        self._look = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for what, heard in self._heard.items():
            event.remove(self._engine, what, heard)
        for actor in self._actors.values():  # whoever is left goes on by themselves
            with self._changed:
                actor.go = True
                self._changed.notify_all()
            actor.thread.join(PATIENCE)
        self._look.close()

    def start(self, name: str, act: Callable[[], None]) -> None:
        """Have a thread begin to act, up to its first step."""

        def run() -> None:
            try:
                act()
            except BaseException as error:
                actor.error = error
            with self._changed:
                self._changed.notify_all()

        actor = self._actors[name] = _Actor(threading.Thread(target=run, name=name, daemon=True))
        actor.thread.start()
        self._settle()

    def ready(self) -> list[str]:
        """Who waits for their turn, by name; empty once all have ended. Raises what a thread raised."""
        for actor in self._actors.values():
            if actor.error is not None:
                raise actor.error
        return sorted(name for name, actor in self._actors.items() if actor.next)

    def next(self, name: str) -> str:
        """The step that somebody waits to take."""
        return self._actors[name].next

    def step(self, name: str) -> None:
        """Have somebody take that step, and wait until everybody has stopped again."""
        actor = self._actors[name]
        with self._changed:
            self.steps.append((name, actor.next))
            actor.next, actor.go = "", True
            self._changed.notify_all()
        self._settle()

    def finish(self, name: str) -> None:
        """Have somebody take all their steps; stops where they must wait for another."""
        while name in self.ready():
            self.step(name)

    def _settle(self) -> None:
        """Until everybody waits for their turn, or for another's lock, or has ended."""
        deadline = time.monotonic() + PATIENCE
        while moving := self._moving():
            with self._changed:
                self._changed.wait_for(lambda: not self._moving(), LOOK_SECONDS)
            if moving == self._moving() and all(self._is_blocked(one) for one in moving):
                self.blocked += 1
                return
            assert time.monotonic() < deadline, "a thread does not come on"

    def _moving(self) -> list[_Actor]:
        return [one for one in self._actors.values() if not one.next and one.thread.is_alive()]

    def _is_blocked(self, actor: _Actor) -> bool:
        query = text("SELECT cardinality(pg_blocking_pids(:pid)) > 0")
        return bool(self._look.execute(query, {"pid": actor.pid}).scalar())

    def _wait(self, connection: Connection, step: str) -> None:
        actor = self._actors.get(threading.current_thread().name)
        if actor is None or actor.thread is not threading.current_thread():
            return
        raw: Any = connection.connection.driver_connection
        with self._changed:
            actor.pid, actor.next = raw.info.backend_pid, step
            self._changed.notify_all()
            self._changed.wait_for(lambda: actor.go, PATIENCE)
            actor.next, actor.go = "", False
