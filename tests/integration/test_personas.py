"""Personas over a workspace: frozen once, assigned to who is new or has moved, fitted anew on purpose."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from events.prediction import PersonaAssigned, PersonasFrozen
from models.errors import Refused
from models.tables.journal import journal
from services.foretelling.personas import personas
from tests.support.clock import MONDAY
from tests.support.sending import account, item, purchase, send

END = datetime(2025, 7, 1, tzinfo=UTC)
KINDS = ((3, 20, "80"), (60, 6, "30"), (300, 1, "5"), (20, 3, "300"))
"""Days since the last purchase, purchases, and what each costs: four ways to be a customer."""


def bought(who: str, silence: int, times: int, amount: str, **more):
    return [
        purchase(f"{who}-{number}", account(who), at=END - timedelta(days=silence + 9 * number), amount=amount, **more)
        for number in range(times)
    ]  # fmt: skip


def open_shop(workspace, customers: int = 240):
    """Customers of four kinds, each a little apart from the others of the kind."""
    items = []
    for who in range(customers):
        silence, times, amount = KINDS[who % 4]
        own = who // 4 % 5
        items += bought(str(who), silence + own, times + own % 2, str(int(amount) + own))
    for start in range(0, len(items), 1000):
        send(workspace, *items[start : start + 1000])
    return workspace


def recorded(workspace, kind):
    return workspace.journal.read(journal.c.type == kind.WIRE)


def test_the_first_run_freezes_the_groups_and_gives_everybody_theirs(workspace):
    done = personas(open_shop(workspace), "shop", END)
    (frozen,), told = recorded(workspace, PersonasFrozen), recorded(workspace, PersonaAssigned)
    assert (done.freeze, done.frozen_now, done.new, done.moved) == (1, True, 240, 0)
    assert [row.customers for row in done.rows] == [60, 60, 60, 60]
    assert (frozen.stream, frozen.event.model, frozen.event.currency) == (
        "personas-persona:shop",
        "persona:shop",
        "USD",
    )
    assert [one.name for one in frozen.event.personas] == [row.name for row in done.rows]
    assert Counter((e.event.persona, e.event.place) for e in told) == {
        (row.name, place): 60 for place, row in enumerate(done.rows, start=1)
    }
    assert {(e.event.as_of, e.event.of, e.event.freeze, e.event.before) for e in told} == {(END, 4, 1, None)}


def test_the_same_question_again_records_nothing(workspace):
    first = personas(open_shop(workspace), "shop", END)
    head = workspace.journal.head()
    again = personas(workspace, "shop", END)
    assert (again.frozen_now, again.new, again.rows, workspace.journal.head()) == (False, 0, first.rows, head)


def test_only_who_is_new_or_has_moved_is_recorded_later(workspace):
    """One who had been silent buys as the best do; somebody came for the first time. For the others nothing changed."""
    personas(open_shop(workspace), "shop", END)
    (moving,) = {answer.customer for answer in send(workspace, *(
        purchase(f"back-{number}", account("2"), at=END - timedelta(hours=number * 100 + 1), amount="80")
        for number in range(20)
    ))}  # fmt: skip
    (coming,) = {answer.customer for answer in send(workspace, *bought("new", 3, 20, "80"))}
    later = personas(workspace, "shop", END + timedelta(hours=1))
    told = {e.customer: e.event for e in recorded(workspace, PersonaAssigned) if e.event.as_of > END}
    assert told.keys() == {moving, coming}
    assert (later.frozen_now, later.new, later.moved) == (False, 2, 1)
    assert told[coming].before is None
    assert told[moving].before not in (None, told[moving].persona)
    assert told[moving].persona == told[coming].persona


def test_fitted_anew_it_says_why_and_who_went_elsewhere(workspace):
    personas(open_shop(workspace), "shop", END)
    for who in range(2, 240, 4):
        send(workspace, *bought(f"{who}", 1, 2, "500", origin="import", order_id="again"))
    later = END + timedelta(days=30)
    done = personas(workspace, "shop", later, why="a new product line")
    frozen = recorded(workspace, PersonasFrozen)
    assert [(e.event.freeze, e.event.because) for e in frozen] == [(1, ""), (2, "a new product line")]
    assert (done.freeze, done.frozen_now, done.elsewhere) == (2, True, frozen[1].event.moved)
    assert sum(flow.customers for flow in done.flows) == 240
    again = personas(workspace, "shop", later, why="a new product line")
    assert (again.freeze, again.frozen_now, again.new) == (2, False, 0)
    with pytest.raises(Refused, match="same_moment"):
        personas(workspace, "shop", later, why="a better idea")
    for earlier in (END, END - timedelta(days=1)):
        with pytest.raises(Refused, match="not_yet"):
            personas(workspace, "shop", earlier, why="another idea")
    assert personas(workspace, "shop", END).freeze == 1


def test_who_is_billed_has_paid_as_one_who_buys_has(workspace):
    open_shop(workspace)
    send(workspace, *(
        item(f"bill-{month}", account("billed"), type="bill.issued", at=END - timedelta(days=3 + 9 * month),
             origin="import", bill_id=f"bill-{month}", amount="80", currency="USD")
        for month in range(20)
    ))  # fmt: skip
    done = personas(workspace, "shop", END)
    assert sorted(row.customers for row in done.rows) == [60, 60, 60, 61]


def test_what_is_no_ground_for_groups_is_refused_and_nothing_is_recorded(workspace):
    ahead = MONDAY + timedelta(days=1)
    for wrong, code in (
        ({"as_of": ahead}, "as_of_ahead"),
        ({}, "nothing_known"),
        ({"why": ""}, "persona.why"),
    ):
        with pytest.raises(Refused, match=code):
            personas(workspace, **wrong)
    send(workspace, *bought("1", 3, 20, "80"))
    with pytest.raises(Refused, match="1 customers; personas need 200"):
        personas(workspace)
    with pytest.raises(Refused, match="no_money"):
        personas(workspace, currency="EUR")
    assert recorded(workspace, PersonasFrozen) == recorded(workspace, PersonaAssigned) == []
