"""Real files that we know by name, and the counts they must give."""

from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.importer.importing import Progress, import_file
from services.importer.mapping import MappingProblem, ready_mapping
from services.importer.queue_log_form import both_ways
from services.importer.reading import FileProblem
from services.importer.report import ImportReport
from services.importer.sending import Notice, Opener, open_client

_DATA = {".csv", ".tsv", ".txt", ".gz", ".parquet"}


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A file's names, its mapping, and what a plain count of it says."""

    names: tuple[str, ...]
    mapping: str
    lines: int
    events: dict[str, int]
    customers: int
    anonymous: int = 0
    quarantined: int = 0
    warnings: dict[str, int] = {}
    counts: dict[str, int] = {}
    outside: dict[str, int] = {}
    queue_log: int = 0
    """Calls that a switch's queue log could have told of: told that way they must be the same contacts."""


KNOWN = (
    Known(
        names=("CDNOW_master.txt", "CDNOW_master.txt.gz"),
        mapping="cdnow", lines=69_659, events={"purchase.recorded": 69_659}, customers=23_570,
    ),
    Known(
        names=("bank-full.csv", "bank-full.csv.gz", "bankmarketing.csv", "bankmarketing.csv.gz"),
        mapping="bank_campaigns", lines=45_211,
        events={"touch.recorded": 45_211, "opportunity.imported": 45_211}, customers=45_211,
        counts={"won": 5_289, "lost": 39_922},
    ),
    Known(
        names=("january.txt", "january.txt.gz"),
        mapping="bank_calls_1999", lines=31_599, events={"touch.recorded": 31_599}, customers=3_974,
        anonymous=18_199, outside={"phantom": 240}, queue_log=30_161,
        warnings={
            "negative_ivr_time": 33, "customer_id_rounded": 24, "hung_up_yet_served": 83,
            "agent_without_service": 42,
        },
    ),
    Known(
        names=("online_retail.csv", "online_retail.csv.gz"),
        mapping="online_retail", lines=541_909,
        events={"purchase.recorded": 530_143, "purchase.returned": 9_288}, customers=4_372,
        anonymous=132_602, quarantined=2_478,
    ),
    Known(
        names=("telco.csv", "telco.csv.gz", "WA_Fn-UseC_-Telco-Customer-Churn.csv"),
        mapping="telco_churn_ibm", lines=7_043, events={"holding.started": 7_043, "holding.ended": 1_869},
        customers=7_043, counts={"left": 1_869},
    ),
)  # fmt: skip


class Comparison(msgspec.Struct, frozen=True):
    """One figure: what it must be, what it was."""

    what: str
    expected: int
    seen: int


class FileCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one file of the folder. No mapping: we don't know the file and left it alone."""

    file: Path
    mapping: str | None = None
    comparisons: tuple[Comparison, ...] = ()
    problem: str | None = None
    report: ImportReport | None = None

    @property
    def passed(self) -> bool:
        """A file we don't know passes: nothing was claimed about it."""
        return self.problem is None and all(one.expected == one.seen for one in self.comparisons)


def check_folder(
    folder: Path,
    gateway_url: str,
    key: str,
    *,
    checkpoints: Path | None = None,
    progress: Callable[[Path], Progress] | None = None,
    notice: Notice | None = None,
    opener: Opener = open_client,
) -> list[FileCheck]:
    """Import every file of a folder that we know, and hold its counts against the expected ones.

    `progress` makes the progress function for a file. A problem with one file (not the gateway's) is
    told in its check; the others go on.
    """
    checks = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix.lower() not in _DATA:
            continue
        known = find_known(path)
        if known is None:
            checks.append(FileCheck(file=path))
            continue
        try:
            report = import_file(
                path, ready_mapping(known.mapping), gateway_url, key, checkpoints=checkpoints,
                progress=progress(path) if progress else None, notice=notice, opener=opener,
            )  # fmt: skip
        except (FileProblem, MappingProblem) as problem:
            checks.append(FileCheck(file=path, mapping=known.mapping, problem=str(problem)))
            continue
        comparisons = (*compare(known, report), *_other_way(path, known))
        checks.append(FileCheck(file=path, mapping=known.mapping, comparisons=comparisons, report=report))
    return checks


def _other_way(path: Path, known: Known) -> tuple[Comparison, ...]:
    if not known.queue_log:
        return ()
    both = both_ways(path, ready_mapping(known.mapping))
    mine, theirs = both.customers
    return (
        Comparison("contacts by a queue log", known.queue_log, both.calls),
        Comparison("of these, the same by the file", known.queue_log, both.compared.agree),
        Comparison("their customers", theirs, mine),
        Comparison("whose calls are the same (1: yes)", 1, int(both.same_people)),
    )


def find_known(path: Path) -> Known | None:
    """The known file of this name."""
    name = path.name.casefold()
    return next((one for one in KNOWN if name in {known.casefold() for known in one.names}), None)


def compare(known: Known, report: ImportReport) -> tuple[Comparison, ...]:
    """Every expected figure beside the seen one.

    A second import finds duplicates, so that with any the verdicts are held to account together. The
    gateway's own count of customers is compared where this run saw every answer.
    """
    said, events, sent = report.verdicts, sum(known.events.values()), report.verdicts.received
    pairs = [
        ("lines", known.lines, report.lines),
        ("unreadable lines", known.quarantined, report.unreadable),
        ("lines without an event", 0, report.without_event),
        ("lines of nobody known", known.anonymous, report.anonymous),
        ("distinct identifiers", known.customers, report.identified),
        ("received", events + known.quarantined, sent),
        ("refused", 0, said.refused),
        ("content differs", 0, said.codes.get("content_differs", 0)),
    ]
    if said.duplicates:
        pairs.append(
            ("accepted, duplicate or quarantined", sent, said.accepted + said.duplicates + said.quarantined)
        )
    else:
        pairs.append(("accepted", events, said.accepted))
        pairs.append(("quarantined", known.quarantined, said.quarantined))
    if report.customers is not None:
        pairs.append(("customers", known.customers, report.customers))
    for expected, seen in (
        (known.events, report.by_type), (known.warnings, report.warnings), (known.counts, report.counts),
        (known.outside, report.outside),
    ):  # fmt: skip
        names = sorted(expected.keys() | seen.keys())
        pairs.extend((name, expected.get(name, 0), seen.get(name, 0)) for name in names)
    return tuple(Comparison(*pair) for pair in pairs)


def render_checks(checks: list[FileCheck]) -> RenderableType:
    """The checks for a terminal: a table for each known file, a line for each other."""
    parts: list[RenderableType] = []
    for check in checks:
        if check.mapping is None:
            parts.append(Text(f"{check.file.name}: not known, left alone", style="dim"))
        elif check.problem is not None:
            parts.append(Text(f"{check.file.name}: {check.problem}", style="bold red"))
        else:
            parts.append(_table(check))
    return Group(*parts)


def _table(check: FileCheck) -> Table:
    table = Table(title=f"{check.file.name} with mapping {check.mapping}")
    for name in ("what", "expected", "seen", ""):
        table.add_column(name, justify="right" if name in ("expected", "seen") else "left")
    for one in check.comparisons:
        right = one.expected == one.seen
        table.add_row(one.what, f"{one.expected:,}", f"{one.seen:,}", "ok" if right else "[red]differs[/red]")
    return table
