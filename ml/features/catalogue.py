"""Every feature there is, in the order of the columns."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import polars as pl

from events.envelope import Envelope
from ml import cut as cutting
from ml import facts as making
from ml.cut import Cut, Over
from ml.definition import Feature, hash_of
from ml.facts import facts, frame, owned
from ml.features import activity, contact, holding, money, offer, trouble

FEATURES: tuple[Feature, ...] = (
    *activity.FEATURES, *money.FEATURES, *contact.FEATURES, *trouble.FEATURES, *holding.FEATURES, *offer.FEATURES,
)  # fmt: skip
NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
BY_NAME: dict[str, Feature] = {feature.name: feature for feature in FEATURES}

Features = dict[str, float | None]


def ask(cut: Cut, questions: Sequence[Feature] = FEATURES) -> pl.DataFrame:
    """The answers at a cut: one row a customer of whom anything was known, in order; one column a feature."""
    found = cut.customers
    for over in dict.fromkeys(one.over for one in questions):
        asked = [one for one in questions if one.over == over]
        answers = cut.table(over).lazy().group_by("customer").agg(
            one.ask.cast(pl.Float64).alias(one.name) for one in asked
        )  # fmt: skip
        told = answers.collect()
        told = told.with_columns(_parts(told[one.name], one.per) for one in asked if one.per != 1.0)
        found = found.join(told, on="customer", how="left", maintain_order="left")
    return found.select(
        "customer", *(pl.col(one.name).fill_null(one.empty) if one.empty is not None else one.name for one in questions)
    )  # fmt: skip


def _parts(counted: pl.Series, per: float) -> pl.Series:
    """In whole units. Not by polars: see `ml.facts.days`."""
    told = pl.Series(counted.name, counted.fill_null(float("nan")).to_numpy() / per)
    return told.fill_nan(None)


def features(history: Iterable[Envelope], as_of: datetime) -> Features:
    """What could have been known about one customer at `as_of`, nothing later: name → value or None."""
    told = facts(owned(frame(("", e) for e in history).lazy()).collect())
    rows = ask(Cut(told, as_of)).drop("customer").to_dicts()
    return rows[0] if rows else {one.name: one.empty for one in FEATURES}


def definition_hash() -> str:
    """SHA-256 of what the features mean and how they are computed; comments and layout do not count."""
    return hash_of(FEATURES, code=(cutting, making, sys.modules[__name__]))


def described(questions: Iterable[Feature] = FEATURES) -> list[Mapping[str, object]]:
    """What each feature means, for people and for a data dictionary."""
    return [
        {"name": f.name, "family": f.family, "meaning": f.meaning, "unit": f.unit, "sources": list(f.sources)}
        for f in questions
    ]


__all__ = [
    "BY_NAME",
    "FEATURES",
    "NAMES",
    "Features",
    "Over",
    "ask",
    "definition_hash",
    "described",
    "features",
]
