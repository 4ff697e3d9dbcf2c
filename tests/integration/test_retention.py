"""How long personal values are kept: after that the events stay without them."""

from collections import Counter
from datetime import timedelta

import pytest

from infra.personal.retention import RetentionProblem, keep, rules_of
from infra.raw_body import NewBody, RawBodies
from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.folding import fold, rows
from tests.support.sending import item, phone, send


@pytest.fixture
def talked(workspace):
    """One old and one new chat message, an old survey answer, raw bodies and something in quarantine."""
    old, new, _, _ = send(
        workspace,
        item("old", phone(), channel="chat", at=MONDAY - timedelta(days=800), text="long ago"),
        item("new", phone(), channel="chat", at=MONDAY - timedelta(days=8), text="last week"),
        item("s", phone(), type="survey.answered", at=MONDAY - timedelta(days=800), question="q", method="key_press",
             phase="after", text="fine"),
        item("bad", phone(), type="no.such"),
    )  # fmt: skip
    bodies = [NewBody("sw", "1", b"old", MONDAY - timedelta(days=100)), NewBody("sw", "2", b"new", MONDAY)]
    RawBodies(workspace.engine, workspace.vault).keep(bodies)
    fold(workspace)
    return old, new


def kept(workspace, dry_run=False, **days):
    rules = rules_of({name.replace("_recorded", ".recorded"): count for name, count in days.items()})
    return sum(keep(workspace, rules, workspace.clock.now(), dry_run=dry_run), Counter())


def text_of(api, answer):
    return read(api, f"/v1/events/{answer.event_id}")["data"]["text"]


def test_what_is_older_than_its_rule_is_forgotten_and_still_counted(workspace, talked):
    api, (old, new) = caller(workspace), talked
    before = rows(workspace, "customer_360")[old.customer]
    assert kept(workspace, touch_recorded=730) == {"touch.recorded": 1}
    assert (text_of(api, old), text_of(api, new)) == ("[erased]", "last week")
    assert rows(workspace, "customer_360")[old.customer] == before
    assert kept(workspace, touch_recorded=730) == {}, "a second run has nothing to do"


def test_a_dry_run_counts_and_forgets_nothing(workspace, talked):
    api = caller(workspace)
    for _ in range(2):
        assert kept(workspace, dry_run=True, touch_recorded=730, raw_body=30) == {
            "touch.recorded": 1,
            "raw_body": 1,
        }
    assert text_of(api, talked[0]) == "long ago"


def test_raw_bodies_and_quarantine_have_rules_of_their_own(workspace, talked):
    workspace.clock.pass_time(days=20)
    assert kept(workspace, raw_body=30, quarantine=10) == {"raw_body": 1, "quarantine": 1}
    assert workspace.quarantine.counts() == {}


def test_a_rule_about_what_has_no_personal_values_is_a_mistake():
    with pytest.raises(RetentionProblem, match=r"purchase\.recorded"):
        rules_of({"purchase.recorded": 10})
