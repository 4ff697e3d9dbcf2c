"""One file into a running gateway: read, draft, send, account for every line, go on after a stop."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from events import codec
from services.importer.drafting import Draft, Drafted, Drafter, Unreadable
from services.importer.explaining import explain
from services.importer.mapping import Mapping, column_uses
from services.importer.reading import Table, check_columns, open_table
from services.importer.report import ImportReport, Verdicts
from services.importer.sending import (
    MOST_BYTES,
    MOST_ITEMS,
    Answer,
    Notice,
    Opener,
    Sender,
    Verdict,
    open_client,
)

Progress = Callable[[int, int], None]
"""(done, in all): bytes of the file as stored, or rows of a Parquet file; acknowledged, not just read."""

_encode = msgspec.json.Encoder().encode


class Checkpoint(msgspec.Struct, frozen=True):
    """How far an import came: the last row that was acknowledged, and the verdicts up to it."""

    row: int
    verdicts: Verdicts


class _Batch:
    """Items on their way, whole rows only."""

    def __init__(self) -> None:
        self.items: list[Draft | Unreadable] = []
        self.bytes: list[bytes] = []
        self.lines: list[int] = []
        self.size = self.last_row = self.position = 0

    def fits(self, count: int, size: int) -> bool:
        return len(self.bytes) + count <= MOST_ITEMS and self.size + size <= MOST_BYTES


def import_file(
    path: Path,
    mapping: Mapping,
    gateway_url: str = "",
    key: str = "",
    *,
    dry_run: bool = False,
    resume: bool = True,
    limit: int | None = None,
    progress: Progress | None = None,
    notice: Notice | None = None,
    checkpoints: Path | None = None,
    in_flight: int = 2,
    opener: Opener = open_client,
) -> ImportReport:
    """Send a file's events to the gateway as history, and say what became of every line.

    A dry run reads and checks everything against the contract and sends nothing. With a folder for
    `checkpoints`, a run that was stopped goes on after the last acknowledged batch when the same file
    meets the same mapping and gateway again; without, it begins anew and finds duplicates. `notice`
    gets a sentence whenever the gateway is waited for. `limit` stops after so many rows and keeps no
    checkpoint.

    Raises `MappingProblem` (the key that is wrong, or does not fit the file), `FileProblem`,
    `GatewayProblem`.
    """
    began = time.monotonic()
    report = ImportReport(
        file=path.name,
        source=mapping.source,
        about=mapping.about,
        dry_run=dry_run,
        explained=explain(mapping),
    )
    with open_table(path, mapping.file) as table:
        check_columns(table.columns, column_uses(mapping))
        drafter = Drafter(mapping, table.columns)
        kept = _kept(checkpoints, path, mapping, gateway_url) if not dry_run and limit is None else None
        start = _read(kept) if kept is not None and resume else None
        if start is not None:
            report.resumed_after, report.verdicts = start.row, start.verdicts
        batches = _batches(table, drafter, report, limit)
        tell = progress or (lambda done, total: None)
        if dry_run:
            for batch in batches:
                report.verdicts.add(check(batch.items), batch.lines)
                tell(batch.position, table.total)
        else:
            _send(batches, table, report, gateway_url, key, kept, tell, notice, in_flight, opener)
        report.blank = table.blank
        tell(table.total, table.total)
    if kept is not None:
        kept.unlink(missing_ok=True)
    report.seconds = time.monotonic() - began
    return report


def check(items: list[Draft | Unreadable]) -> Answer:
    """What the contract says of these items, without a gateway."""
    results = []
    for n, item in enumerate(items):
        if isinstance(item, Unreadable):
            why = item.unreadable
            results.append(Verdict(n, "quarantined", None, why.code, why.path, why.detail))
            continue
        try:
            codec.decode_inbound(item.type, _encode(item.data))
        except codec.Undecodable as error:
            results.append(Verdict(n, "quarantined", None, error.code, error.path, error.detail))
    bad = len(results)
    return Answer(len(items), len(items) - bad, 0, 0, bad, tuple(results))


def _batches(table: Table, drafter: Drafter, report: ImportReport, limit: int | None) -> Iterator[_Batch]:
    """Rows into batches. Acknowledged rows are drafted too: time rules go by the order, counts by all."""
    batch, seen = _Batch(), set[int]()
    for row in table.rows:
        drafted: Drafted = drafter.draft(row)
        report.saw(drafted)
        for who in drafted.identifiers:
            seen.add(hash((who.kind, who.issuer, who.value)))
        report.identified = len(seen)
        if row.number > report.resumed_after:
            written = [_encode(item) for item in drafted.items]
            size = sum(map(len, written)) + len(written)
            if batch.bytes and not batch.fits(len(written), size):
                batch.position = table.position()
                yield batch
                batch = _Batch()
            batch.items.extend(drafted.items)
            batch.bytes.extend(written)
            batch.lines.extend([row.line] * len(written))
            batch.size, batch.last_row = batch.size + size, row.number
        if limit is not None and report.lines >= limit:
            break
    if batch.bytes:
        batch.position = table.position()
        yield batch


def _send(
    batches: Iterator[_Batch],
    table: Table,
    report: ImportReport,
    url: str,
    key: str,
    kept: Path | None,
    tell: Progress,
    notice: Notice | None,
    in_flight: int,
    opener: Opener,
) -> None:
    """Keep a few batches on their way; count and note their answers in order."""
    customers: set[str] = set()
    with opener(url) as client, _threads(Sender(url, key, client, notice), in_flight) as send:
        waiting: deque[tuple[_Batch, Future[Answer]]] = deque()
        for batch in batches:
            waiting.append((batch, send(batch.bytes)))
            while len(waiting) > in_flight or (waiting and waiting[0][1].done()):
                _acknowledge(*waiting.popleft(), report, customers, kept, tell, table.total)
        while waiting:
            _acknowledge(*waiting.popleft(), report, customers, kept, tell, table.total)
    report.customers = None if report.resumed_after else len(customers)


@contextmanager
def _threads(sender: Sender, count: int) -> Iterator[Callable[[list[bytes]], Future[Answer]]]:
    """Threads that send; when the import ends early, none of them goes on waiting."""
    pool = ThreadPoolExecutor(count, thread_name_prefix="import")
    try:
        yield lambda items: pool.submit(sender.send, items)
    except BaseException:
        sender.stop()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _acknowledge(
    batch: _Batch,
    answer: Future[Answer],
    report: ImportReport,
    customers: set[str],
    kept: Path | None,
    tell: Progress,
    total: int,
) -> None:
    said = answer.result()
    report.verdicts.add(said, batch.lines)
    customers.update(one.customer for one in said.results if one.customer)
    if kept is not None:
        _write(kept, Checkpoint(batch.last_row, report.verdicts))
    tell(batch.position, total)


def _kept(folder: Path | None, path: Path, mapping: Mapping, url: str) -> Path | None:
    """The checkpoint's place: another file, mapping or gateway has another."""
    if folder is None:
        return None
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    name = hashlib.sha256(f"{content} {mapping.digest} {url.rstrip('/')}".encode()).hexdigest()[:24]
    return folder / f"{mapping.source}-{name}.json"


def _read(kept: Path) -> Checkpoint | None:
    """An unreadable checkpoint is none: beginning anew is always right, only slower."""
    try:
        return msgspec.json.decode(kept.read_bytes(), type=Checkpoint)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def _write(kept: Path, checkpoint: Checkpoint) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    fresh = kept.with_suffix(".new")
    fresh.write_bytes(_encode(checkpoint))
    fresh.replace(kept)
