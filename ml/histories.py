"""Everybody's facts, in parts of whole customers, and who turned out to be whom."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from events.envelope import Envelope
from events.identity import CustomersMerged
from ml.cut import COLUMNS
from ml.facts import MOMENT, facts, frame, owned

MERGES: dict[str, Any] = {"customer": pl.String, "absorbed": pl.String, "known_at": MOMENT}
"""`absorbed` was known from `known_at` on to be `customer`."""
WHOSE: dict[str, Any] = {"event_id": pl.String, "customer": pl.String, "known_from": MOMENT}
"""Of customers who were joined or parted: an event, whose it is, and from when that was known."""
ROWS = 500_000
"""Events that are in memory at a time, about: so many make a part."""
DIGITS = 4
"""Of a customer's key, by which histories are divided into parts."""


@dataclass(frozen=True)
class Histories:
    """`read` gives the facts (`ml.facts`) anew each time, a part after the other, each customer in one part only.

    Two who are one today, and were not always, are a customer each: from the moment when it was known, one of them is a
    customer no more and the other has the facts of both.
    """

    read: Callable[[], Iterator[pl.DataFrame]]
    merges: pl.DataFrame

    @classmethod
    def of(cls, told: Mapping[str, Sequence[Envelope]]) -> "Histories":
        """Of customers whose events are at hand, each as recorded; a merge among them says who is one."""
        rows = [(one, e) for one, events in told.items() for e in events]
        found = facts(owned(frame(rows).lazy()).collect())
        merged = {
            (e.event.survivor, e.event.absorbed, e.known_at) for _, e in rows if isinstance(e.event, CustomersMerged)
        }  # fmt: skip
        return cls(lambda: iter([found]), pl.DataFrame(sorted(merged), schema=MERGES, orient="row"))

    @classmethod
    def exported(
        cls, folder: Path, issuer: str | None = None, columns: Collection[str] = COLUMNS
    ) -> "Histories":
        """Of an export of the journal: all customers, or those whom an issuer's identifiers name now."""
        events = pl.scan_parquet(folder / "events" / "*.parquet").select(*columns)
        whose = pl.read_parquet(folder / "whose.parquet")
        moved = owned(
            events.join(whose.lazy().select("event_id").unique(), on="event_id", how="semi"), whose.lazy()
        )
        moved_rows = moved.collect() if len(whose) else None
        count = events.select(pl.len()).collect().item()
        if issuer is not None:
            known = pl.read_parquet(folder / "customers.parquet")
            wanted = known.filter(pl.col("issuers").list.contains(issuer)).select("customer").lazy()
            events = events.join(wanted, on="customer", how="semi")
            moved_rows = (
                moved_rows.join(wanted.collect(), on="customer", how="semi")
                if moved_rows is not None
                else None
            )
        parts = max(1, -(-count // ROWS))
        edges = [f"{16**DIGITS * place // parts:0{DIGITS}x}" for place in range(parts)]

        def read() -> Iterator[pl.DataFrame]:
            for begin, end in pairwise([*edges, "g"]):
                here = (pl.col("customer") >= begin) & (pl.col("customer") < end)
                told = events.filter(here)
                if moved_rows is None:
                    yield facts(owned(told).collect())
                    continue
                rest = owned(
                    told.join(whose.lazy().select("event_id").unique(), on="event_id", how="anti")
                ).collect()
                yield facts(pl.concat([rest, moved_rows.filter(here).select(rest.columns)]))

        return cls(read, pl.read_parquet(folder / "merges.parquet"))

    @cached_property
    def absorbed(self) -> Mapping[str, datetime]:
        """Customer → when it was first known that they are another."""
        first = self.merges.group_by("absorbed").agg(pl.col("known_at").min())
        return dict(first.iter_rows())

    @cached_property
    def span(self) -> tuple[datetime, datetime] | None:
        """When the first and the last fact happened; None without any."""
        ends = [part.select(first=pl.col("occurred_at").min(), last=pl.col("occurred_at").max()).row(0)
                for part in self.read() if len(part)]  # fmt: skip
        return (min(first for first, _ in ends), max(last for _, last in ends)) if ends else None

    def persons(self, customers: Iterable[str]) -> dict[str, str]:
        """Customer → one name for all who turned out to be one person; else their own."""
        into: dict[str, str] = {}

        def root(one: str) -> str:
            while one in into:
                one = into[one]
            return one

        for survivor, absorbed, _ in self.merges.sort("customer", "absorbed").iter_rows():
            first, second = sorted((root(survivor), root(absorbed)))
            if first != second:
                into[second] = first
        return {one: root(one) for one in customers}

    def only(self, customers: Iterable[str]) -> pl.DataFrame:
        """The facts of some customers."""
        wanted = pl.Series(sorted(set(customers)), dtype=pl.String)
        found = [part.filter(pl.col("customer").is_in(wanted.implode())) for part in self.read()]
        return pl.concat(found) if found else facts(owned(frame([]).lazy()).collect())
