"""What could be known at a cut, as tables to ask features of: one row an event, a day, a contact, a holding, a case.

Every table is made from facts that had happened and were known strictly before the cut, so that no feature can see
more. `age` is in days before the cut everywhere (`age_us` in microseconds); a window of n days is [cut - n days, cut),
which is `within(n)`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal

import polars as pl

from ml.facts import DAY, known_before

Over = Literal["events", "days", "contacts", "holdings", "cases", "bills"]

COLUMNS = (
    "customer", "event_id", "position", "type", "occurred_at", "known_at", "stream", "revision", "source",
    "amount", "price", "quantity", "wait_seconds", "talk_seconds", "channel", "direction", "reason", "outcome",
    "confirmed", "outside", "signals", "contact_id", "kind", "status", "timely", "case_id", "holding_id", "product",
    "ends_at", "due_at", "bill_id", "unit", "score", "scale", "answer", "purpose", "campaign", "touch_id",
    "said_occurred_at", "treatment", "held_out", "propensity", "until",
)  # fmt: skip
"""The columns of the events that the tables, our features and our labels look at; no other is read from a file."""
REPEATED_DAYS = 7
"""A contact so soon after the last one is a repeat (FCR's N)."""
TOUCHED = "touch.recorded"
_type = pl.col("type")
_inside = (_type == TOUCHED) & pl.col("outside").is_null()
IS: Mapping[str, pl.Expr] = {
    "purchase": _type == "purchase.recorded",
    "use": _type == "usage.recorded",
    "active": _type.is_in(["purchase.recorded", "usage.recorded"]),
    "return": _type == "purchase.returned",
    "touch": _inside & (pl.col("direction") != "outbound"),
    "outreach": _inside & (pl.col("direction") == "outbound"),
    "cancel": _type == "holding.cancel_requested",
    "saved": _type == "holding.save_accepted",
    "survey": (_type == "survey.answered") & pl.col("score").is_not_null(),
    "shown": _type == "presentation.made",
    "answered": _type == "presentation.answered",
    "attempt": _type == "attempt.made",
    "complaint": (
        (_inside & (pl.col("direction") != "outbound") & (
            (pl.col("reason") == "complaint") | pl.col("reason").str.starts_with("complaint.")
            | pl.col("signals").str.contains(r'"complaint["\.]')
        ))
        | (_type.is_in(["case.opened", "case.imported"]) & (pl.col("kind") == "complaint"))
    ),
}  # fmt: skip
"""What an event counts as, by name. A test or phantom call is nothing."""


class Cut:
    """The facts of some customers as they could be known at a moment. Tables are made when they are first asked for."""

    def __init__(self, facts: pl.DataFrame, at: datetime, known: datetime | None = None) -> None:
        self.at = at
        told = known_before(facts, at, known)
        self.events = told.with_columns(**{f"is_{name}": said.fill_null(False) for name, said in IS.items()})
        self._tables: dict[Over, pl.DataFrame] = {"events": self.events}

    @property
    def customers(self) -> pl.DataFrame:
        """Everybody of whom anything was known, in order."""
        return self.events.select("customer").unique().sort("customer")

    def table(self, over: Over) -> pl.DataFrame:
        """One of the tables."""
        if over not in self._tables:
            self._tables[over] = _TABLES[over](self.events)
        return self._tables[over]


def _days(events: pl.DataFrame) -> pl.DataFrame:
    """Distinct days with a purchase or use: the `age` of the day's last, and the `gap` since the day before it."""
    day = pl.col("occurred_at").dt.epoch("s") // DAY
    return (
        events.lazy().filter(pl.col("is_active")).select("customer", "age", "age_us", day=day)
        .group_by("customer", "day").agg(pl.col("age").min(), pl.col("age_us").min())
        .sort("customer", "day")
        .with_columns(gap=(pl.col("day") - pl.col("day").shift(1).over("customer")).cast(pl.Float64))
        .collect()
    )  # fmt: skip


def _contacts(events: pl.DataFrame) -> pl.DataFrame:
    """What customers began: one row a conversation, told by touches or by the parts of a call.

    `repeat`: it began within 7 days after the one before.
    """
    part = (pl.col("is_touch")) | (_type.str.starts_with("contact.") & pl.col("contact_id").is_not_null())
    key = pl.coalesce("contact_id", "event_id")
    inbound = (
        pl.col("is_touch") | ((_type == "contact.started") & (pl.col("direction") != "outbound"))
    ).any()
    return (
        events.lazy().filter(part).with_columns(contact=key)
        .group_by("customer", "contact", maintain_order=True)
        .agg(
            pl.col("age").max(), pl.col("age_us").max(), inbound=inbound, test=pl.col("outside").is_not_null().any(),
            channel=pl.col("channel").drop_nulls().filter(pl.col("channel").drop_nulls() != "unknown").first(),
            reason=pl.col("reason").drop_nulls().last(),
            unresolved=(pl.col("outcome") == "unresolved").any(),
            abandoned=(pl.col("outcome") == "abandoned").any(),
            wait_e4=pl.col("wait_seconds_e4").max(), talk_e4=pl.col("talk_seconds_e4").sum(),
        )
        .filter(pl.col("inbound") & ~pl.col("test")).drop("inbound", "test")
        .sort("customer", pl.col("age"), "contact", descending=[False, True, False])
        .with_columns(since=pl.col("age_us").shift(1).over("customer") - pl.col("age_us"))
        .with_columns(repeat=(pl.col("since") <= REPEATED_DAYS * DAY * 1_000_000).fill_null(False))
        .collect()
    )  # fmt: skip


def _holdings(events: pl.DataFrame) -> pl.DataFrame:
    """What customers have or had: one row a holding, its last product, monthly price and the seconds to its end."""
    at = pl.col("occurred_at") + pl.duration(microseconds=pl.col("age_us"))
    told = _type.is_in(["holding.started", "holding.changed", "holding.ended"])
    return (
        events.lazy().filter(told & pl.col("holding_id").is_not_null())
        .with_columns(at=at)
        .group_by("customer", "holding_id", maintain_order=True)
        .agg(
            pl.col("age").max(), pl.col("age_us").max(), product=pl.col("product").drop_nulls().last(),
            price_e4=pl.col("price_e4").drop_nulls().last(),
            first_price_e4=pl.col("price_e4").drop_nulls().first(),
            ends_in_s=(pl.col("ends_at") - pl.col("at")).dt.total_seconds().drop_nulls().last(),
            open=(_type != "holding.ended").last(),
            changes=(_type == "holding.changed").sum(),
        )
        .sort("customer", "holding_id").collect()
    )  # fmt: skip


def _cases(events: pl.DataFrame) -> pl.DataFrame:
    """What was to be put right: one row a case, since when, whether it is open, how often a promise was missed."""
    begun = _type.is_in(["case.opened", "case.imported"])
    ended = _type.is_in(["case.closed", "case.resolved"]) | (pl.col("status").is_in(["closed", "resolved"]))
    return (
        events.lazy().filter(_type.str.starts_with("case.") & pl.col("case_id").is_not_null())
        .group_by("customer", "case_id", maintain_order=True)
        .agg(
            pl.col("age").filter(begun).max(), pl.col("age_us").filter(begun).max(),
            kind=pl.col("kind").drop_nulls().first(), reason=pl.col("reason").drop_nulls().first(),
            open=~(ended.fill_null(False).any() & (_type != "case.reopened").last()),
            missed=(_type == "case.clock_missed").sum() + (~pl.col("timely")).sum(),
            reopened=(_type == "case.reopened").sum(),
        )
        .sort("customer", "case_id").collect()
    )  # fmt: skip


def _bills(events: pl.DataFrame) -> pl.DataFrame:
    """What was billed: one row a bill, what the one before it was, and whether it was paid late or is overdue."""
    issued, paid = _type == "bill.issued", pl.col("occurred_at").filter(_type == "bill.paid").max()
    at = pl.col("occurred_at") + pl.duration(microseconds=pl.col("age_us"))
    due = pl.col("due_at").filter(issued).last()
    return (
        events.lazy().filter(_type.is_in(["bill.issued", "bill.paid"])).with_columns(at=at)
        .group_by("customer", "bill_id")
        .agg(
            pl.col("age").filter(issued).last(), pl.col("age_us").filter(issued).last(),
            pl.col("amount_e4").filter(issued).last(),
            late=(paid > due).fill_null(False) | (paid.is_null() & (due < pl.col("at").first())).fill_null(False),
        )
        .filter(pl.col("age_us").is_not_null())
        .sort("customer", pl.col("age_us"), "bill_id", descending=[False, True, False])
        .with_columns(before_e4=pl.col("amount_e4").shift(1).over("customer"))
        .collect()
    )  # fmt: skip


_TABLES: Mapping[Over, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "days": _days, "contacts": _contacts, "holdings": _holdings, "cases": _cases, "bills": _bills,
}  # fmt: skip


def within(days: float) -> pl.Expr:
    """Not longer ago than so many days before the cut."""
    return pl.col("age_us") <= int(days * DAY * 1_000_000)
