"""The demo's findings on a terminal, 80 columns or wider; plain text where there is no terminal."""

from collections.abc import Iterator
from typing import Literal

from msgspec.structs import replace
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from ml.reports import caveats
from services.demo import answers, grids
from services.demo.grids import Grid
from services.demo.result import DemoResult, ListResult, SourceResult
from services.demo.wording import count, figure, label, moment, plain, ratio, share

TIMELINE_ROWS, LIST_ROWS = 8, 5
CUSTOMER_SIGNS = 12
"""The last signs of a customer's id: ids of one moment begin alike."""

WIDEST = 28
"""A column keeps up to this many signs where the terminal is narrow; the last one gives way."""


def show(result: DemoResult, console: Console) -> None:
    """Everything, in the order of the report."""
    for part in (
        came_in(result), life_cycle(result), customer(result), pipeline(result), churn(result), lists(result),
        closing(result),
    ):  # fmt: skip
        console.print(part)
    # Not in the panel and not wrapped: it must survive being copied.
    console.print(Text(result.subscribe), soft_wrap=True)


def came_in(result: DemoResult) -> RenderableType:
    """Sources with their verdicts, and how fast it went."""
    grid, speeds = grids.arrivals(result), grids.rates(result)
    moments = Text("\n").join(
        Text(f"{plain(one.name)}: {count(one.customers)} customers, judged as of {moment(one.as_of)}")
        for one in result.sources
    )
    told = [f"{stage} {rate}" for stage, rate in speeds.rows]
    speed = Text(f"Events a second: {', '.join(told)}" if told else "")
    return Group(_head(grid.title), _table(grid), Text(grid.says), moments, speed)


def life_cycle(result: DemoResult) -> RenderableType:
    """A bar a stage, for each source at its own moment."""
    parts: list[RenderableType] = [_head("Life cycle")]
    for source in result.sources:
        parts += [Text(grids.stages(source).title, style="bold"), _bars(source), Text()]
    return Group(*parts)


def customer(result: DemoResult) -> RenderableType:
    """One customer at a glance, and the newest of what happened."""
    at_a_glance = answers.customer(result.customer)
    if not at_a_glance.rows:
        return Group(_head(at_a_glance.title), Text("no data"))
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(ratio=1, overflow="fold")
    for about, said in at_a_glance.rows:
        lines.add_row(Text(about), Text(said))
    happened = answers.timeline(result.timeline, TIMELINE_ROWS)
    newest = _table(happened.only("when", "what", "said"), cut=frozenset({2}))
    panel = Panel(Group(lines, Text(), newest, Text(happened.says, style="dim")), box=box.ROUNDED)
    return Group(_head(at_a_glance.title), panel)


def pipeline(result: DemoResult) -> RenderableType:
    """The bank's closed sales, and apart from them the generated desk."""
    closed = answers.pipeline("", result.pipeline)
    desk, missed = answers.pipeline("", result.desk), answers.missed(result.desk)
    wanted = ("stage", "count", "value", "average days", "conversion")
    return Group(
        _head("Pipeline"),
        Text("The bank's sales by telephone", style="bold"),
        Text(closed.says),
        Text(),
        Text("A corporate desk, GENERATED (in no other figure)", style="bold"),
        Text(desk.says),
        _table(desk.only(*wanted)),
        Text(missed.says, style="yellow" if missed.rows else ""),
    )


def churn(result: DemoResult) -> RenderableType:
    """Champion beside recency alone on both populations, the interval, and what to know before quoting."""
    spec = result.spec
    parts: list[RenderableType] = [
        _head("Churn"),
        Text(
            f"Nothing bought in the {spec.horizon_days} days after {moment(spec.judge_cut)}; "
            "learnt from earlier cuts."
        ),
    ]
    for population in ("active", "everyone"):
        grid = grids.churn(result, population)
        parts += [Text(grid.title, style="bold"), _table(grid), Text()]
    parts.append(Text(grids.gain(result.judgement), style="bold"))
    parts += [Text(sentence, style="yellow") for sentence in caveats(spec, result.judgement)]
    return Group(*parts)


def lists(result: DemoResult) -> RenderableType:
    """Each list's counts, and its first members with why."""
    basis = grids.legal_basis(result)
    settings = "; ".join(f"{purpose} by {channel}: {what}" for purpose, channel, what in basis.rows)
    parts: list[RenderableType] = [_head("Lists"), Text(basis.says), Text(f"Legal basis: {settings}.")]
    for found in result.lists:
        parts += [Text(), *_list(found)]
    return Group(*parts)


def closing(result: DemoResult) -> RenderableType:
    """Where to look next."""
    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for name, url in result.urls.items():
        lines.add_row(Text(plain(name)), Text(url))
    files = [plain(file) for found in result.lists for file in found.files]
    if files:
        lines.add_row(Text("lists"), Text(" ".join(files)))
    took = ", ".join(f"{step} {figure(result.seconds.get(step), 1)}" for step in grids.SECONDS)
    lines.add_row(Text("seconds"), Text(took))
    said = "Read a topic from another program:" if result.kafka else ""
    return Group(Text(), Panel(lines, title="How to go on", box=box.ROUNDED), Text(said))


def _list(found: ListResult) -> Iterator[RenderableType]:
    yield Text(f"{label(found.purpose).capitalize()} list {found.id}", style="bold")
    yield Text("published now" if found.new else "published before; unchanged, so nothing was published")
    parts = (found.members, found.holdout, found.suppressed, found.beyond)
    members, holdout, suppressed, beyond = map(count, parts)
    adds = "" if sum(parts) == found.candidates else " DOES NOT ADD UP"
    yield Text(
        f"{count(found.candidates)} candidates = {members} members + {holdout} hold-out + {suppressed} suppressed "
        f"+ {beyond} beyond{adds}"
    )
    left_out = ", ".join(f"{label(rule)} {count(number)}" for rule, number in sorted(found.left_out.items()))
    if left_out:
        yield Text(f"Left out by rule: {left_out}")
    grid = grids.list_rows(found)
    chance = grid.columns[2]
    short = grid.only("rank", "customer", chance, "value", "why")
    yield Text(f"The first {min(len(grid.rows), LIST_ROWS)}, by expected profit; p: {chance}", style="dim")
    rows = tuple((rank, f"..{one[-CUSTOMER_SIGNS:]}", *rest) for rank, one, *rest in short.rows[:LIST_ROWS])
    yield _table(replace(short, columns=("rank", "customer", "p", "value", "why"), rows=rows))


def _bars(source: SourceResult) -> Table:
    """The longest bar fills what the terminal leaves free."""
    found = grids.ranked(source.stages)
    total, most = sum(source.stages.values()), max((number for _, number in found), default=0)
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), expand=True)
    table.add_column(no_wrap=True, width=12)
    table.add_column(no_wrap=True, justify="right", width=8)
    table.add_column(no_wrap=True, justify="right", width=8)
    table.add_column(ratio=1)
    for stage, number in found:
        table.add_row(
            Text(label(stage)), Text(count(number)), Text(share(ratio(number, total))), _Bar(number / most)
        )
    if not found:
        table.add_row(Text("no data"))
    return table


class _Bar:
    """Whole blocks only, so that it is the same in every font, and signs where there are no blocks."""

    def __init__(self, part: float) -> None:
        self._part = part

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        sign = "#" if options.ascii_only else "█"
        yield Text(sign * max(1, round(self._part * options.max_width)), style="blue", no_wrap=True)


def _table(grid: Grid, cut: frozenset[int] = frozenset()) -> Table:
    """Figures never wrap, text wraps between words; the columns in `cut` end where the line ends."""
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, expand=bool(cut)
    )
    for place, name in enumerate(grid.columns):
        if place in cut:
            table.add_column(Text(name), no_wrap=True, overflow="ellipsis", ratio=1)
        elif place == len(grid.columns) - 1 and place in grid.text:
            table.add_column(Text(name), overflow="fold")
        else:
            longest = max(len(cell) for cell in (name, *(row[place] for row in grid.rows)))
            side: Literal["left", "right"] = "left" if place in grid.text else "right"
            table.add_column(Text(name), justify=side, no_wrap=True, min_width=min(longest, WIDEST))
    for row in grid.rows:
        table.add_row(*(Text(cell) for cell in row))
    if not grid.rows:
        table.add_row(Text("no data"))
    return table


def _head(title: str) -> RenderableType:
    return Group(Text(), Rule(Text(title, style="bold"), align="left"))
