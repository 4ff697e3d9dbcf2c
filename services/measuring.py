"""What a list brought: outcomes out of the journal, all drawn against all held out, and the answer recorded."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import numpy as np
import polars as pl
from msgspec import Struct

from events.envelope import Envelope
from events.target_list import TargetListMeasured, TargetListPublished
from infra.database import among, unavailable
from infra.identity import families
from infra.journal.stored import read
from infra.standing import CHUNK
from infra.target_list.drawing import measured, measured_until
from infra.target_list.pull import find
from infra.target_list.rows import frozen
from infra.target_list.terms import read_back
from infra.workspace import Workspace
from ml.cut import Cut
from ml.histories import Histories
from ml.labels import Ahead
from ml.uplift.measuring import Brought, brought, to_be_shown
from ml.uplift.trials import outcome
from models.domain.list_outcome import TELLING, Came, came_of
from models.domain.target_list import ListRow
from models.errors import Refused
from models.ports import By, Write
from models.tables.journal import journal
from services.export.writing import key_of
from services.prediction import Bars, histories, silent

CENT = Decimal("0.01")
FEWEST = 2
"""In each arm: of fewer nothing can be compared."""


class Measured(Struct, frozen=True, kw_only=True):
    """A list's report. Until the time is over at `until`, what came of contacts so far, and no effect.

    `smallest` is the least true effect that the hold-out can show; None without a hold-out.
    """

    published: TargetListPublished
    until: datetime
    contacted: int
    reached: int
    accepted: int
    refused: int
    spent: Decimal
    currency: str
    smallest: float | None
    brought: Brought | None


def measure(workspace: Workspace, list_id: str, progress: Bars = silent) -> Measured:
    """Measure a list; once its time is over the answer is recorded, the first one for good.

    Raises `Refused`: `list.unknown`, `list.of_the_past` for a list as of a past moment, which nobody was contacted
    for. `Unavailable`.
    """
    listed = find(workspace, list_id)
    if not listed.live:
        raise Refused(
            "list.of_the_past",
            "this list is as of a past moment: nobody was drawn for it, so nothing can be measured",
        )
    published, now = listed.published, workspace.clock.now()
    until, rows = measured_until(published), _rows(workspace, list_id)
    with progress("reading what came of contacts"):
        came = _came(workspace, published, rows, min(until, now))
    members = [came[row.customer] for row in rows if row.part == "member"]
    found = Measured(
        published=published, until=until, contacted=sum(one.contacted for one in members),
        reached=sum(one.reached for one in members), accepted=sum(one.accepted for one in members),
        refused=sum(one.refused for one in members), spent=sum((one.spent for one in members), Decimal(0)),
        currency=next((row.currency for row in rows if row.currency), ""), smallest=_smallest(published, rows),
        brought=None,
    )  # fmt: skip
    if until > now or min(published.members, published.holdout) < FEWEST:
        return found
    told = histories(workspace, progress=progress)
    with progress("looking who stayed"):
        result = _brought(workspace, told, published, rows, came, until, now)
    found = Measured(**{name: getattr(found, name) for name in Measured.__struct_fields__} | {
        "brought": result, "smallest": result.smallest,
    })  # fmt: skip
    _record(workspace, found, result)
    return found


def _rows(workspace: Workspace, list_id: str) -> list[ListRow]:
    found: list[ListRow] = []
    after = 0
    with unavailable(), workspace.engine.connect() as connection:
        while page := frozen(connection, list_id, ["member", "holdout"], after=after):
            after = page[-1][0]
            found += [row for _, row in page]
    return found


def _came(
    workspace: Workspace, published: TargetListPublished, rows: Sequence[ListRow], until: datetime
) -> Mapping[str, Came]:
    rules = read_back(published.definition, published.purpose).rules
    costs = {rules.offer: rules.offer_cost} | {tier.offer: tier.offer_cost for tier in rules.tiers}
    types = sorted(event.WIRE for event in TELLING)
    found: dict[str, Came] = {}
    with unavailable(), workspace.engine.connect() as connection:
        for start in range(0, len(rows), CHUNK):
            some = rows[start : start + CHUNK]
            now_are = families.survivors(connection, [row.customer for row in some])
            ids = {one for row in some for one in (row.customer, now_are.get(row.customer, row.customer))}
            told: dict[str, list[Envelope]] = defaultdict(list)
            since = journal.c.occurred_at >= published.as_of
            for e in read(connection, among(journal.c.customer, ids), journal.c.type.in_(types), since):
                told[e.customer].append(e)
            for row in some:
                own = dict.fromkeys((row.customer, now_are.get(row.customer, row.customer)))
                events = sorted((e for one in own for e in told[one]), key=lambda e: e.order)
                cost = costs.get(row.offer, Decimal(0))
                found[row.customer] = came_of(
                    events, published.list_id, until, row.offer, cost, rules.cost_of
                )
    return found


def _smallest(published: TargetListPublished, rows: Sequence[ListRow]) -> float | None:
    leaving = [row.probability for row in rows if row.probability is not None]
    return to_be_shown(leaving, published.members, published.holdout)


def _brought(
    workspace: Workspace, told: Histories, published: TargetListPublished, rows: Sequence[ListRow],
    came: Mapping[str, Came], until: datetime, now: datetime,
) -> Brought:  # fmt: skip
    """Who was absorbed since is looked up as whom they became."""
    keys = [key_of(workspace.matcher, row.customer) for row in rows]
    with unavailable(), workspace.engine.connect() as connection:
        now_are = families.survivors(connection, [row.customer for row in rows])
    today = [key_of(workspace.matcher, now_are.get(row.customer, row.customer)) for row in rows]
    facts = told.only([*keys, *today])
    begun = published.as_of
    asked = pl.DataFrame({"customer": sorted(set(today))})
    kept = dict(outcome(Cut(facts, begun), Ahead(facts, begun, until, now), asked).iter_rows())
    numbers: dict[str, int] = {}
    return brought(
        np.array([bool(kept[one]) for one in today]), np.array([row.part == "holdout" for row in rows]),
        np.array([float(row.value or 0) for row in rows]),
        np.array([float(came[row.customer].spent) if row.part == "member" else 0.0 for row in rows]),
        np.array([numbers.setdefault(one, len(numbers)) for one in today]),
    )  # fmt: skip


def _record(workspace: Workspace, found: Measured, told: Brought) -> None:
    published = found.published
    stream = f"target_list-{published.list_id}"
    history = workspace.log.stream(stream)
    if measured(workspace, published.list_id) is not None:
        return
    event = TargetListMeasured(
        list_id=published.list_id, series=published.series, purpose=published.purpose, until=found.until,
        drawn=told.drawn, held_out=told.held_out, contacted=found.contacted, reached=found.reached,
        accepted=found.accepted, refused=found.refused, kept_drawn=told.kept_drawn,
        kept_held_out=told.kept_held_out, effect=told.effect.value, effect_low=told.effect.low,
        effect_high=told.effect.high, smallest=told.smallest, earned=_money(told.earned.value),
        earned_low=_money(told.earned.low), earned_high=_money(told.earned.high), spent=found.spent,
        currency=found.currency,
    )  # fmt: skip
    by = By(source=f"target_list:{published.list_id}", source_id="measured", actor="touchstone list report")
    write = Write(stream=stream, expected=len(history), events=[(event, workspace.clock.now())])
    workspace.log.record(by, [write])


def _money(amount: float) -> Decimal:
    return Decimal(repr(amount)).quantize(CENT)
