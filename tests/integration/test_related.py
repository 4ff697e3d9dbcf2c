"""What else customers may want, over a workspace: what is recorded, what is not said twice, how it did."""

from datetime import UTC, datetime, timedelta

import pytest

from events.prediction import ProductsRelated
from models.errors import Refused
from models.tables.journal import journal
from services.foretelling.related import related
from tests.support.clock import MONDAY
from tests.support.sending import account, item, purchase, send

END = datetime(2025, 7, 1, tzinfo=UTC)


def buys(who: str, product: str, days: float):
    return purchase(f"{who}-{product}", account(who), at=END - timedelta(days=days), product=product)


def open_shop(workspace):
    """Tea is bought with a pot and a cup, ink with paper and a pen; the last two have no pot or paper yet."""
    items = []
    for number in range(12):
        first, second, third = ("tea", "pot", "cup") if number % 2 else ("ink", "paper", "pen")
        items.append(buys(str(number), first, 300 - number))
        items.append(buys(str(number), third, 290 - number if number < 8 else 20))
        if number < 10:
            items.append(buys(str(number), second, 280 - number))
    send(workspace, *items)
    return workspace


def recorded(workspace):
    return workspace.journal.read(journal.c.type == ProductsRelated.WIRE)


def of(workspace, who: str):
    """The customer of an account, by a touch that says nothing else."""
    return send(workspace, item(f"who-{who}", account(who), at=END, origin="import", channel="web"))[
        0
    ].customer


def test_each_customer_is_told_what_others_have_beside_theirs_and_why(workspace):
    done = related(open_shop(workspace), "shop", END, most=2)
    told = {e.customer: e.event for e in recorded(workspace)}
    tea = told[of(workspace, "11")]
    assert (done.customers, done.products, done.new) == (12, 6, 12)
    assert tea.items[0].item == "pot"
    assert set(tea.items[0].because) == {"tea", "cup"}
    assert tea.items[1].because == ()
    assert (tea.run, tea.as_of) == (done.run, END)
    assert all(len(e.items) == 2 for e in told.values())


def test_an_answer_is_recorded_again_only_where_it_has_changed(workspace):
    related(open_shop(workspace), "shop", END, most=2)
    head = workspace.journal.head()
    assert related(workspace, "shop", END, most=2).new == 0
    assert related(workspace, "shop", END + timedelta(days=9), most=2).new == 0
    assert workspace.journal.head() == head
    send(workspace, buys("11", "pot", 0))
    later = related(workspace, "shop", END + timedelta(days=9), most=2)
    changed = {e.customer: e.event for e in recorded(workspace) if e.event.run == later.run}
    assert of(workspace, "11") in changed
    assert "pot" not in {one.item for one in changed[of(workspace, "11")].items}
    assert later.new < 12


def test_what_is_held_counts_as_what_is_bought(workspace):
    open_shop(workspace)
    holder = account("holder")
    one = send(workspace, item("line", holder, type="holding.started", at=END - timedelta(days=9), origin="import",
                               holding_id="h", product="tea", price="1", currency="USD"))[0].customer  # fmt: skip
    related(workspace, as_of=END, most=1)
    (answer,) = [e.event for e in recorded(workspace) if e.customer == one]
    assert answer.items[0].because == ("tea",)


def test_it_is_judged_on_what_came_later_beside_what_most_customers_buy(workspace):
    done = related(open_shop(workspace), "shop", END, most=2)
    assert done.judged_from == END - timedelta(days=90)
    assert done.judgement is not None
    assert (done.judgement.related.customers, done.judgement.related.hit) == (4, 1.0)
    assert done.judgement.popular.hit < 1


def test_without_anything_new_since_it_says_that_it_was_not_judged(workspace):
    send(
        workspace, buys("1", "tea", 300), buys("1", "pot", 300), buys("2", "tea", 299), buys("2", "pot", 299)
    )
    done = related(workspace, as_of=END)
    assert done.judgement is None
    assert "nobody bought a new item" in done.unjudged


def test_what_is_no_ground_for_an_answer_is_refused_and_nothing_is_recorded(workspace):
    ahead = MONDAY + timedelta(days=1)
    for wrong, code in (
        ({"as_of": ahead}, "as_of_ahead"),
        ({"most": 0}, "related.most"),
        ({}, "nothing_known"),
    ):
        with pytest.raises(Refused, match=code):
            related(workspace, **wrong)
    send(workspace, buys("1", "tea", 3))
    with pytest.raises(Refused, match="1 customers and 1 items"):
        related(workspace)
    assert recorded(workspace) == []
