"""What a customer is worth to a list: the money at stake, and what contacting them is expected to earn."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from models.domain import profit
from models.domain.rules import ListRules

ListPurpose = Literal["retention", "win_back", "care"]
"""What a list may be for; to care for somebody is worth what keeping them is."""
CENT, FINE = Decimal("0.01"), Decimal("0.0001")
MONTH_DAYS = Decimal("30.4375")


def money_at_stake(
    *, spent: Decimal | None, first_at: datetime | None, last_at: datetime | None,
    monthly: Decimal | None, as_of: datetime, horizon_days: int, active_days: int, margin: float,
) -> Decimal | None:  # fmt: skip
    """What the company would keep of a customer's spending over the score's horizon, if they stay or return.

        margin x (spent / days x horizon + monthly x horizon / 30.4375)

    `spent` are the purchases so far less returns, `days` from the first purchase to `as_of`, or to
    `active_days` after the last one where that is earlier, and at least `active_days`; `monthly` is
    what current holdings cost a month. It is the customer's own past carried on: no trend, no season, no
    growth, no discount, and nothing beyond the horizon. Purchases without a price count as nothing, so
    the figure errs low. A lost customer's former holdings are not in it. None where nothing has a price.
    """
    if spent is None and monthly is None:
        return None
    value = Decimal(0)
    if spent is not None and first_at is not None:
        window = timedelta(days=active_days)
        until = min(as_of, (last_at or first_at) + window)
        days = max(until - first_at, window) / timedelta(days=1)
        value += max(spent, Decimal(0)) * horizon_days / Decimal(str(days))
    if monthly is not None:
        value += monthly * horizon_days / MONTH_DAYS
    return (value * Decimal(str(margin))).quantize(CENT)


def expected(
    purpose: ListPurpose, probability: float, value: Decimal, rules: ListRules, contact_cost: Decimal,
    effect: float | None = None,
) -> tuple[Decimal, Decimal]:  # fmt: skip
    """What contacting a customer is expected to earn, and what it is expected to cost; may be negative.

    The formulas are those of `models.domain.profit`: with an `effect` that hold-outs have shown (the share more that
    stay, or come back) `measured`; else `leaving` for retention and care, `returning` for win-back. Their acceptance
    is a setting: then the figures order a list, they are no forecast.
    """
    p, a = Decimal(str(probability)), Decimal(str(rules.acceptance))
    if effect is not None:
        won, anyway = profit.measured(Decimal(str(effect)), p if purpose == "win_back" else 1 - p)
    else:
        won, anyway = profit.returning(p, a) if purpose == "win_back" else profit.leaving(p, a)
    earned = profit.earned(won, anyway, value, rules.offer_cost, contact_cost)
    return earned.quantize(FINE), profit.spent(won, anyway, rules.offer_cost, contact_cost)
