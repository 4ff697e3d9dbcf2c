"""Lists from definition files: what they say, what they would bring, and who must agree before they are pulled."""

from datetime import timedelta
from decimal import Decimal
from hashlib import sha256

import msgspec
import pytest

from infra.target_list.building import build, build_on, terms_for
from infra.target_list.definition import load, ready, typed
from infra.target_list.deriving import derive
from infra.target_list.estimating import SAMPLE, estimate
from infra.target_list.pull import Pull, find
from models.errors import Refused
from models.tables.journal import journal
from tests.support.calling import caller, read
from tests.support.folding import fold
from tests.support.listing import AS_OF, RULES, all_rows, commands, prepared, score, with_rules
from tests.support.sending import account, item, phone, purchase, send
from tests.support.workspaces import ruled

FILE = """
purpose = "retention"
title = "Those who matter"
schedule = "0 6 * * 1"
approval = true

[population]
issuer = "shop"
least_value = 50

[terms]
offer = "a_month_free"
offer_cost = 3
acceptance = 0.5
capacity = 4
channels = ["email"]
contact_cost = {email = 0.02}
legal_basis = {email = "contract"}
"""


@pytest.fixture
def workspace(settings, clock, tmp_path):
    """A workspace whose rules allow text messages and mail."""
    with ruled(settings, clock, tmp_path, RULES) as opened:
        yield opened


@pytest.fixture
def api(workspace):
    return caller(workspace)


@pytest.fixture
def touchstone(workspace, monkeypatch):
    return commands(workspace, monkeypatch)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "matter.toml"
    path.write_text(FILE)
    return path


def lists_published(workspace):
    return workspace.journal.read(journal.c.type == "target_list.published")


# What it would be


def test_an_estimate_is_what_building_gives_and_publishes_nothing(workspace):
    prepared(workspace)
    terms = terms_for(workspace, "retention")
    found = estimate(workspace, terms, AS_OF)
    assert lists_published(workspace) == []
    built = build(workspace, "retention", AS_OF)
    assert (found.would_be.list_id, found.would_be.sha256) == (built.list_id, built.published.sha256)
    assert list(found.sample) == all_rows(workspace, built.list_id)
    assert found.profit == sum(row.profit for row in found.sample)
    # Each leaves with 0.6 and is kept with 0.2 of that; whoever stays takes the offer of 2 too: .52 x 2 + .05.
    assert found.spend == 6 * Decimal("1.09")
    assert found.pays == 6


def test_another_cost_and_another_cap_show_what_they_would_change(workspace, touchstone):
    prepared(workspace, 40)
    small = with_rules(workspace, capacity=30)
    found = estimate(small, terms_for(small, "retention"), AS_OF)
    assert (found.pays, found.rules, len(found.sample)) == (40, {"over_capacity": 10}, SAMPLE)
    assert [row.rank for row in found.sample][:3] == [1, 2, 4]
    said = touchstone("estimate", "-p", "retention", "--as-of", "2025-07-01", "--set", "capacity=7",
                      "--set", "acceptance=.1", "--set", "contact_cost.sms=1")  # fmt: skip
    assert said.exit_code == 0, said.output
    assert "40 candidates = 7 members" in said.output
    assert "33 over_capacity" in said.output
    assert "the last row stops paying after 40 customers" in said.output
    costly = touchstone("estimate", "-p", "retention", "--as-of", "2025-07-01", "--set", "offer_cost=300")
    assert "40 does_not_pay" in costly.output
    assert "the last row stops paying after 0 customers" in costly.output
    assert lists_published(workspace) == []


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("offer_cost=-3", "offer_cost: an amount of money must be a number, and not negative"),
        ("offer_cost=nan", "offer_cost: an amount of money must be a number, and not negative"),
        ("capacity=-1", "capacity: Expected `int` >= 0"),
        ("acceptance=2", "acceptance: Expected `float` <= 1"),
        ("channels=pigeon", "channels: Invalid enum value 'pigeon'"),
        ("cost=3", "cost is no setting of a list; those are acceptance"),
        ("offer_cost", "is no setting: write offer_cost=3"),
    ],
)
def test_a_setting_that_is_none_is_refused_with_its_name_and_the_fix(workspace, touchstone, setting, told):
    said = touchstone("estimate", "-p", "retention", "--set", setting)
    assert said.exit_code == 1
    assert told in said.output


def test_settings_are_read_as_people_type_them():
    assert typed(["offer_cost=3", "acceptance=.1", "channels=sms, email", "contact_cost.sms=0.1", "budget=none"]) == {
        "offer_cost": Decimal(3), "acceptance": 0.1, "channels": ["sms", "email"],
        "contact_cost": {"sms": Decimal("0.1")}, "budget": None,
    }  # fmt: skip


def test_a_list_about_whom_there_is_nobody_is_refused_with_the_stages_it_is_about(workspace):
    prepared(workspace)
    with pytest.raises(Refused, match="nobody of the population was lost by then") as refused:
        build(workspace, "win_back", AS_OF)
    assert refused.value.code == "list.nobody"
    assert lists_published(workspace) == []


# Definition files


def test_a_list_is_built_as_its_file_says_and_names_the_files_hash(workspace, file):
    prepared(workspace)
    (other,) = send(workspace, purchase("b", account("1", "bank"), phone("+1 415 555 2699"),
                                        at=AS_OF - timedelta(days=3), amount="900"))  # fmt: skip
    score(workspace, {other.customer: 0.6}, as_of=AS_OF - timedelta(hours=1))
    terms = msgspec.structs.replace(load(workspace, str(file)), asked_by="ann")
    built = build_on(workspace, terms, AS_OF)
    said = built.published.definition
    assert said["file"] == sha256(FILE.encode()).hexdigest()
    assert (said["title"], said["schedule"], said["approval"], said["asked_by"]) == (
        "Those who matter", "0 6 * * 1", "required", "ann",
    )  # fmt: skip
    assert (said["offer"], said["offer_cost"], said["channels"], said["holdout"]) == (
        "a_month_free", "3", "email", "0.0",
    )  # fmt: skip
    found = all_rows(workspace, built.list_id)
    assert other.customer not in {row.customer for row in found}, "of another population"
    assert {row.channel for row in found} == {"email"}
    assert built.published.members == 4
    file.write_text(FILE.replace("offer_cost = 3", "offer_cost = 30"))
    assert derive(workspace, built.list_id).same, "what was published counts, not what the file says by now"


def test_a_population_may_ask_for_money_at_stake(workspace, file):
    customers = prepared(workspace)
    values = {
        row.customer: row.value for row in all_rows(workspace, build(workspace, "retention", AS_OF).list_id)
    }
    middle = sorted(values.values())[3]
    file.write_text(FILE.replace("least_value = 50", f"least_value = {middle}").replace("true", "false"))
    built = build_on(workspace, load(workspace, str(file)), AS_OF)
    assert {row.customer for row in all_rows(workspace, built.list_id)} == set(customers[3:])
    assert derive(workspace, built.list_id).same


@pytest.mark.parametrize(
    ("line", "instead", "told"),
    [
        ("offer_cost = 3", "offer_cost = -3", "terms.offer_cost: an amount of money must be a number, and not"),
        ("offer_cost = 3", "cost = 3", "terms.cost is no setting of a list; those are acceptance, budget"),
        ('purpose = "retention"', 'purpose = "spam"', "Invalid enum value 'spam' - at `$.purpose`"),
        ("approval = true", "aproval = true", "unknown field `aproval`. Keys are purpose, title"),
        ('issuer = "shop"', 'isuer = "shop"', "unknown field `isuer`"),
        ('issuer = "shop"', 'stages = ["lost"]', "population.stages: lost is none that retention is about"),
        ("least_value = 50", "least_value = -50", "population.least_value: an amount of money"),
        ('title = "Those who matter"', "", "missing required field `title`"),
        (
            'schedule = "0 6 * * 1"', 'schedule = "every Monday"',
            "schedule: when: 'every Monday' is no time of a schedule",
        ),
        ("approval = true", "priority = -1", "Expected `int` >= 0 - at `$.priority`"),
        ("approval = true", 'effect = "guessed"', "Invalid enum value 'guessed' - at `$.effect`"),
        ("[terms]", "[terms", "Expected ']'"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_its_name_the_key_and_the_fix(
    workspace, file, touchstone, line, instead, told
):
    prepared(workspace)
    file.write_text(FILE.replace(line, instead))
    with pytest.raises(Refused) as refused:
        load(workspace, str(file))
    assert refused.value.code == "list.definition"
    assert refused.value.detail.startswith(str(file))
    assert told in refused.value.detail
    said = touchstone("build", "--definition", file, "--by", "ann")
    assert (said.exit_code, told in said.output.replace("\n", " ")) == (1, True)
    assert lists_published(workspace) == []


def test_the_ready_definitions_can_be_built_and_derived(workspace, touchstone):
    """Enough customers of each sort: some who are there, and some who were lost."""
    bought = {"new": (30, 60), "old": (20, 110, 200, 290), "gone": (300, 400)}
    answers = send(workspace, *(
        purchase(f"{sort}{n}-{days}", account(f"{sort}{n}"), phone(f"+1 415 555 {kind}{n:02d}"), amount="300",
                 at=AS_OF - timedelta(days=days))
        for kind, (sort, when) in enumerate(bought.items(), start=26) for n in range(6) for days in when
    ))  # fmt: skip
    scored = list(dict.fromkeys(answer.customer for answer in answers))
    score(workspace, dict.fromkeys(scored, 0.55))
    complainants = dict.fromkeys(scored[:2], 0.9)
    for days in (2, 1):
        score(workspace, complainants, as_of=AS_OF - timedelta(days=days), run="earlier")
    for n, _ in enumerate(complainants):
        case = {"case_id": f"{n}", "kind": "complaint", "reason": "billing"}
        when = AS_OF - timedelta(days=9)
        send(
            workspace,
            item(f"case-{n}", account(f"new{n}"), type="case.imported", origin="import", at=when, **case),
        )
    fold(workspace)
    assert ready() == ["care", "complaint_back_end", "proactive_retention", "win_back"]
    for name in ready():
        terms = msgspec.structs.replace(load(workspace, name), asked_by="ann")
        built = build_on(workspace, terms, AS_OF)
        said = built.published
        assert said.candidates == said.members + said.holdout + said.suppressed + said.beyond > 0, name
        assert derive(workspace, built.list_id).same, name
    assert "proactive_retention" in touchstone("ready").output
    missing = touchstone("build", "--definition", "nothing")
    assert (
        "the ready ones are care, complaint_back_end, proactive_retention, win_back"
        in missing.output.replace("\n", " ")
    )
    neither = touchstone("build")
    assert (neither.exit_code, "either --purpose, or --definition" in neither.output) == (1, True)


# A second person


def test_a_list_waits_for_a_second_person_before_it_is_pulled(workspace, file, api, touchstone, tmp_path):
    prepared(workspace)
    nobody = touchstone("build", "--definition", file, "--as-of", "2025-07-01")
    assert (nobody.exit_code, "say who asks" in nobody.output) == (1, True)
    said = touchstone(
        "build", "--definition", file, "--as-of", "2025-07-01", "--by", "Ann", "--out", tmp_path / "out"
    )
    assert said.exit_code == 0, said.output
    assert "a second person" in said.output
    assert not (tmp_path / "out").exists()
    (listed,) = read(api, "/v1/lists")["lists"]
    one = listed["list_id"]
    assert listed["approval"] == "waiting"
    refused = api.get(f"/v1/lists/{one}/members")
    assert (refused.status_code, refused.json()["code"]) == (409, "list.not_approved")
    with pytest.raises(Refused, match="list approve"):
        Pull(workspace, find(workspace, one), addresses=False)
    again = touchstone("approve", one, "--by", " ann ")
    assert (again.exit_code, "who asked for a list cannot approve it" in again.output) == (1, True)
    assert touchstone("approve", one, "--by", "Bob").exit_code == 0
    assert touchstone("approve", one, "--by", "Cem").output.startswith("approved by Bob")
    assert len(read(api, f"/v1/lists/{one}/members")["items"]) == 4
    assert read(api, f"/v1/lists/{one}")["approval"] == "approved"
    events = workspace.journal.read(journal.c.type == "target_list.approved")
    assert [(e.event.list_id, e.event.by, e.actor) for e in events] == [(one, "Bob", "Bob")]


def test_asked_again_by_somebody_else_it_is_the_same_list_and_who_asked_first_still_may_not_approve(
    workspace, file
):
    prepared(workspace)
    terms = load(workspace, str(file))
    first, second = (
        build_on(workspace, msgspec.structs.replace(terms, asked_by=who), AS_OF) for who in ("ann", "bob")
    )
    assert (second.list_id, second.new, second.published) == (first.list_id, False, first.published)


def test_a_list_that_needs_no_approval_cannot_be_approved(workspace, touchstone):
    prepared(workspace)
    built = build(workspace, "retention", AS_OF)
    said = touchstone("approve", built.list_id, "--by", "bob")
    assert (said.exit_code, "asks for no approval" in said.output) == (1, True)
    assert "no list has this id" in touchstone("approve", "nothing", "--by", "bob").output


# Whose scores


def test_a_file_may_name_the_model_whose_scores_count(workspace, file):
    customers = prepared(workspace)
    score(workspace, dict.fromkeys(customers, 0.9), artifact="churn-2", as_of=AS_OF - timedelta(hours=1))
    fold(workspace)
    plain = FILE.replace("approval = true", "")
    probabilities = {}
    for model in ("", "churn-1", "churn-2"):
        file.write_text(f'model = "{model}"\n{plain}')
        built = build_on(workspace, load(workspace, str(file)), AS_OF)
        assert derive(workspace, built.list_id).same
        probabilities[model] = {row.probability for row in all_rows(workspace, built.list_id)}
    assert probabilities == {"": {0.6}, "churn-1": {0.6}, "churn-2": {0.9}}
    file.write_text(f'model = "churn-9"\n{plain}')
    with pytest.raises(Refused, match="churn-9 had scored nobody"):
        build_on(workspace, load(workspace, str(file)), AS_OF)
