"""What customers bought, hold and are billed, as it was known at a moment: what value, persona and products rest on."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from infra.workspace import Workspace
from ml.cut import COLUMNS
from ml.facts import known_before
from ml.histories import Histories
from models.errors import Refused
from services.export.writing import export
from services.prediction import Bars, silent

BOUGHT, RETURNED = "purchase.recorded", "purchase.returned"
KEPT = ("customer", "type", "occurred_at", "known_from", "known_until", "amount_e4", "price_e4", "currency", "product",
        "holding_id")  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """The facts about money and products of some customers, each under their key in an export."""

    facts: pl.DataFrame
    histories: Histories

    def at(self, moment: datetime) -> pl.DataFrame:
        """What had happened and was known before a moment, of those who were customers then."""
        gone = [one for one, since in self.histories.absorbed.items() if since < moment]
        return known_before(self.facts, moment).filter(~pl.col("customer").is_in(gone))

    def first(self, moment: datetime) -> datetime | None:
        """When the first of it happened; None where nothing had by then."""
        earliest: datetime | None = (
            self.facts.filter(pl.col("occurred_at") < moment).select(pl.col("occurred_at").min()).item()
        )
        return earliest


def gather(
    workspace: Workspace, issuer: str | None, kinds: Collection[str], progress: Bars = silent
) -> Evidence:
    """The facts of these types, of everybody or of an issuer's customers, up to the head of the journal.

    Refused: `foretelling.nothing_known` where there are none of anybody.
    """
    folder = workspace.settings.var / "export"
    with progress("exporting") as told:
        written = export(workspace, folder, lambda done, head: told(done))
    if not written.parts:
        raise Refused(
            "foretelling.nothing_known", "nothing is known of anybody yet: import or send something first"
        )
    histories = Histories.exported(folder, issuer, (*COLUMNS, "currency"))
    with progress("reading") as told:
        parts = []
        for part in histories.read():
            parts.append(part.filter(pl.col("type").is_in(list(kinds))).select(KEPT))
            told(len(part))
    return Evidence(pl.concat(parts).with_columns(pl.col("currency").fill_null("")), histories)


def currency_of(known: pl.DataFrame, asked: str) -> tuple[str, tuple[str, ...]]:
    """The currency to reckon in, and the others in which something has a price: by default that of most customers.

    Refused: `value.no_money` where nothing has a price, or nothing in the currency that was asked for.
    """
    priced = known.filter(pl.col("amount_e4").is_not_null() | pl.col("price_e4").is_not_null())
    found = (
        priced.group_by("currency").agg(pl.col("customer").n_unique())
        .sort("customer", "currency", descending=[True, False])["currency"].to_list()
    )  # fmt: skip
    if not found:
        raise Refused(
            "value.no_money",
            "nothing that was bought, held or billed by then has a price: bring in amounts, or give a later moment",
        )
    if asked and asked not in found:
        known_in = ", ".join(one or "no currency stated" for one in found)
        raise Refused(
            "value.no_money", f"nothing has a price in {asked} by then; there is money in: {known_in}"
        )
    chosen = asked or found[0]
    return chosen, tuple(one for one in found if one != chosen)


def window_before(moment: datetime, first: datetime | None, most_days: int) -> datetime:
    """Where the slice to judge on begins: so many days before the moment, or half of what is known."""
    half = (moment - first) / 2 if first is not None else timedelta(0)
    return moment - min(timedelta(days=most_days), timedelta(days=half.days))
