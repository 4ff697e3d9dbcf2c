"""Events as a table: one row a fact, with the interval in which it was known to be so.

The table says what happened (`occurred_at`), and from when until when that was what the company knew
(`known_from`, `known_until`): a correction ends one row and begins another, a retraction ends one. So a cut on both
clocks is a filter, and nothing learnt later can change what a past cut sees. Money and other numbers that are added up
are whole ten-thousandths (`amount_e4`): sums are exact, and the same whatever order they are made in.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import Any

import polars as pl

from events import registry
from events.envelope import Envelope, Event
from events.flattening import ENVELOPE, Kind, columns, fields_of, has_row
from events.touch import TouchRetracted
from models.domain.history import CHANGING

DAY = 86_400
"""Seconds in a day; a day of the table is a UTC day."""
MOMENT = pl.Datetime("us", "UTC")
_TYPES: Mapping[Kind, Any] = {
    "text": pl.String, "number": pl.Float64, "flag": pl.Boolean, "moment": MOMENT, "list": pl.String,
}  # fmt: skip
EXACT = 10_000
"""Parts of one unit of money, or of any other number, in which sums are made."""
ADDED_UP = ("amount", "price", "value", "quantity", "wait_seconds", "talk_seconds", "hold_seconds")
CHANGES = tuple(cls.WIRE for cls in CHANGING)
SAYS = ("reason", "outcome", "confirmed", "channel", "direction")
"""What a correction may put right, besides when it happened."""
CHANGEABLE = ("touch.", "contact.")


def schema() -> dict[str, Any]:
    """The columns of the table of events and their types."""
    return {
        one.name: pl.Int64 if one.name in ("position", "revision") else _TYPES[one.kind] for one in columns()
    }


def frame(rows: Iterable[tuple[str, Envelope]]) -> pl.DataFrame:
    """The table of events, each under the key of a customer; those of families without rows are left out."""
    by_type: dict[type[Event], list[tuple[str, Envelope]]] = {}
    for key, e in rows:
        by_type.setdefault(type(e.event), []).append((key, e))
    whole = schema()
    parts = [_of_one_type(cls, some, whole) for cls, some in by_type.items() if has_row(cls.WIRE)]
    if not parts:
        return pl.DataFrame(schema=whole)
    return pl.concat(parts, how="diagonal").select(*whole)


def _of_one_type(
    cls: type[Event], rows: Sequence[tuple[str, Envelope]], whole: Mapping[str, Any]
) -> pl.DataFrame:
    found: dict[str, list[Any]] = {
        "customer": [key for key, _ in rows],
        "type": [cls.WIRE for _ in rows],
    }
    for one in ENVELOPE:
        if one.name not in found:
            found[one.name] = [getattr(e, one.name) for _, e in rows]
    for field in fields_of(cls):
        found[field.column] = [field.put(getattr(e.event, field.name)) for _, e in rows]
    # columns of another type of event are nulls of the right kind, so that the parts can be put together
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in whole.items() if name not in found]
    return (
        pl.DataFrame(found, schema={name: whole[name] for name in found}).with_columns(missing).select(*whole)
    )


def owned(events: pl.LazyFrame, whose: pl.LazyFrame | None = None) -> pl.LazyFrame:
    """The events under whom they are now, and `known_from` when it was known that they are theirs.

    `whose` are the events of customers who were joined or parted: event_id, customer, known_from. An event may be
    there for several customers. All others are of whom they were recorded, from when they were known.
    """
    told = events.with_columns(known_from=pl.col("known_at"))
    if whose is None:
        return told
    rest = told.join(whose.select("event_id").unique(), on="event_id", how="anti")
    moved = events.drop("customer").join(whose, on="event_id", how="inner")
    moved = moved.with_columns(known_from=pl.max_horizontal("known_at", "known_from"))
    return pl.concat([rest, moved.select(rest.collect_schema().names())])


def facts(owned: pl.DataFrame) -> pl.DataFrame:
    """The facts of whole customers, each customer's in the order in which they happened.

    Corrections and retractions are applied, each from after the moment when it was known, and are no facts themselves.
    """
    is_change = pl.col("type").is_in(CHANGES)
    changes = owned.filter(is_change)
    found = owned.filter(~is_change).with_columns(known_until=pl.lit(None, dtype=MOMENT))
    if len(changes):
        keys = changes.select("customer", event_id="touch_id").unique()
        may = pl.any_horizontal(pl.col("type").str.starts_with(one) for one in CHANGEABLE)
        touched = found.filter(may).join(keys, on=["customer", "event_id"], how="semi")
        rest = found.join(touched.select("customer", "event_id"), on=["customer", "event_id"], how="anti")
        found = pl.concat([rest, pl.DataFrame(list(_intervals(touched, changes)), schema=found.schema)])
    return found.with_columns(
        (pl.col(name) * EXACT).round().cast(pl.Int64).alias(f"{name}_e4")
        for name in ADDED_UP
        if name in found.columns
    ).sort("customer", "occurred_at", "stream", "revision", "position", maintain_order=True)


def _intervals(touched: pl.DataFrame, changes: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of touches that were put right: one for each stretch in which the company knew the same of them."""
    told: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for change in changes.sort("occurred_at", "stream", "revision", "position").iter_rows(named=True):
        told.setdefault((change["customer"], change["touch_id"]), []).append(change)
    for row in touched.iter_rows(named=True):
        of_it = told[(row["customer"], row["event_id"])]
        moments = sorted({one["known_from"] for one in of_it})
        for since, until in pairwise([None, *moments, None]):
            # a change is known after its moment, not at it: what was known holds up to and with that moment
            known = [one for one in of_it if since is not None and one["known_from"] <= since]
            if until is not None and until < row["known_from"]:
                continue
            if any(one["type"] == TouchRetracted.WIRE for one in known):
                continue
            yield _as_known(row, known, since, until)


def _as_known(
    row: dict[str, Any], known: Sequence[dict[str, Any]], since: datetime | None, until: datetime | None
) -> dict[str, Any]:
    told, has = dict(row), _columns_of(row["type"])
    for change in known:
        told |= {name: change[name] for name in SAYS if change[name] is not None and name in has}
        told["occurred_at"] = change["said_occurred_at"] or told["occurred_at"]
    known_from = row["known_from"] if since is None else max(row["known_from"], since)
    return told | {"known_from": known_from, "known_until": until}


@cache
def _columns_of(wire: str) -> frozenset[str]:
    entry = registry.find(wire)
    return frozenset(field.column for field in fields_of(entry.cls)) if entry else frozenset()


def known_before(facts: pl.DataFrame, cut: datetime, known: datetime | None = None) -> pl.DataFrame:
    """What had happened before a moment, as it was known before it, or before a later one that is given.

    With its `age` in days at the moment, and exactly in microseconds (`age_us`).
    """
    at, by = pl.lit(cut).cast(MOMENT), pl.lit(known or cut).cast(MOMENT)
    told = (pl.col("occurred_at") < at) & (pl.col("known_from") < by)
    told &= pl.col("known_until").is_null() | (pl.col("known_until") >= by)
    found = facts.filter(told).with_columns(age_us=(at - pl.col("occurred_at")).dt.total_microseconds())
    return found.with_columns(age=days(found["age_us"]))


def days(microseconds: pl.Series) -> pl.Series:
    """As days. Not by polars: it divides one value and many in different ways, and their last bits differ."""
    return pl.Series(microseconds.to_numpy() / (DAY * 1e6), dtype=pl.Float64)
