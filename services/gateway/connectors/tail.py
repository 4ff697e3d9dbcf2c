"""Following a file that another program writes: line by line, over its rotations and over our restarts."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
import structlog

from infra.door import Door
from infra.raw_body import RawBodies
from infra.workspace import Workspace
from services.gateway.connectors.connector import UNREAD, Connector, Instance, Part, digest
from services.gateway.connectors.telling import tell

log = structlog.get_logger()

LINES = 500
"""Read, recorded and left behind together."""
PACKED = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip"})


class Position(msgspec.Struct, frozen=True):
    """How far a file was read: which one it is, by its first line, and the byte after the last whole line."""

    file: str
    offset: int


class Tail:
    """Reads a file's whole lines. A renamed file is read to its end first, one cut to nothing from its start.

    `state` is a file of ours with the position. A line half written waits for its end.
    """

    def __init__(self, path: Path, state: Path, connector: Connector) -> None:
        self._path, self._state, self._connector = path, state, connector
        self._open: BinaryIO | None = None
        self._file, self._offset = "", 0

    def read(self, limit: int = LINES) -> Sequence[Part]:
        """The next lines, each known by its file and its place there; none where nothing new is there."""
        if self._open is None and not self._begin():
            return []
        assert self._open is not None
        if os.fstat(self._open.fileno()).st_size < self._offset:  # copied away and cut to nothing
            self._offset, self._file = 0, ""
        parts = self._lines(limit)
        while not parts and (following := self._following()) is not None:
            parts = self._lines(limit)  # whoever writes it may not have let go of it at the first look
            if not parts:
                self._turn_to(following)
                parts = self._lines(limit)
        return parts

    def done(self) -> None:
        """What was read is recorded: after a restart it goes on behind it."""
        position = Position(self._file, self._offset)
        new = self._state.with_name(self._state.name + ".new")
        with new.open("wb") as file:
            file.write(msgspec.json.encode(position))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._state)

    def close(self) -> None:
        """Let go of the file."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _begin(self) -> bool:
        """Where it was; from the start of the file of today where it never was, or where that is gone."""
        if self._state.exists():
            before = msgspec.json.decode(self._state.read_bytes(), type=Position)
            for path in self._generations():
                with path.open("rb") as file:
                    if before.file and self._name(file.readline()) == before.file:
                        self._turn_to(path)
                        self._file, self._offset = before.file, before.offset
                        return True
            log.warning("the file that was being followed is gone", tail=self._path.name)
            for path in self._generations():  # whatever of it is still there: repeats are duplicates
                self._turn_to(path)
                return True
        if not self._path.exists():
            return False
        self._turn_to(self._path)
        return True

    def _lines(self, limit: int) -> list[Part]:
        assert self._open is not None
        parts: list[Part] = []
        self._open.seek(self._offset)
        while len(parts) < limit:
            line = self._open.readline()
            if not line.endswith(b"\n"):
                break
            self._file = self._file or self._name(line)
            parts += lines_of(line, self._connector, f"{self._file}.{self._offset}")
            self._offset += len(line)
        return parts

    def _following(self) -> Path | None:
        """The next younger file, where this one was renamed; None while it is the one being written."""
        assert self._open is not None
        here = os.fstat(self._open.fileno())
        found = self._generations()
        for at, path in enumerate(found):
            if os.path.samestat(path.stat(), here):
                return found[at + 1] if at + 1 < len(found) else None
        return found[0] if found else None

    def _generations(self) -> list[Path]:
        """The file and those it was renamed to, the oldest first."""
        names = [
            path for path in self._path.parent.glob(f"{self._path.name}[.-]*") if path.suffix not in PACKED
        ]
        names = [
            path
            for path in names
            if path not in (self._state, self._state.with_name(self._state.name + ".new"))
        ]
        older = sorted(names, key=lambda path: (path.stat().st_mtime_ns, path.name))
        return [*older, *([self._path] if self._path.exists() else [])]

    def _turn_to(self, path: Path) -> None:
        self.close()
        self._open = path.open("rb")
        self._file, self._offset = "", 0

    def _name(self, first: bytes) -> str:
        return name_of(first, self._connector) if first.endswith(b"\n") else ""


def name_of(first: bytes, connector: Connector) -> str:
    """A file is known by its first line, by what of it names nobody; empty for an empty line."""
    parts = connector.split(first, "text/plain")
    return digest(parts[0].key.encode()) if parts else ""


def lines_of(line: bytes, connector: Connector, place: str) -> list[Part]:
    """A line's parts, each known by the line's place in its file: so it has one key, followed or imported."""
    return [
        one if one.key.startswith(UNREAD) else Part(f"{one.key.partition('/')[0]}/{place}", one.raw)
        for one in connector.split(line, "text/plain")
    ]


class Follower:
    """Takes a file's lines in, at a door, as if its system had called."""

    def __init__(self, workspace: Workspace, door: Door, connector: Connector, instance: Instance) -> None:
        self._workspace, self._door = workspace, door
        self._connector, self._instance = connector, instance
        self._bodies = RawBodies(workspace.engine, workspace.vault)

    def step(self, tail: Tail) -> int:
        """Take in what is new; how many lines. Raises `Unavailable`, and the next step takes them again."""
        try:
            return self._take(tail)
        except BaseException:
            tail.close()  # it begins again behind what was recorded
            raise

    def _take(self, tail: Tail) -> int:
        parts = tail.read()
        if not parts:
            return 0
        now = self._workspace.clock.now()
        told = tell(parts, self._connector, self._instance, self._workspace.intake, now)
        self._bodies.keep(told.bodies)
        self._door.settle(self._door.read(told.items, now), now)
        tail.done()
        return len(parts)
