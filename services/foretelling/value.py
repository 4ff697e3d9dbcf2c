"""The money to expect of every customer, recorded as events."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from events.prediction import ValueForetold, ValueModelChosen
from infra.ids import derived_id
from infra.workspace import Workspace
from ml.value.contract import BILLED, CHANGED, ENDED, STARTED
from ml.value.judging import Judgement
from ml.value.refusals import ValueRefused
from models.errors import Refused
from services.foretelling.evidence import BOUGHT, RETURNED, currency_of, gather, window_before
from services.foretelling.purchases import Spending, foretell
from services.foretelling.recording import asking, people
from services.foretelling.under_contract import CONTRACT, Expected, expect, judged
from services.prediction import Bars, silent

MOST_DAYS = 3650
CENT, DIGITS = Decimal("0.01"), 6
KINDS = (BOUGHT, RETURNED, BILLED, STARTED, CHANGED, ENDED)


class Valued(Struct, frozen=True, kw_only=True):
    """One run. `buyers` and `contracts` are customers told either way, `scored` contracts by a churn score.

    Of the contracts `ended` have come to an end.

    `total` is the money to expect of all of them, `new` how many were recorded. `others` are currencies that were left
    out; `notes` are sentences about what could not be told. `judgements` are of the slice from `judged_from` on.
    """

    run: str
    as_of: datetime
    horizon_days: int
    currency: str
    others: tuple[str, ...]
    because: str
    buyers: int
    contracts: int
    ended: int
    scored: int
    total: Decimal
    judgements: tuple[Judgement, ...]
    of_contracts: tuple[Judgement, ...]
    judged_from: datetime
    notes: tuple[str, ...]
    new: int


def value(
    workspace: Workspace, issuer: str | None = None, as_of: datetime | None = None, *, horizon_days: int = 365,
    currency: str = "", progress: Bars = silent,
) -> Valued:  # fmt: skip
    """Foretell what each customer will pay within the horizon, and record it; the same question again records nothing.

    Customers under a contract by `ml.value.contract`, with their last churn score while its horizon lasts; other buyers
    by the model that `ml.value.choice` chooses. It is turnover in one currency, by default that of most customers.
    Refused, with nothing recorded: `as_of_ahead`, `value.horizon`, `value.no_money`, `value.nobody`.
    """
    if not 1 <= horizon_days <= MOST_DAYS:
        raise Refused("value.horizon", f"the horizon is a number of days, 1 to {MOST_DAYS}")
    asked = asking(workspace, as_of, "touchstone value")
    moment = asked.moment
    evidence = gather(workspace, issuer, KINDS, progress)
    chosen, others = currency_of(evidence.at(moment), currency)
    everybody = people(workspace)
    with progress("foretelling"):
        held = expect(workspace, evidence, everybody, moment, horizon_days, chosen)
        try:
            spent, why_not = foretell(evidence, moment, horizon_days, chosen, held.customers), ""
        except ValueRefused as refused:
            spent, why_not = None, refused.detail
    if spent is None and not held.customers:
        raise Refused(
            "value.nobody",
            "nobody is under a contract with a price, and "
            + (
                f"what buyers will spend can't be foretold: {why_not}"
                if why_not
                else "nobody bought anything."
            )
            + " Bring in a longer history, or ask for all customers",
        )
    since = (spent and spent.judged_from) or window_before(moment, evidence.first(moment), horizon_days)
    with progress("judging"):
        of_contracts, unjudged = judged(workspace, evidence, everybody, moment, since, chosen)
    run = derived_id("value", moment.isoformat(), issuer or "", str(horizon_days), chosen, *sorted(held.runs))
    events = dict(_events(run, moment, horizon_days, chosen, held, spent))
    mine = [(one, event) for key, event in events.items() if (one := everybody.recorded(key)) is not None]
    told = ValueModelChosen(
        run=run, as_of=moment, horizon_days=horizon_days, currency=chosen,
        because=spent.because[:1000] if spent else "", model=spent.model if spent else None,
        buyers=len(spent.customers) if spent else 0, contracts=len(held.customers),
        parameters={**(spent.parameters if spent else {}), "contract.leaving_a_day": held.leaving_a_day},
        metrics=dict(_metrics(spent, of_contracts)), judged_from=since,
    )  # fmt: skip
    asked.record_stream("value", run, f"value-{run}", told, 0)
    new = asked.record(f"value:{run}", mine)
    return Valued(
        run=run, as_of=moment, horizon_days=horizon_days, currency=chosen, others=others, because=told.because,
        buyers=told.buyers, contracts=told.contracts, ended=held.ended, scored=held.scored,
        total=sum((event.amount for event in events.values()), Decimal(0)),
        judgements=spent.judgements if spent else (), of_contracts=of_contracts, judged_from=since, new=new,
        notes=tuple(_notes(why_not, spent, unjudged, held)),
    )  # fmt: skip


def _events(
    run: str, moment: datetime, horizon_days: int, currency: str, held: Expected, spent: Spending | None
) -> Iterator[tuple[str, ValueForetold]]:
    """What is recorded, by the customer's key."""
    if spent is not None:
        for one, amount, count in zip(
            spent.customers, spent.amount.tolist(), spent.purchases.tolist(), strict=True
        ):
            yield one, ValueForetold(
                run=run, model=spent.model, as_of=moment, horizon_days=horizon_days, amount=_money(amount),
                currency=currency, purchases=round(count, DIGITS),
            )  # fmt: skip
    contracts = zip(
        held.customers, held.amount.tolist(), held.monthly.tolist(), held.staying.tolist(), strict=True
    )
    for one, amount, monthly, staying in contracts:
        yield one, ValueForetold(
            run=run, model=CONTRACT, as_of=moment, horizon_days=horizon_days, amount=_money(amount), currency=currency,
            monthly=_money(monthly), staying=round(staying, DIGITS),
        )  # fmt: skip


def _money(amount: float) -> Decimal:
    return Decimal(repr(amount)).quantize(CENT)


def _metrics(spent: Spending | None, of_contracts: Sequence[Judgement]) -> Iterator[tuple[str, float]]:
    for whose, judgements in (
        ("buyers", spent.judgements if spent else ()),
        ("contracts", of_contracts),
    ):
        for one in judgements:
            for name in ("total", "rank_correlation", "top_tenth", "mean_error"):
                if (figure := getattr(one, name)) is not None:
                    yield f"{whose}.{one.model}.{name}", round(figure.value, DIGITS)


def _notes(why_not: str, spent: Spending | None, unjudged: str, held: Expected) -> Iterator[str]:
    if why_not:
        yield f"what customers without a contract will spend was not foretold: {why_not}"
    if spent is not None and spent.unjudged:
        yield spent.unjudged
    if unjudged and held.customers:
        yield unjudged
