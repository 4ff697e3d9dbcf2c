"""From the journal to what customers take: presentations and answers in, one event of plain numbers out."""

from collections.abc import Iterator
from datetime import datetime

import polars as pl
from msgspec import Struct

from events.offer import AcceptanceLearnt, LearntOffer
from infra.ids import derived_id
from infra.workspace import Workspace
from ml.histories import Histories
from ml.kit import Kit
from ml.offer.learning import Learnt, learn, meaning
from ml.offer.presentations import COLUMNS, presentations
from ml.offer.replay import Estimate
from models.errors import Refused
from services.export.writing import export
from services.foretelling.recording import asking
from services.offers.defining import define, offers_of
from services.offers.learnt import MODEL, STREAM, times_learnt
from services.prediction import Bars, kit_of, silent

DIGITS = 9


class Counted(Struct, frozen=True, kw_only=True):
    """How often one offer was shown, answered and accepted, as far as its answers count."""

    offer: str
    shown: int
    answered: int
    accepted: int
    why_not: str = ""
    """Why nothing was learnt of it; empty where something was."""


class Taught(Struct, frozen=True, kw_only=True):
    """One run: what was learnt, each offer's counts, and whether it is new (the same question again is not)."""

    run: str
    as_of: datetime
    learnt: Learnt
    counts: tuple[Counted, ...]
    new: bool


def teach(workspace: Workspace, as_of: datetime | None = None, progress: Bars = silent) -> Taught:
    """Learn what customers take from the presentations whose time to answer is over, judge it, and record it.

    Raises `Refused` (`as_of_ahead`, `offer.none`, and what `ml.offer.learning.learn` refuses): then nothing is
    recorded, and what was learnt before goes on counting.
    """
    asked = asking(workspace, as_of, "touchstone offers learn")
    kit = kit_of(workspace)
    offers = offers_of(workspace, kit)
    if not offers:
        raise Refused(
            "offer.none", "the rules have no offers: write a table [[offers]] for each, see docs/offers.md"
        )
    told = _histories(workspace, kit, progress)
    with progress("asking what was known before each presentation"):
        shown = presentations(told, asked.moment, workspace.rules.offering.answer_days, kit.questions)
    worth = {one.offer: float(one.worth) for one in offers}
    with progress("learning"):
        found = learn(shown, worth, told.persons(shown["customer"].to_list()), kit.questions)
    run = derived_id("acceptance", asked.moment.isoformat(), *(f"{name}={worth[name]}" for name in sorted(worth)),
                     str(len(shown)), meaning(found.acceptance.columns, kit.questions))  # fmt: skip
    define(workspace)
    event = _event(run, asked.moment, found, kit)
    new = asked.record_stream("acceptance", run, STREAM, event, times_learnt(workspace))
    return Taught(run=run, as_of=asked.moment, learnt=found, counts=tuple(_counts(shown, found)), new=new)


def _counts(shown: pl.DataFrame, found: Learnt) -> Iterator[Counted]:
    told = shown.group_by("offer").agg(
        shown=pl.len(), answered=pl.col("answered").sum(), accepted=pl.col("taken").sum()
    )
    for name, times, answered, accepted in told.sort("offer").iter_rows():
        unknown = "" if name in found.acceptance.offers else "how likely it was is not known of any"
        yield Counted(
            offer=name, shown=times, answered=answered, accepted=accepted,
            why_not=found.left_out.get(name, unknown),
        )  # fmt: skip


def _histories(workspace: Workspace, kit: Kit, progress: Bars) -> Histories:
    folder = workspace.settings.var / "export"
    with progress("exporting") as told:
        written = export(workspace, folder, lambda done, head: told(done))
    if not written.parts:
        raise Refused(
            "offer.nothing_shown", "nothing is known of anybody yet: import or send something first"
        )
    return Histories.exported(folder, None, tuple(dict.fromkeys((*kit.columns, *COLUMNS))))


def _event(run: str, moment: datetime, found: Learnt, kit: Kit) -> AcceptanceLearnt:
    model, verdict = found.acceptance, found.verdict
    metrics = dict(_interval("personal", verdict.personal)) | {
        "gain": verdict.gain.value, "gain_low": verdict.gain.low, "gain_high": verdict.gain.high,
    }  # fmt: skip
    for name, estimate in verdict.fixed.items():
        metrics |= dict(_interval(f"everyone.{name}", estimate))
    return AcceptanceLearnt(
        model=MODEL, run=run, as_of=moment, judged_from=found.judged_from, personal=found.personal,
        says=verdict.says[:1000],
        offers=tuple(
            LearntOffer(offer=name, shown=model.shown[at], accepted=found.accepted[at], weights=model.weights[at])
            for at, name in enumerate(model.offers)
        ),
        columns=model.columns, usual=model.usual, spread=model.spread,
        asked=meaning(model.columns, kit.questions) if model.columns else None,
        left_out=dict(found.left_out),
        metrics={name: round(float(value), DIGITS) for name, value in metrics.items()},
    )  # fmt: skip


def _interval(name: str, told: Estimate) -> tuple[tuple[str, float], ...]:
    return ((name, told.value), (f"{name}_low", told.low), (f"{name}_high", told.high))
