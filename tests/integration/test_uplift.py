"""What draws have shown becomes an effect for everybody, and a list goes by it."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from infra.target_list.building import build_on, terms_for
from infra.target_list.deriving import derive
from models.tables.journal import journal
from services.foretelling.uplift import uplift
from tests.support.folding import fold
from tests.support.listing import AS_OF, RULES, all_rows, score
from tests.support.sending import account, email, item, purchase, send
from tests.support.workspaces import ruled

DAY = timedelta(days=1)
EACH = 120
"""Customers in each arm."""
DRAWN = AS_OF - 100 * DAY
UNTIL = AS_OF - 10 * DAY


@pytest.fixture
def workspace(settings, clock, tmp_path):
    with ruled(settings, clock, tmp_path, RULES) as opened:
        yield opened


def drawn(workspace, *, come_treated, come_held_out, treatment="loyalty_gesture"):
    """Two arms of one campaign, and of each how many bought again before its time was over."""
    items, coming = [], {False: come_treated, True: come_held_out}
    for held_out in (False, True):
        for n in range(EACH):
            who = account(f"{held_out}-{n}")
            items.append(purchase(f"first-{held_out}-{n}", who, email(f"c{held_out}{n}@example.com"),
                                  at=DRAWN - (5 + n % 40) * DAY, amount=str(50 + n)))  # fmt: skip
            items.append(item(
                f"drawn-{held_out}-{n}", who, type="campaign.assigned", at=DRAWN, origin="import", campaign="spring",
                purpose="retention", treatment=treatment, held_out=held_out, propensity=0.5, until=UNTIL.isoformat(),
            ))  # fmt: skip
            if n % 10 < coming[held_out]:
                items.append(purchase(f"again-{held_out}-{n}", who, at=UNTIL - 20 * DAY, amount="70"))
    customers = [one.customer for one in send(workspace, *items)]
    fold(workspace)
    return list(dict.fromkeys(customers))


def effects(workspace):
    return workspace.journal.read(journal.c.type == "prediction.uplift_scored")


def measured(workspace, **rules):
    terms = terms_for(workspace, "retention")
    return msgspec.structs.replace(
        terms, effect="measured", title="Measured", rules=msgspec.structs.replace(terms.rules, **rules)
    )


def test_a_shown_effect_is_recorded_for_everybody_and_a_list_goes_by_it(workspace):
    customers = drawn(workspace, come_treated=8, come_held_out=4)
    (found,) = uplift(workspace, as_of=AS_OF, record=True)
    assert found.judgement.average.value == pytest.approx(0.4)
    assert (found.learner, found.new) == ("average", len(customers))
    assert {one.event.effect for one in effects(workspace)} == {0.4}
    (said,) = workspace.journal.read(journal.c.type == "prediction.uplift_judged")
    assert (said.event.shown, said.event.drawn, said.event.held_out) == (True, EACH, EACH)

    score(workspace, dict.fromkeys(customers, 0.3))
    fold(workspace)
    built = build_on(workspace, measured(workspace), AS_OF)
    member = built.top[0]
    assert (member.effect, built.published.definition["effect"]) == (0.4, "measured")
    cost = Decimal("0.01")
    won = Decimal("0.3")  # no more can be kept than would have left
    assert member.profit == pytest.approx(
        won * member.value - (won + Decimal("0.7")) * 2 - cost, abs=Decimal("0.0001")
    )
    assert derive(workspace, built.list_id).same
    again = list(uplift(workspace, as_of=AS_OF, record=True))
    assert [one.new for one in again] == [0]


def test_where_no_effect_is_shown_nothing_is_recorded_and_a_list_that_goes_by_it_has_nobody(workspace):
    customers = drawn(workspace, come_treated=5, come_held_out=5)
    (found,) = uplift(workspace, as_of=AS_OF, record=True)
    assert not found.judgement.effect_shown
    assert (found.learner, found.new, effects(workspace)) == ("", 0, [])
    score(workspace, dict.fromkeys(customers, 0.3))
    fold(workspace)
    built = build_on(workspace, measured(workspace), AS_OF)
    rows = all_rows(workspace, built.list_id)
    assert {row.rule for row in rows} == {"no_effect"}


def test_an_effect_that_was_known_later_is_in_no_list_of_before(workspace):
    customers = drawn(workspace, come_treated=8, come_held_out=4)
    list(uplift(workspace, as_of=AS_OF, record=True))
    before = AS_OF - DAY
    score(workspace, dict.fromkeys(customers, 0.3), as_of=before)
    fold(workspace)
    built = build_on(workspace, measured(workspace), before)
    assert built.rules == {"no_effect": len(customers)}


def test_the_effect_of_another_offer_says_nothing_of_this_one(workspace):
    customers = drawn(workspace, come_treated=8, come_held_out=4, treatment="another_gesture")
    list(uplift(workspace, as_of=AS_OF, record=True))
    score(workspace, dict.fromkeys(customers, 0.3))
    fold(workspace)
    assert build_on(workspace, measured(workspace), AS_OF).rules == {"no_effect": len(customers)}
