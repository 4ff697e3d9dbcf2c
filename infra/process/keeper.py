"""Keeping a database and a broker of our own running."""

import threading
from collections.abc import Mapping
from typing import Protocol

import structlog

log = structlog.get_logger()
KEEP_SECONDS = 1.0


class Server(Protocol):
    """A database or a broker that we started."""

    def alive(self) -> bool:
        """Does it run?"""
        ...

    def start(self) -> None:
        """Start it; what it had committed is there again."""
        ...


class Keeper:
    """Starts a local server again that ended by accident, for as long as it is told to."""

    def __init__(self, servers: Mapping[str, Server]) -> None:
        self._servers, self._stop = dict(servers), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer; the servers are left as they are."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(KEEP_SECONDS):
            for name, server in self._servers.items():
                try:
                    if not server.alive():
                        log.warning("ended", server=name)
                        server.start()
                except (OSError, RuntimeError) as error:  # a start that failed is tried again
                    log.error("not started", server=name, why=str(error).splitlines()[0])
