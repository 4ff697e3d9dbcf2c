"""What customers will bring, over a workspace: what is recorded of buyers and contracts, and what is refused."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from events.prediction import ChurnScored, ValueForetold, ValueModelChosen
from models.errors import Refused
from models.ports import By, Write
from models.tables.journal import journal
from services.foretelling.value import value
from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.folding import fold
from tests.support.sending import account, item, phone, purchase, send

END = datetime(2025, 7, 1, tzinfo=UTC)


def recorded(workspace, kind):
    return workspace.journal.read(journal.c.type == kind.WIRE)


def open_shop(workspace, customers: int):
    """A shop whose customers buy at a pace of their own, spend as they like, and one day stay away."""
    random, items = np.random.default_rng(5), []
    for who in range(customers):
        pace, leaving, price = random.gamma(1.2, 1 / 40), random.beta(1.0, 4.0), 20 * random.gamma(4, 0.25)
        day = random.uniform(0, 300)
        for number in range(200):
            at = END - timedelta(days=400 - day)
            if at >= END:
                break
            amount = f"{price * random.gamma(6, 1 / 6):.2f}"
            items.append(purchase(f"{who}-{number}", account(str(who)), at=at, amount=amount))
            day += 1 + random.exponential(1 / pace)
            if random.random() < leaving:
                break
    for start in range(0, len(items), 1000):
        send(workspace, *items[start : start + 1000])
    return workspace


def holder(number: str, days: int, *, price: str = "30", ended: int | None = None, **more):
    """Somebody who holds a line since so many days before the end, and perhaps gave it up."""
    who = account(number, "telecom")
    line = {"holding_id": f"line-{number}", "product": "M"}
    at = END - timedelta(days=days)
    told = [
        item(f"start-{number}", who, type="holding.started", at=at, origin="import", price=price, currency="USD",
             **line, **more)
    ]  # fmt: skip
    if ended is not None:
        at = END - timedelta(days=ended)
        told.append(
            item(
                f"end-{number}",
                who,
                type="holding.ended",
                at=at,
                origin="import",
                holding_id=f"line-{number}",
            )
        )
    return told


def score(workspace, customer: str, probability: float) -> None:
    event = ChurnScored(
        run="r", artifact="a", as_of=END, horizon_days=90, probability=probability, rank=1, of=1
    )
    by = By(source="churn:r", source_id=customer, actor="test", origin="replay", customer=customer)
    workspace.log.record(by, [Write(stream="", expected=0, events=[(event, END)])])


def test_each_buyer_is_foretold_once_and_asking_again_records_nothing(workspace):
    shop = open_shop(workspace, 300)
    first = value(shop, "shop", END, horizon_days=180)
    told, (run,) = recorded(shop, ValueForetold), recorded(shop, ValueModelChosen)
    assert (first.new, first.buyers, first.contracts, first.currency) == (300, 300, 0, "USD")
    assert {(e.event.run, e.event.as_of, e.event.horizon_days, e.origin) for e in told} == {
        (first.run, END, 180, "replay")
    }
    assert sum(e.event.amount for e in told) == first.total > 0
    assert all(e.event.purchases is not None and e.event.monthly is None for e in told)
    assert (run.event.model, run.event.buyers, run.stream) == ("bg_nbd", 300, f"value-{first.run}")
    assert run.event.because == first.because
    assert {"purchases.r", "spend.q"} <= run.event.parameters.keys()
    assert 0.5 < run.event.metrics["buyers.bg_nbd.total"] < 2
    assert run.event.metrics["buyers.bg_nbd.rank_correlation"] > 0.3
    head = shop.journal.head()
    again = value(shop, "shop", END, horizon_days=180)
    assert (again.run, again.new, again.total, shop.journal.head()) == (first.run, 0, first.total, head)


def test_a_contract_brings_its_price_for_as_long_as_its_last_score_says(workspace):
    """The one likely to go brings less than the one who was not scored; whose contract ended brings nothing more."""
    answers = send(
        workspace,
        *holder("1", 700),
        *holder("2", 700),
        *holder("3", 700, ended=400),
        *holder("4", 10, price="0"),
    )
    one, two, three = (answers[at].customer for at in (0, 1, 2))
    score(workspace, one, 0.5)
    done = value(workspace, "telecom", END, horizon_days=90)
    told = {e.customer: e.event for e in recorded(workspace, ValueForetold)}
    assert told.keys() == {one, two, three}
    assert {e.model for e in told.values()} == {"contract"}
    assert (told[two].amount, told[two].staying) == (
        Decimal("88.71"),
        1.0,
    )  # 90 days at 30 a month, and nobody left
    assert told[one].amount == Decimal("63.99")
    assert told[one].staying == 0.5
    assert (told[three].amount, told[three].monthly, told[three].staying) == (0, Decimal("30.00"), 0.0)
    assert (done.contracts, done.ended, done.scored, done.new) == (3, 1, 1, 3)


def test_a_customers_view_shows_what_was_foretold_last(workspace):
    """Before anything was, it says that nothing was."""
    one = send(workspace, *holder("1", 700))[0].customer
    value(workspace, as_of=END, horizon_days=90)
    fold(workspace)
    api = caller(workspace)
    told = read(api, f"/v1/customers/{one}")["predictions"]
    (event,) = recorded(workspace, ValueForetold)
    assert told["value"] == {
        "event_id": event.event_id, "as_of": "2025-07-01T00:00:00Z", "horizon_days": 90, "amount": "88.71",
        "currency": "USD", "model": "contract", "purchases": None, "monthly": "30.00", "staying": 1.0,
    }  # fmt: skip
    assert (told["churn"], told["persona"], told["related"]) == (None, None, None)
    earlier = read(api, f"/v1/customers/{one}", as_of="2025-06-30T00:00:00Z")
    assert earlier["predictions"]["value"] is None


def test_who_was_not_scored_stays_as_long_as_others_did(workspace):
    """One of two left within the year: whoever is there now is not taken for somebody who stays for ever."""
    send(workspace, *holder("1", 700), *holder("2", 700, ended=100))
    value(workspace, "telecom", END, horizon_days=365)
    chances = sorted(e.event.staying for e in recorded(workspace, ValueForetold))
    assert chances[0] == 0
    assert 0.5 < chances[1] < 0.6


def test_a_score_says_nothing_when_its_horizon_is_over(workspace):
    customer = send(workspace, *holder("1", 700))[0].customer
    score(workspace, customer, 0.9)
    assert value(workspace, "telecom", END + timedelta(days=89)).scored == 1
    assert value(workspace, "telecom", END + timedelta(days=90)).scored == 0


def test_a_new_score_is_another_answer_as_of_the_same_moment(workspace):
    customer = send(workspace, *holder("1", 700))[0].customer
    before = value(workspace, "telecom", END)
    score(workspace, customer, 0.5)
    after = value(workspace, "telecom", END)
    assert after.run != before.run
    assert (before.new, after.new) == (1, 1)
    assert after.total < before.total


def test_what_contracts_brought_since_is_held_against_what_was_expected(workspace):
    """Ten who are billed a month, of whom none leaves: what was expected is what came."""
    items = [
        item(f"{number}-{month}", account(str(number), "telecom"), type="bill.issued",
             at=END - timedelta(days=30 * month + 5), origin="import", bill_id=f"{number}-{month}",
             amount=str(10 + number), currency="USD")
        for number in range(10) for month in range(24)
    ]  # fmt: skip
    send(workspace, *items)
    done = value(workspace, "telecom", END, horizon_days=180)
    ours = done.of_contracts[0]
    assert (ours.model, ours.customers) == ("contract", 10)
    assert ours.total.value == pytest.approx(1, abs=0.05)
    assert ours.rank_correlation.value == pytest.approx(1)
    (run,) = recorded(workspace, ValueModelChosen)
    assert run.event.metrics["contracts.contract.total"] == pytest.approx(ours.total.value, abs=1e-6)
    assert run.event.model is None


def test_one_currency_is_reckoned_in_and_the_others_are_named(workspace):
    items = [
        purchase(f"eur-{n}", account(str(n)), at=END - timedelta(days=n), currency="EUR") for n in range(1, 9)
    ]
    send(workspace, *holder("1", 700), *items)
    done = value(workspace, as_of=END, currency="USD")
    assert (done.currency, done.others, done.contracts) == ("USD", ("EUR",), 1)
    with pytest.raises(Refused, match="no_money") as refused:
        value(workspace, as_of=END, currency="CNY")
    assert "EUR, USD" in refused.value.detail


def test_what_can_not_be_foretold_is_refused_and_nothing_is_recorded(workspace):
    for wrong, code in (({"as_of": MONDAY + timedelta(days=1)}, "as_of_ahead"), ({"horizon_days": 0}, "value.horizon"),
                        ({"as_of": END}, "foretelling.nothing_known")):  # fmt: skip
        with pytest.raises(Refused, match=code):
            value(workspace, **wrong)
    send(workspace, *(purchase(f"{n}", account(str(n)), at=END - timedelta(days=n)) for n in range(1, 9)))
    with pytest.raises(Refused, match=r"8 customers; 100 are needed") as refused:
        value(workspace, as_of=END)
    assert refused.value.code == "value.nobody"
    assert recorded(workspace, ValueForetold) == recorded(workspace, ValueModelChosen) == []


def test_who_has_turned_out_to_be_another_is_foretold_as_the_one(workspace, clock):
    """As of before, each is a customer; the live answer is about one, who brings what both do."""
    send(workspace, *holder("1", 700))
    send(
        workspace,
        item("second", phone(), type="holding.started", at=END - timedelta(days=500), origin="import", price="10",
             currency="USD", holding_id="second", product="S"),
    )  # fmt: skip
    before = value(workspace, as_of=END)
    send(workspace, item("both", account("1", "telecom"), phone(), at=clock.at, channel="voice"))
    clock.at += timedelta(hours=1)
    after = value(workspace)
    told = [e for e in recorded(workspace, ValueForetold) if e.event.run == after.run]
    assert (before.contracts, before.new) == (2, 2)
    assert [(e.event.monthly, e.origin) for e in told] == [(Decimal("40.00"), "live")]
    again = value(workspace, as_of=END - timedelta(days=1))
    assert (again.contracts, again.new) == (2, 1)
