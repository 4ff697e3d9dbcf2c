"""Whole files of the past, written by a system that also calls us: taken in as history, each line accounted for."""

import gzip
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
from msgspec import Struct

from infra.door import Door
from infra.raw_body import RawBodies
from infra.workspace import Workspace
from services.gateway.connectors.catalogue import BY_LINE
from services.gateway.connectors.connector import Connector, Instance, Part, Refusal, parts_of
from services.gateway.connectors.tail import lines_of, name_of
from services.gateway.connectors.telling import tell

CHUNK = 2_000
"""Parts that are recorded together."""
BODY_BYTES = 256 * 1024 * 1024
"""Of a file that is no list of lines: it is read as the one body that it is."""

Told = Callable[[int, int], None]
"""(done, in all), in bytes of the file as it is stored."""


class FileProblem(ValueError):
    """A file that can't be read, or no further; what was read of it before is recorded."""


class Imported(Struct, kw_only=True):
    """What became of a file. `events` = accepted + duplicates + refused + quarantined.

    A part tells none, one or several events; one that can't be told is quarantined, as one.
    """

    file: str
    parts: int = 0
    events: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    quarantined: int = 0
    codes: dict[str, int] = {}


def import_file(
    workspace: Workspace, door: Door, connector: Connector, instance: Instance, path: Path, told: Told
) -> Imported:
    """Take a file in, packed by gzip or not; again, or after it was followed, it is all duplicates.

    Raises `FileProblem`, `Unavailable`; doing it again goes on.
    """
    past = msgspec.structs.replace(
        instance, options=msgspec.structs.replace(instance.options, origin="import")
    )
    bodies, report, codes = (
        RawBodies(workspace.engine, workspace.vault),
        Imported(file=path.name),
        Counter[str](),
    )
    for parts in _parts(path, connector, past, told):
        now = workspace.clock.now()
        telling = tell(parts, connector, past, workspace.intake, now)
        bodies.keep(telling.bodies)
        answers = door.settle(door.read(telling.items, now), now)
        verdicts = Counter(one.verdict for one in answers)
        codes.update(one.code for one in answers if one.code)
        report.parts += len(parts)
        report.events += len(answers)
        report.accepted += verdicts["accepted"]
        report.duplicates += verdicts["duplicate"]
        report.refused += verdicts["refused"]
        report.quarantined += verdicts["quarantined"]
    report.codes = dict(codes)
    return report


def _parts(path: Path, connector: Connector, instance: Instance, told: Told) -> Iterator[Sequence[Part]]:
    try:
        with path.open("rb") as stored:
            size = os.fstat(stored.fileno()).st_size
            packed = stored.read(2) == b"\x1f\x8b"
            stored.seek(0)
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=stored) if packed else stored)
            found = (
                _by_line(stream, connector)
                if connector.kind in BY_LINE
                else _whole(stream, connector, instance)
            )
            while chunk := list(islice(found, CHUNK)):
                yield chunk
                told(stored.tell(), size)
            told(size, size)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise FileProblem(f"{path.name} is packed and damaged; every line before that is recorded") from None
    except OSError as error:
        raise FileProblem(f"{path.name} can't be read: {error.strerror}") from None


def _by_line(stream: BinaryIO, connector: Connector) -> Iterator[Part]:
    name, offset = "", 0
    for line in stream:
        name = name or name_of(line, connector)
        yield from lines_of(line, connector, f"{name}.{offset}")
        offset += len(line)


def _whole(stream: BinaryIO, connector: Connector, instance: Instance) -> Iterator[Part]:
    raw = stream.read(BODY_BYTES + 1)
    if len(raw) > BODY_BYTES:
        raise FileProblem(
            f"a file of a {connector.kind} may have {BODY_BYTES // 2**20} MB: cut it into several"
        )
    try:
        yield from parts_of(connector.open(raw, instance), "", connector, instance)
    except Refusal as refusal:
        raise FileProblem(refusal.detail) from None
