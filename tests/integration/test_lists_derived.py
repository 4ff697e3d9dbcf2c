"""Scene H. A list is derived again from the journal: the same bytes, whatever came later, or a clear refusal."""

import json
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256

import msgspec
import pytest
from sqlalchemy import text

from infra.personal.erasure import Eraser
from infra.target_list import terms
from infra.target_list.building import build
from infra.target_list.deriving import derive
from infra.workspace import open_workspace
from models.errors import Refused
from models.tables.lists import target_list, target_list_row
from tests.support.calling import caller
from tests.support.folding import fold
from tests.support.listing import AS_OF, RULES, all_rows, commands, prepared, regulars, score, with_rules
from tests.support.sending import account, email, item, phone, purchase, send
from tests.support.workspaces import ruled

DAY = timedelta(days=1)
ANN, BOB = phone("+1 415 555 2671"), email("bob@example.com")
CEM, DEE = phone("+1 415 555 2672"), email("dee@example.com")


@pytest.fixture
def workspace(settings, clock, tmp_path):
    """A workspace whose rules allow text messages and mail."""
    with ruled(settings, clock, tmp_path, RULES.replace("holdout = 0.0", "holdout = 0.3")) as opened:
        yield opened


@pytest.fixture
def touchstone(workspace, monkeypatch):
    return commands(workspace, monkeypatch)


def lines(workspace, list_id):
    """The frozen rows as they lie in the database, a line each."""
    with workspace.engine.connect() as connection:
        rows = connection.execute(
            target_list_row.select().where(target_list_row.c.list_id == list_id).order_by("place")
        ).all()
    return b"".join(bytes(row.row) + b"\n" for row in rows)


def everything_happens(workspace, customers, folder):
    """All that may come after a list: history that arrives late, merges, an un-merge, consents, models, rules."""
    api = caller(workspace)
    send(
        workspace,
        purchase("late", account("3"), at=AS_OF - 10 * DAY, amount="9999"),
        purchase("newcomer", account("new"), email("new@example.com"), at=AS_OF - 20 * DAY, amount="800"),
        item("no", account("4"), type="consent.withdrawn", at=AS_OF - 2 * DAY, basis="call", origin="import"),
        item("case", account("5"), type="case.imported", at=AS_OF - 3 * DAY, origin="import", case_id="c5",
             kind="complaint", reason="billing", status="open"),
        seen_together("one", ANN, BOB, at=AS_OF - 5 * DAY),
    )  # fmt: skip
    fold(workspace)
    parted = api.post(f"/v1/customers/{customers[-1]}/unmerge", json={"why": "two sisters", "by": "sam"})
    assert parted.status_code == 202, parted.text
    score(workspace, dict.fromkeys(customers[:6], 0.1), run="again")
    score(workspace, dict.fromkeys(customers[:6], 0.9), artifact="churn-2", as_of=AS_OF - DAY)
    asked = api.post(f"/v1/customers/{customers[0]}/erasure", json={"asked_by": "ann"})
    assert asked.status_code == 202, asked.text
    Eraser(workspace).turn()
    fold(workspace)
    path = folder / "other.toml"
    path.write_text(
        'currency = "EUR"\n[lifecycle]\nactive_days = 30\nenter_at_risk = 0.2\n'
        '[retention]\noffer = "other"\noffer_cost = 99\nchannels = ["voice"]\ncapacity = 1\n'
    )
    settings = workspace.settings.model_copy(update={"workspace": path, "zone": "Asia/Tokyo", "region": "JP"})
    return open_workspace(settings, workspace.clock)


def seen_together(source_id, *whose, at):
    return item(source_id, *whose, at=at, origin="import", channel="store")


def a_company(workspace):
    """Six with an account and four without, of whom Cem and Dee seem to be one; some are out, some are held out."""
    customers = regulars(workspace, 6)
    answers = send(
        workspace,
        *(purchase(f"of-{who['value']}", who, at=AS_OF - 9 * DAY, amount="400") for who in (ANN, BOB, DEE, CEM)),
        seen_together("joined", CEM, DEE, at=AS_OF - 4 * DAY),
        item("out", account("2"), type="consent.withdrawn", at=AS_OF - 3 * DAY, basis="call", origin="import"),
    )  # fmt: skip
    customers += [answer.customer for answer in answers[:3]]
    score(workspace, {one: 0.3 + 0.05 * n for n, one in enumerate(customers)}, as_of=AS_OF - DAY)
    fold(workspace)
    return customers


def test_whatever_came_later_a_list_is_derived_to_the_same_bytes(workspace, clock, tmp_path, touchstone):
    """Twice: before anything else happens, and after all of it; by a workspace whose rules are others by now."""
    customers = a_company(workspace)
    built = build(workspace, "retention", as_of=AS_OF)
    frozen = lines(workspace, built.list_id)
    assert {row.part for row in all_rows(workspace, built.list_id)} >= {"member", "holdout", "suppressed"}
    assert b"".join(line + b"\n" for line in derive(workspace, built.list_id).lines) == frozen
    clock.pass_time(days=3)
    later = everything_happens(workspace, customers, tmp_path)
    again = derive(later, built.list_id)
    assert (again.same, again.differences) == (True, ())
    assert b"".join(line + b"\n" for line in again.lines) == frozen
    assert customers[0] in {row.customer for row in all_rows(workspace, built.list_id)}, (
        "who was forgotten keeps an opaque id"
    )
    rebuilt = build(workspace, "retention", as_of=AS_OF)
    assert rebuilt.published.sha256 != built.published.sha256, "what came late with an old date counts now"
    later.close()
    out = tmp_path / "derived.ndjson"
    said = touchstone("derive", built.list_id, "--out", str(out))
    assert said.exit_code == 0, said.output
    assert "the same bytes" in said.output
    assert sha256(out.read_bytes()).hexdigest() == built.published.sha256
    assert built.published.sha256 in said.output
    assert out.read_bytes() == frozen


def test_a_list_of_an_issuers_customers_is_derived_though_its_identifiers_lead_nowhere_now(workspace):
    customers = a_company(workspace)
    send(workspace, purchase("o", account("1", "bank"), email("o@example.com"), at=AS_OF - 3 * DAY))
    fold(workspace)
    built = build(workspace, "retention", AS_OF, "shop")
    caller(workspace).post(f"/v1/customers/{customers[1]}/erasure", json={"asked_by": "ann"})
    Eraser(workspace).turn()
    assert derive(workspace, built.list_id).same
    assert build(workspace, "retention", AS_OF, "shop").list_id == built.list_id


def test_who_had_asked_to_be_forgotten_by_then_is_still_left_out_when_asked_again_later(workspace, clock):
    """Forgotten, back under the same number, on a list of the living; then something of before comes late."""
    customers = prepared(workspace, 4)
    caller(workspace).post(f"/v1/customers/{customers[0]}/erasure", json={"asked_by": "ann"})
    Eraser(workspace).turn()
    clock.pass_time(days=1)
    back, *_ = send(
        workspace, purchase("back", phone("+1 415 555 2600"), at=clock.now(), amount="500", origin="live")
    )
    clock.pass_time(days=1)
    score(workspace, dict.fromkeys([back.customer, *customers[1:]], 0.6), as_of=clock.now())
    fold(workspace)
    built = build(workspace, "retention")
    assert {
        row.customer: row.rule for row in all_rows(workspace, built.list_id) if row.rule == "suppressed"
    } == {back.customer: "suppressed"}
    clock.pass_time(days=1)
    send(workspace, purchase("0-late", account("0"), at=AS_OF - 50 * DAY))
    with workspace.engine.begin() as connection:
        connection.execute(text("UPDATE suppression SET since = :now"), {"now": clock.now()})
    Eraser(workspace).turn()
    assert derive(workspace, built.list_id).same


def read_back_here(definition, purpose):
    terms.require_same_releases(definition)
    return terms.read_back(definition, purpose)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("formula", "0", "published with formula 0"),
        ("holidays", "0.1", "published with holidays 0.1"),
        ("tzdata", "1999a", "published with tzdata 1999a"),
        ("lifecycle", None, "does not say lifecycle"),
        ("offer_cost", "-1", "not negative"),
    ],
)
def test_what_can_no_longer_be_computed_the_same_way_is_refused_by_its_name(workspace, name, value, told):
    prepared(workspace)
    said = build(workspace, "retention", as_of=AS_OF).published
    definition = {key: one for key, one in said.definition.items() if key != name}
    definition |= {} if value is None else {name: value}
    with pytest.raises(Refused, match=told) as refused:
        read_back_here(definition, said.purpose)
    assert refused.value.code == "list.underivable"


def test_a_list_whose_scores_are_not_in_the_journal_is_refused(workspace, touchstone):
    """Say a journal that was begun anew: the list came over, and what it rests on did not."""
    prepared(workspace)
    built = build(workspace, "retention", as_of=AS_OF)
    with workspace.engine.begin() as connection:
        connection.execute(text("DELETE FROM journal WHERE type = 'prediction.churn_scored'"))
    with pytest.raises(Refused, match="no score of churn-1"):
        derive(workspace, built.list_id)
    said = touchstone("derive", built.list_id)
    assert (said.exit_code, "no score of churn-1" in said.output) == (1, True)
    with workspace.engine.begin() as connection:
        connection.execute(text("DELETE FROM journal WHERE type = 'purchase.recorded'"))
    with pytest.raises(Refused, match="nobody it could be for"):
        derive(workspace, built.list_id)


def test_a_row_that_was_changed_in_the_database_is_found_with_its_fields(workspace, touchstone):
    prepared(workspace)
    built = build(workspace, "retention", as_of=AS_OF)
    second = all_rows(workspace, built.list_id)[1]
    with workspace.engine.begin() as connection:
        connection.execute(
            target_list_row.update().where(target_list_row.c.place == 2)
            .values(row=msgspec.json.encode(msgspec.structs.replace(second, offer="a car", probability=0.9)))
        )  # fmt: skip
    (found,) = derive(workspace, built.list_id).differences
    assert (found.place, found.frozen, found.fields) == (2, second.customer, ("probability", "offer"))
    said = touchstone("derive", built.list_id)
    assert (said.exit_code, "other bytes" in said.output, "probability, offer" in said.output) == (
        1,
        True,
        True,
    )


def test_a_list_is_derived_from_its_event_alone(workspace):
    """The tables that pulls are read from could be lost: what was published says enough."""
    prepared(workspace)
    built = build(workspace, "retention", as_of=AS_OF)
    with workspace.engine.begin() as connection:
        connection.execute(target_list.delete())
    again = derive(workspace, built.list_id)
    assert (again.same, again.sha256) == (True, built.published.sha256)
    assert [json.loads(line)["customer"] for line in again.lines][:1] == [built.top[0].customer]


def test_every_setting_comes_back_from_a_published_definition(workspace):
    costly = with_rules(
        workspace, budget=Decimal("50"), legal_basis={"email": "contract"}, channels=("email", "post")
    )
    said = terms.of_workspace(costly, "retention", "shop")
    assert terms.written(terms.read_back(terms.written(said), "retention")) == terms.written(said)
    back = terms.read_back(terms.written(said), "retention")
    assert (back.lifecycle, back.stages, back.issuer, back.home) == (
        said.lifecycle, said.stages, "shop", said.home,
    )  # fmt: skip


def test_no_list_is_derived_that_was_never_published(workspace, touchstone):
    said = touchstone("derive", "nothing")
    assert (said.exit_code, "no list has this id" in said.output) == (1, True)
