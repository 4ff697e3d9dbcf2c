"""Everyone's probability of leaving as of a moment, ranked and explained."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
import polars as pl
from msgspec import Struct

from events.prediction import ChurnScored, ScoreReason
from ml.cut import Cut
from ml.dataset import SILENCE, Progress
from ml.definition import Feature
from ml.explanation import reasons
from ml.features.catalogue import FEATURES
from ml.histories import Histories
from ml.labels import LABELS, Label
from ml.model import ChurnModel
from ml.own import answers as ask

DIGITS = 9
"""Decimals of a probability that are told and ranked by; what lies beyond differs between machines."""
PART = 50_000
"""Rows that the model is asked of at a time."""


class Score(Struct, frozen=True, kw_only=True):
    """One customer's probability of leaving within the horizon; rank 1 of `of` is the likeliest."""

    customer: str
    probability: float
    rank: int
    of: int
    reasons: tuple[ScoreReason, ...]

    def event(self, *, run: str, artifact: str, as_of: datetime, horizon_days: int) -> ChurnScored:
        """The score as it is recorded."""
        return ChurnScored(
            run=run, artifact=artifact, as_of=as_of, horizon_days=horizon_days, probability=self.probability,
            rank=self.rank, of=self.of, reasons=self.reasons,
        )  # fmt: skip


def score(
    model: ChurnModel, histories: Histories, as_of: datetime, label: str | Label = "no_activity",
    questions: Sequence[Feature] = FEATURES, progress: Progress | None = None, explained: int | None = None,
) -> list[Score]:  # fmt: skip
    """All customers whom the label concerns at `as_of`, likeliest to leave first, as `ranked` does it."""
    return ranked(model, asked(histories, as_of, label, questions, progress), questions, explained)


def asked(
    histories: Histories, as_of: datetime, label: str | Label = "no_activity",
    questions: Sequence[Feature] = FEATURES, progress: Progress | None = None,
) -> pl.DataFrame:  # fmt: skip
    """The table to score: `customer`, a column per feature, `first` (the place of their first event in the journal).

    Whom the label concerns, and what they did, goes by the merges and corrections known before `as_of`.
    """
    meant = LABELS[label] if isinstance(label, str) else label
    parts = [_part(facts, histories, as_of, meant, questions, progress) for facts in histories.read()]
    told = [part for part in parts if len(part)] or parts[:1]
    return pl.concat(told) if told else _nobody(questions)


def ranked(
    model: ChurnModel,
    rows: pl.DataFrame,
    questions: Sequence[Feature] = FEATURES,
    explained: int | None = None,
) -> list[Score]:
    """The customers of a table of `asked`, likeliest to leave first; the first `explained` of them with reasons.

    None: everyone is given reasons, which takes far longer than the ranking does.

    Equal probabilities are ranked by silence, longest first, then by all features, then by the place of the
    customer's first event in the journal, and only then by id: ids are random per installation, and a list is not.
    """
    if not len(rows):
        return []
    names = tuple(one.name for one in questions)
    matrix = np.ascontiguousarray(rows.select(names).fill_null(float("nan")).to_numpy())
    place, first = _alike(matrix)
    probability = np.concatenate([
        np.round(model.probability(matrix[some], names), DIGITS) for some in _parts(first)
    ])[place]  # fmt: skip
    silence = np.nan_to_num(matrix[:, names.index(SILENCE)]) if SILENCE in names else np.zeros(len(rows))
    customers = rows["customer"].to_list()
    told = list(zip((-probability).tolist(), (-silence).tolist(), place.tolist(), rows["first"].to_list(),
                    customers, strict=True))  # fmt: skip
    order = sorted(range(len(told)), key=told.__getitem__)
    why = _why(model, matrix, first, place[order[:explained]], questions)
    return [
        Score(customer=customers[row], probability=float(probability[row]), rank=rank, of=len(order),
              reasons=why.get(int(place[row]), ()) if explained is None or rank <= explained else ())
        for rank, row in enumerate(order, start=1)
    ]  # fmt: skip


def _why(
    model: ChurnModel, matrix: np.ndarray, first: np.ndarray, places: np.ndarray, questions: Sequence[Feature]
) -> dict[int, tuple[ScoreReason, ...]]:  # fmt: skip
    """The reasons of some of the distinct rows, by their place."""
    names, wanted = tuple(one.name for one in questions), np.unique(places)
    found: list[tuple[ScoreReason, ...]] = []
    for some in _parts(wanted):
        found += reasons(model, model.select(matrix[first[some]], names), questions)
    return dict(zip(wanted.tolist(), found, strict=True))


def _parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Rows in parts, so that what is made of them stays small in memory."""
    return (rows[start : start + PART] for start in range(0, len(rows), PART))


def _nobody(questions: Sequence[Feature]) -> pl.DataFrame:
    return pl.DataFrame(
        schema={"customer": pl.String} | {one.name: pl.Float64 for one in questions} | {"first": pl.Int64}
    )


def _part(
    facts: pl.DataFrame, histories: Histories, as_of: datetime, label: Label, questions: Sequence[Feature],
    progress: Progress | None,
) -> pl.DataFrame:  # fmt: skip
    """The answers of those whom the label concerns, each with the place of their first event."""
    cut = Cut(facts, as_of)
    gone = [one for one, since in histories.absorbed.items() if since < as_of]
    first = cut.events.group_by("customer", maintain_order=True).agg(first=pl.col("position").min())
    rows = (
        label.concerns(cut).unique().filter(~pl.col("customer").is_in(gone)).sort("customer")
        .join(ask(cut, questions), on="customer", how="left", maintain_order="left")
        .join(first, on="customer", how="left", maintain_order="left")
    )  # fmt: skip
    if progress:
        progress(len(facts))
    return rows


def _alike(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row's place among the distinct ones in the order of their bytes, and the first row of each of these."""
    rows = matrix.view(np.dtype((np.void, matrix.shape[1] * matrix.itemsize))).ravel()
    order = np.argsort(rows, kind="stable")
    new = np.ones(len(rows), dtype=bool)
    for start in range(1, len(rows), PART):
        some = order[start - 1 : start + PART]
        new[start : start + PART] = rows[some[1:]] != rows[some[:-1]]
    place = np.empty(len(rows), dtype=np.int64)
    place[order] = np.cumsum(new) - 1
    return place, order[new]
