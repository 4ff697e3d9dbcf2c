"""The trials that the journal holds: who was drawn for a campaign's treatment or its hold-out, and who stayed.

Waves of one treatment are one trial. Each is cut at its own beginning: features are what was known strictly before the
first draw, and the outcome is what was so when the campaign's time was over.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import polars as pl
from msgspec import Struct

from ml.cut import Cut
from ml.definition import Feature
from ml.features.catalogue import FEATURES, ask
from ml.histories import Histories
from ml.labels import Ahead, holders
from ml.uplift.trial import LoggedPropensity, Trial

ASSIGNED = "campaign.assigned"
FEWEST_KNOWN = 20


class Wave(Struct, frozen=True):
    """One campaign's draw: when it began, and until when what came of it counts."""

    campaign: str
    purpose: str
    treatment: str
    begun: datetime
    until: datetime


def waves(histories: Histories, known: datetime) -> list[Wave]:
    """The draws whose time was over and known at a moment, in order."""
    told = [_assigned(part) for part in histories.read()]
    drawn = pl.concat(told) if told else pl.DataFrame()
    if not len(drawn):
        return []
    found = drawn.group_by("campaign", "purpose", "treatment").agg(
        begun=pl.col("occurred_at").min(), until=pl.col("until").max()
    )
    over = found.filter(pl.col("until").is_not_null() & (pl.col("until") <= known))
    return [Wave(*row) for row in over.sort("begun", "campaign").iter_rows()]


def trials(
    histories: Histories, known: datetime, questions: Sequence[Feature] = FEATURES
) -> Mapping[tuple[str, str], Trial]:
    """(purpose, treatment) → its trial, of all waves that were over at `known`.

    The outcome is 1 for whoever stayed, or came back, by the time at which the campaign's time is over (`outcome`).
    """
    over = waves(histories, known)
    rows: dict[tuple[str, str], list[pl.DataFrame]] = {}
    for part in histories.read():
        drawn = _assigned(part)
        for wave in over:
            here = drawn.filter(
                (pl.col("campaign") == wave.campaign) & (pl.col("treatment") == wave.treatment)
            )
            if len(here):
                rows.setdefault((wave.purpose, wave.treatment), []).append(
                    _rows(part, here, wave, known, questions)
                )
    return {name: _trial(name, pl.concat(some), histories, questions) for name, some in sorted(rows.items())}


def _assigned(part: pl.DataFrame) -> pl.DataFrame:
    """Each customer's first draw of each campaign."""
    drawn = part.filter(pl.col("type") == ASSIGNED)
    return drawn.unique(["customer", "campaign"], keep="first", maintain_order=True)


def _rows(
    part: pl.DataFrame, drawn: pl.DataFrame, wave: Wave, known: datetime, questions: Sequence[Feature]
) -> pl.DataFrame:
    facts = part.filter(pl.col("customer").is_in(drawn["customer"].implode()))
    cut = Cut(facts, wave.begun)
    told = drawn.select("customer", "held_out", "propensity").sort("customer")
    kept = outcome(cut, Ahead(facts, wave.begun, wave.until, known), told.select("customer"))
    for one in (kept, ask(cut, questions)):
        told = told.join(one, on="customer", how="left", maintain_order="left")
    return told.select("customer", "held_out", "propensity", *(one.name for one in questions), "stayed")


def outcome(cut: Cut, ahead: Ahead, customers: pl.DataFrame) -> pl.DataFrame:
    """`customer`, `stayed`: what became of each of these customers between the cut and the end of what is ahead.

    Whoever held a product at the cut has stayed if they hold one at the end. Whoever held none has stayed, or come
    back, if they hold one then, or bought or used something in between.
    """
    held = holders(cut).with_columns(held=pl.lit(True))
    holds = holders(ahead.at_end).with_columns(holds=pl.lit(True))
    active = (
        ahead.events.filter(pl.col("is_active")).select("customer").unique().with_columns(active=pl.lit(True))
    )
    for one in (held, holds, active):
        customers = customers.join(one, on="customer", how="left", maintain_order="left")
    some = pl.col("holds").fill_null(False)
    stayed = (
        pl.when(pl.col("held").fill_null(False))
        .then(some)
        .otherwise(some | pl.col("active").fill_null(False))
    )
    return customers.select("customer", stayed=stayed)


def _telling(rows: pl.DataFrame, names: Sequence[str]) -> tuple[str, ...]:
    """The features that differ between customers, and of which enough is known in either arm to learn from."""
    arms = [rows.filter(pl.col("held_out") == arm) for arm in (False, True)]
    return tuple(
        name
        for name in names
        if rows[name].n_unique() > 1 and all(arm[name].count() >= FEWEST_KNOWN for arm in arms)
    )


def _trial(
    name: tuple[str, str], rows: pl.DataFrame, histories: Histories, questions: Sequence[Feature]
) -> Trial:
    names = _telling(rows, tuple(one.name for one in questions))
    person = histories.persons(rows["customer"].to_list())
    numbers: dict[str, int] = {}
    customers = [numbers.setdefault(person[one], len(numbers)) for one in rows["customer"].to_list()]
    return Trial(
        treatment=f"{name[1]} ({name[0].replace('_', ' ')})", columns=names,
        features=_matrix(rows, names),
        customers=np.array(customers), treated=~rows["held_out"].to_numpy().astype(bool),
        outcome=rows["stayed"].to_numpy().astype(float), eligible=np.ones(len(rows), dtype=bool),
        assignment=LoggedPropensity(rows["propensity"].to_numpy()),
    )  # fmt: skip


def _matrix(rows: pl.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Rows x features, NaN for what is not known; where nothing tells anybody apart, rows without a column."""
    if not names:
        return np.empty((len(rows), 0))
    return np.ascontiguousarray(rows.select(names).fill_null(float("nan")).to_numpy())
