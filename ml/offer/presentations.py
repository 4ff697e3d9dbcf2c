"""What was put to customers and what came of it, each with what was known of the customer before.

A presentation is told by what was known before the day (UTC) on which it was made: so are customers whose chances are
asked for, and nothing that came of it, or led to it within the day, is among what it is explained by.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from ml.cut import Cut
from ml.definition import Feature
from ml.facts import MOMENT
from ml.features.catalogue import FEATURES, ask
from ml.histories import Histories

COLUMNS = ("presentation_id", "offer", "possible")
"""Columns of the events that are looked at here, beside those of features."""
SHOWN, ANSWERED = "presentation.made", "presentation.answered"
TOGETHER = 5_000
"""Presentations whose customers' facts are in memory at once."""
_DAY_ONE = datetime(2100, 1, 1, tzinfo=UTC)
"""The day on which all presentations are thought to be made, so that they are asked of at once."""
_MINE = ("customer", "event_id", "position", "occurred_at", "known_from", "presentation_id", "offer", "propensity",
         "possible")  # fmt: skip


def presentations(
    histories: Histories, known: datetime, answer_days: int, questions: Sequence[Feature] = FEATURES
) -> pl.DataFrame:
    """One row a presentation whose time to answer was over at `known`, in the order in which they were made.

    `customer`, `made_at`, `offer`, `propensity` and `possible` (a list; both null where they were not recorded),
    `taken` (1 where it was accepted in time, else 0), `answered`, and a column a feature.
    """
    made, answers = _told(histories, known)
    over = made.filter(pl.col("occurred_at") + timedelta(days=answer_days) <= known)
    # recorded for one customer, and told of every other who turned out to be the same: theirs who was known first
    over = over.sort("known_from", "customer").unique("event_id", keep="first", maintain_order=True)
    said = over.select("event_id", "presentation_id", "occurred_at").join(
        answers, on="presentation_id", how="inner"
    ).filter(
        (pl.col("at") >= pl.col("occurred_at"))
        & (pl.col("at") < pl.col("occurred_at") + timedelta(days=answer_days))
    ).group_by("event_id").agg(accepted=(pl.col("answer") == "accepted").any())  # fmt: skip
    rows = over.join(said, on="event_id", how="left").sort("occurred_at", "position")
    asked = [part for part in _asked(histories, over, questions) if len(part)]
    empty = pl.DataFrame(
        schema={"event_id": pl.String} | dict.fromkeys((one.name for one in questions), pl.Float64)
    )
    rows = rows.join(
        pl.concat(asked) if asked else empty, on="event_id", how="left", maintain_order="left"
    ).with_columns(pl.col(one.name).fill_null(one.empty) for one in questions if one.empty is not None)
    return rows.select(
        "customer", "offer", "propensity", *(one.name for one in questions),
        made_at=pl.col("occurred_at"), possible=pl.col("possible").str.json_decode(pl.List(pl.String)),
        taken=pl.col("accepted").fill_null(False).cast(pl.Int8), answered=pl.col("accepted").is_not_null(),
    )  # fmt: skip


def ready(rows: pl.DataFrame, columns: Sequence[str], questions: Sequence[Feature] = FEATURES) -> np.ndarray:
    """The columns as a model takes them: money, counts and days as log(1 + value), unknown ones NaN."""
    skewed = {one.name for one in questions if one.skewed}
    values = rows.select(pl.col(columns).cast(pl.Float64)).fill_null(float("nan")).to_numpy().copy()
    for place, name in enumerate(columns):
        if name in skewed:
            values[:, place] = np.sign(values[:, place]) * np.log1p(np.abs(values[:, place]))
    return values


def day_of(moment: datetime) -> datetime:
    """The beginning of a moment's day (UTC): before it counts what chances are told by."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _told(histories: Histories, known: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The presentations and the answers that were known at a moment."""
    made, answers = [], []
    for part in histories.read():
        by_then = part.filter(pl.col("known_from") < known, pl.col("occurred_at") < known)
        made.append(by_then.filter(pl.col("type") == SHOWN).select(_MINE))
        answers.append(
            by_then.filter(pl.col("type") == ANSWERED).select(
                "presentation_id", "answer", at=pl.col("occurred_at")
            )
        )
    return pl.concat(made), pl.concat(answers)


def _asked(histories: Histories, made: pl.DataFrame, questions: Sequence[Feature]) -> Iterator[pl.DataFrame]:
    """`event_id` of each presentation with the answers to the questions."""
    for part in histories.read():
        theirs = made.join(part.select("customer").unique(), on="customer", how="semi")
        for some in theirs.iter_slices(TOGETHER):
            yield _at_their_days(part, some, questions)


def _at_their_days(facts: pl.DataFrame, made: pl.DataFrame, questions: Sequence[Feature]) -> pl.DataFrame:
    """All at one cut: each presentation stands for a customer, whose facts are moved by whole days.

    Features look at how long ago something was, and at UTC days: both stay what they are.
    """
    own = made.select("customer", as_one=pl.col("event_id"), day=pl.col("occurred_at").dt.truncate("1d"))
    by = pl.lit(_DAY_ONE).cast(MOMENT) - pl.col("day")
    moments = [name for name, kind in facts.schema.items() if isinstance(kind, pl.Datetime)]
    moved = (
        facts.join(own, on="customer", how="inner", maintain_order="left")
        .filter(pl.col("occurred_at") < pl.col("day"))
        .with_columns(pl.col(name) + by for name in moments)
        .with_columns(customer=pl.col("as_one"))
        .drop("as_one", "day")
    )
    return ask(Cut(moved, _DAY_ONE), questions).rename({"customer": "event_id"})
