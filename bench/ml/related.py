"""Related products on the invoices of a gift shop: what was bought next, foretold from what was bought before."""

import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from bench.ml.line import Line
from bench.ml.persona import sales
from ml import related

CUT, END = datetime(2011, 9, 10, tzinfo=UTC), datetime(2011, 12, 9, tzinfo=UTC)
LINES = 5
"""Invoice lines before the cut that an item needs to be in the catalogue."""


def run(data: Path) -> list[Line]:
    """History before the cut, the 90 days after it, only items never bought before; `data` holds the sets."""
    sold = sales(data)
    before = sold.filter(pl.col("at") < CUT)
    before = before.filter(pl.len().over("item") >= LINES)
    after = sold.filter(pl.col("at").is_between(CUT, END, closed="left"))
    after = after.join(before.select("item").unique(), on="item", how="semi")
    bought: dict[str, dict[str, int]] = {}
    for customer, item, times in (
        before.group_by("customer", "item").len().sort("customer", "item").iter_rows()
    ):
        bought.setdefault(customer, {})[item] = times
    wanted: dict[str, set[str]] = {customer: set() for customer in bought}
    for customer, item in after.select("customer", "item").iter_rows():
        if customer in bought and item not in bought[customer]:
            wanted[customer].add(item)
    began = time.perf_counter()
    shop = related.fit(before["customer"].to_list(), before["item"].to_list())
    found = related.judge(
        shop, list(bought.values()), [frozenset(wanted[customer]) for customer in bought], seed=0
    )
    seconds = time.perf_counter() - began
    near, popular, gain = found.related, found.popular, found.gain
    return [
        Line("cross-sell hit@10", near.hit, reference=0.484, must="≥ 0.48", holds=near.hit >= 0.48, seconds=seconds),
        Line("cross-sell hit@10, what most buy", popular.hit, reference=0.323),
        Line(
            "cross-sell hit@10, gain over what most buy", gain.value, gain.low, gain.high, 0.161,
            "interval above 0", gain.low > 0,
        ),
        Line("cross-sell MAP@10", near.map, reference=0.056),
        Line("cross-sell MAP@10, what most buy", popular.map, reference=0.019),
        Line("cross-sell coverage", near.coverage, reference=0.37),
        Line("cross-sell customers judged", near.customers, reference=1851),
    ]  # fmt: skip
