"""Complainants who may leave, and lists that go by what was foretold of money."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from events.case import CaseOpened, CaseResolved
from events.prediction import ValueForetold
from infra.target_list.building import build_on, terms_for
from infra.target_list.definition import load
from infra.target_list.deriving import derive
from models.ports import By, Write
from tests.support.folding import fold
from tests.support.listing import AS_OF, RULES, all_rows, regulars, score
from tests.support.workspaces import ruled

DAY = timedelta(days=1)


@pytest.fixture
def workspace(settings, clock, tmp_path):
    with ruled(settings, clock, tmp_path, RULES) as opened:
        yield opened


def complained(workspace, customer, *, settled=None):
    """A complaint of ten days ago, settled so many days ago, or still open."""
    case = f"case-of-{customer}"
    parts = [(CaseOpened(case_id=case, kind="complaint", reason="billing.dispute"), AS_OF - 10 * DAY)]
    if settled is not None:
        parts.append((CaseResolved(case_id=case, outcome="refunded"), AS_OF - settled * DAY))
    for place, part in enumerate(parts):
        by = By(
            source="desk", source_id=f"{case}-{place}", actor="an agent", customer=customer, origin="import"
        )
        workspace.log.record(by, [Write(stream=f"case-{case}", expected=place, events=[part])])


@pytest.fixture
def complainants(workspace):
    """Six at risk: one has settled long ago, one is still waiting, one never complained."""
    customers = regulars(workspace)
    for days in (7, 0):
        score(workspace, dict.fromkeys(customers, 0.9), as_of=AS_OF - days * DAY)
    for customer, settled in zip(customers, (8, None, 2, 3, 40), strict=False):
        complained(workspace, customer, settled=settled)
    fold(workspace)
    return customers


def test_the_back_end_takes_whose_complaint_is_settled_and_makes_each_the_offer_of_their_value(
    workspace, complainants
):
    terms = load(workspace, "complaint_back_end")
    rules = msgspec.structs.replace(
        terms.rules, holdout=0.0, channels=("email",), legal_basis={"email": "contract"}
    )
    rich = msgspec.structs.replace(rules.tiers[1], least_value=Decimal(160))
    rules = msgspec.structs.replace(rules, tiers=(rules.tiers[0], rich), margin=0.5)
    built = build_on(workspace, msgspec.structs.replace(terms, rules=rules), AS_OF)
    rows = {row.customer: row for row in all_rows(workspace, built.list_id)}
    waiting, never = complainants[1], complainants[5]
    assert set(rows) == {complainants[0], complainants[2], complainants[3]}, "settled in the last 30 days"
    assert waiting not in rows
    assert never not in rows
    for row in rows.values():
        assert row.offer == ("a_better_plan" if row.value >= 160 else "a_month_free")
        assert any(
            sentence.startswith("complained of billing.dispute, settled on 2025-06-") for sentence in row.why
        )
        assert len(row.because_events) >= 3
    assert {row.offer for row in rows.values()} == {"a_better_plan", "a_month_free"}
    assert derive(workspace, built.list_id).same


def test_a_list_may_go_by_the_value_foretold_as_it_was_known_then(workspace):
    customers = regulars(workspace)
    score(workspace, dict.fromkeys(customers, 0.6))
    amounts = dict(zip(customers, ("10", "400", "30"), strict=False))
    for when, times in ((AS_OF - DAY, 1), (AS_OF + DAY, 9)):
        workspace.log.record_batch([
            (
                By(source=f"value:{when}", source_id=one, actor="touchstone value", origin="replay", customer=one),
                [Write(stream="", expected=0, events=[(ValueForetold(
                    run=f"run-{times}", model="bg_nbd", as_of=when, horizon_days=365, amount=Decimal(amount) * times,
                    currency="USD",
                ), when)])],
            )
            for one, amount in amounts.items()
        ])  # fmt: skip
    fold(workspace)
    terms = terms_for(workspace, "retention")
    rules = msgspec.structs.replace(terms.rules, margin=0.5)
    built = build_on(
        workspace, msgspec.structs.replace(terms, value="foretold", title="By value", rules=rules), AS_OF
    )
    rows = {row.customer: row for row in all_rows(workspace, built.list_id)}
    assert [rows[one].value for one in customers[:3]] == [Decimal(5), Decimal(200), Decimal(15)]
    assert {rows[one].rule for one in customers[3:]} == {"no_value"}, "nothing was foretold of them"
    assert derive(workspace, built.list_id).same
