"""What a run found, as tables of text. The screen and the report show the same ones."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

from msgspec import Struct

from ml.model import BASELINE
from ml.reports import metrics_table
from ml.training import Judgement
from services.demo.result import DemoResult, ListResult, SourceResult
from services.demo.wording import NO_DATA, count, figure, label, listed, moment, plain, ratio, share

STAGES = ("identified", "acquired", "developing", "retained", "at_risk", "regained", "lost", "unknown")
"""The life cycle in its own order."""

SECONDS = {
    "start": "start the servers and our processes",
    "ingest": "send both files through the gateway",
    "project": "from the first line sent until the views had everything",
    "train": "train, judge, score everyone",
    "lists": "build and publish the lists",
}
CALLS, WON = "touch.recorded", "won"
COUNTED = {"purchase.recorded": "purchases", CALLS: "calls", WON: "sales won"}
"""What a month counts, in words."""
TENTH = 0.1


class Grid(Struct, frozen=True, kw_only=True):
    """A table of text. `text` are the places of the columns that read from the left; others are figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text: frozenset[int] = frozenset({0})
    says: str = ""

    def only(self, *wanted: str) -> "Grid":
        """Only these of its columns, in this order."""
        places = [self.columns.index(name) for name in wanted]
        rows = tuple(tuple(row[place] for place in places) for row in self.rows)
        text = frozenset(new for new, place in enumerate(places) if place in self.text)
        return Grid(title=self.title, columns=wanted, rows=rows, text=text, says=self.says)


class Series(Struct, frozen=True, kw_only=True):
    """How often something happened in each month of a source, without a gap."""

    source: str
    what: str
    months: tuple[tuple[str, int], ...]

    @property
    def counts(self) -> str:
        """What is counted, in words."""
        return COUNTED.get(self.what, label(self.what))


def adds_up(source: SourceResult) -> bool:
    """Whether everything sent has a verdict."""
    return source.received == source.accepted + source.duplicates + source.refused + source.quarantined


def arrivals(result: DemoResult) -> Grid:
    """What came in, by source and in all."""
    names = ("received", "accepted", "duplicates", "refused", "quarantined")
    rows = [(plain(one.name), *(count(getattr(one, name)) for name in names)) for one in result.sources]
    total = ("in all", *(count(sum(getattr(one, name) for one in result.sources)) for name in names))
    wrong = [plain(one.name) for one in result.sources if not adds_up(one)]
    says = "received = accepted + duplicates + refused + quarantined, for each source"
    if wrong:
        says = f"The sums do NOT add up for {', '.join(wrong)}: some events have no verdict"
    elif result.sources and all(one.received == one.duplicates for one in result.sources):
        says += "; everything had been recorded before"
    return Grid(title="What came in", columns=("source", *names), rows=(*rows, total), says=f"{says}.")


def sources(result: DemoResult) -> Grid:
    """Whom each source is about, and the moment it is judged at."""
    rows = [
        (plain(one.name), plain(one.about), count(one.customers), moment(one.as_of), _rate(one.events_per_second))
        for one in result.sources
    ]  # fmt: skip
    columns = ("source", "about", "customers", "judged as of", "events a second")
    return Grid(title="The sources", columns=columns, rows=tuple(rows), text=frozenset({0, 1}))


def series(result: DemoResult) -> list[Series]:
    """By source and kind, every month from the first to the last; a month between without any has 0."""
    place = {one.name: number for number, one in enumerate(result.sources)}
    ordered = sorted(
        result.months, key=lambda one: (place.get(one.source, len(place)), one.source, one.what, one.month)
    )
    found = []
    for (source, what), group in groupby(ordered, key=lambda one: (one.source, one.what)):
        counts = {f"{one.month:%Y-%m}": one.count for one in group}
        months = tuple((month, counts.get(month, 0)) for month in _months(min(counts), max(counts)))
        found.append(Series(source=source, what=what, months=months))
    return found


def monthly(one: Series) -> Grid:
    """A series with the sentence it comes to."""
    most, least = max(one.months, key=lambda pair: pair[1]), min(one.months, key=lambda pair: pair[1])
    says = (
        f"{count(sum(number for _, number in one.months))} {one.counts} in {len(one.months)} months: most in "
        f"{most[0]} ({count(most[1])}), fewest in {least[0]} ({count(least[1])})."
    )
    rows = tuple((month, count(number)) for month, number in one.months)
    return Grid(
        title=f"{plain(one.source)}: {one.counts} a month",
        columns=("month", one.counts),
        rows=rows,
        says=says,
    )


def without_sales(result: DemoResult) -> list[str]:
    """Sources with calls whose sales by month are not known."""
    calls = {one.source for one in result.months if one.what == CALLS}
    return sorted(calls - {one.source for one in result.months if one.what == WON})


def stages(source: SourceResult) -> Grid:
    """How many customers of a source are in each stage, in the life cycle's own order."""
    total = sum(source.stages.values())
    found = ranked(source.stages)
    rows = tuple((label(stage), count(number), share(ratio(number, total))) for stage, number in found)
    says = NO_DATA
    if total:
        most, number = max(found, key=lambda pair: pair[1])
        says = f"{count(number)} of {count(total)} customers are {label(most)} at {moment(source.as_of)}."
    title = f"{plain(source.name)} at {moment(source.as_of)}"
    return Grid(title=title, columns=("stage", "customers", "share"), rows=rows, says=says)


def ranked(found: dict[str, int]) -> list[tuple[str, int]]:
    """Stages that somebody is in, in the life cycle's order, those it does not know last."""
    place = {stage: number for number, stage in enumerate(STAGES)}
    return sorted(
        ((stage, number) for stage, number in found.items() if number),
        key=lambda pair: (place.get(pair[0], len(STAGES)), pair[0]),
    )


def churn(result: DemoResult, population: str) -> Grid:
    """Champion, others and recency alone on one population: `active` or `everyone`."""
    rows = [
        (
            str(row["candidate"]), count(int(str(row["customers"]))), share(_float(row["base_rate"])),
            figure(_float(row["auc"]), 3), figure(_float(row["ap"]), 3), figure(_float(row["lift10"]), 2),
            figure(_float(row["ece"]), 3), figure(_float(row["brier"]), 4),
        )
        for row in metrics_table(result.judgement)
        if row["population"] == population
    ]  # fmt: skip
    spec = result.spec
    title = "The whole file"
    if population == "active":
        title = f"Active within {spec.population_days} days before {moment(spec.judge_cut)}"
    columns = ("model", "customers", "left", "AUC", "AP", "lift10", "ECE", "Brier")
    return Grid(title=title, columns=columns, rows=tuple(rows), says=gain(result.judgement))


def gain(judgement: Judgement) -> str:
    """By how much the champion beats recency alone, with its interval."""
    if judgement.champion == BASELINE:
        return "Recency alone is the champion: there is no gain over it."
    told = judgement.gain
    return (
        f"AUC of {judgement.champion} minus AUC of recency alone: {told.value:+.3f}, "
        f"95 % bootstrap interval {told.low:+.3f} to {told.high:+.3f}."
    )


def reliability(judgement: Judgement) -> Grid:
    """What the reliability picture shows."""
    rows = tuple(
        (_model(one.candidate), share(bin.foretold), share(bin.left), count(bin.customers))
        for one in judgement.evaluations
        for bin in one.reliability
    )
    champion = judgement.of(judgement.champion)
    says = (
        f"The probabilities of {_model(judgement.champion)} are off by {figure(100 * champion.active.ece, 1)} "
        "percentage points on average; on the dashed line they would be exact."
    )
    columns = ("model", "foretold", "left", "customers")
    return Grid(title="Calibration: foretold beside what happened", columns=columns, rows=rows, says=says)


def gains(judgement: Judgement) -> Grid:
    """What the gains picture shows, tenth by tenth."""
    told = judgement.evaluations
    shares = told[0].shares
    tenths = [min(range(len(shares)), key=lambda i: abs(shares[i] - n * TENTH)) for n in range(1, 11)]
    rows = tuple((share(shares[i], 0), *(share(one.gains[i]) for one in told)) for i in tenths)
    by_model = {one.candidate: one.gains[tenths[0]] for one in told}
    says = f"The likeliest tenth of a list holds {share(by_model[judgement.champion])} of all who left"
    if judgement.champion != BASELINE:
        says += f"; by recency alone it holds {share(by_model[BASELINE])}"
    return Grid(
        title="Gains: leavers found by the length of the list",
        columns=("likeliest", *(_model(one.candidate) for one in told)), rows=rows, says=f"{says}.",
    )  # fmt: skip


def list_counts(found: ListResult) -> Grid:
    """Where every candidate went, and by which rule they were left out."""
    parts = ("members", "holdout", "suppressed", "beyond")
    numbers = [getattr(found, name) for name in parts]
    says = "candidates = members + holdout + suppressed + beyond"
    if sum(numbers) != found.candidates:
        says = "The sums do NOT add up: some candidates are nowhere"
    rows = [("candidates", count(found.candidates)), *zip(parts, map(count, numbers), strict=True)]
    rows += [(f"left out: {label(rule)}", count(number)) for rule, number in sorted(found.left_out.items())]
    return Grid(title="Counts", columns=("what", "customers"), rows=tuple(rows), says=f"{says}.")


def list_rows(found: ListResult) -> Grid:
    """The first members with why."""
    chance = "chance to come back" if found.purpose == "win_back" else "chance to leave"
    rows = tuple(
        (
            str(row.rank), plain(row.customer), figure(row.probability, 3), plain(row.value) or NO_DATA,
            label(row.channel), label(row.offer), listed(row.because),
        )
        for row in found.rows
    )  # fmt: skip
    columns = ("rank", "customer", chance, "value", "channel", "offer", "why")
    return Grid(title="First members", columns=columns, rows=rows, text=frozenset({1, 4, 5, 6}))


def legal_basis(result: DemoResult) -> Grid:
    """The demo workspace's setting: what it may do without a consent on record, by purpose and channel."""
    rows = [
        (label(purpose), label(channel), label(basis))
        for purpose, channels in result.legal_basis.items()
        for channel, basis in (channels.items() or [("no channel", "nobody is contacted without a consent")])
    ]
    says = (
        "Neither file has a consent on record, and no consent recorded is not consent. "
        "What may be done without one is a setting of the demo workspace, decided by the company, "
        "not found in the data."
    )  # fmt: skip
    return Grid(
        title="Legal basis (a setting of the demo workspace)", columns=("purpose", "channel", "basis"),
        rows=tuple(rows), text=frozenset({0, 1, 2}), says=says,
    )  # fmt: skip


def seconds(result: DemoResult) -> Grid:
    """How long the steps took."""
    rows = [(says, figure(result.seconds.get(step), 1)) for step, says in SECONDS.items()]
    return Grid(title="Seconds", columns=("step", "seconds"), rows=tuple(rows))


def rates(result: DemoResult) -> Grid:
    """Events a second by stage."""
    rows = [(label(stage), _rate(rate)) for stage, rate in result.rates.items()]
    return Grid(title="Events a second", columns=("stage", "events a second"), rows=tuple(rows))


def _rate(rate: float) -> str:
    """A second run has nothing new to fold: that is no speed."""
    return figure(rate, 0) if rate > 0 else "nothing new"


def _model(candidate: str) -> str:
    return "recency alone" if candidate == BASELINE else label(candidate)


def _float(value: object) -> float:
    return float(str(value))


def _months(first: str, last: str) -> Iterator[str]:
    at = datetime.fromisoformat(f"{first}-01")
    while (month := f"{at:%Y-%m}") <= last:
        yield month
        at = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
