"""The next best offer: defined in the rules, made in a contact, answered, and learnt from."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from events.offer import PresentationMade
from infra.personal.erasure import Eraser
from infra.views import Views
from ml.histories import Histories
from ml.kit import OURS
from ml.offer.presentations import COLUMNS, presentations
from models.errors import Refused
from models.ports import By, Write
from models.tables.journal import journal
from services.cli import offering
from services.offers.allowing import Occasion
from services.offers.asking import Asked
from services.offers.defining import define
from services.offers.learning import teach
from services.offers.proposing import Offers
from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.folding import fold
from tests.support.sending import account, email, item, phone, purchase, send
from tests.support.workspaces import ruled

DAY = timedelta(days=1)
OWN = """
import polars as pl
from ml.cut import within
from ml.definition import Feature

FEATURES = (
    Feature(
        "calls_to_hk_60d", "use", "calls to Hong Kong in 60 days", "uses", ("usage.recorded",), "events",
        (pl.col("is_use") & (pl.col("service") == "voice.hk") & within(60)).sum(),
        "calls to Hong Kong: {} in the last 60 days", empty=0.0,
    ),
)
"""
RULES = """
currency = "USD"

[offering]
explore = 0.0

[[offers]]
offer = "hk_day_pass"
title = "Hong Kong day pass"
purposes = ["cross_sell"]
price = 2.9
value = 2.5
acceptance = 0.3
not_holding = ["hk_pass"]
at_least = { calls_to_hk_60d = 6 }

[[offers]]
offer = "data_5gb"
title = "5 GB more"
purposes = ["cross_sell", "retention"]
value = 6
cost = 1
"""
TWO_ALIKE = """
[offering]
explore = 0.2
answer_days = 7

[[offers]]
offer = "pass"
title = "A pass"
purposes = ["cross_sell"]
value = 2

[[offers]]
offer = "plan"
title = "A plan"
purposes = ["cross_sell"]
value = 2
"""


@pytest.fixture
def workspace(settings, clock, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "hong_kong.py").write_text(OWN)
    with ruled(settings.model_copy(update={"own": own}), clock, tmp_path, RULES) as opened:
        yield opened


@pytest.fixture
def api(workspace):
    return caller(workspace)


def calls_hong_kong(number=1, times=6):
    return [
        item(f"hk-{number}-{n}", account(str(number)), type="usage.recorded", at=MONDAY - (1 + 9 * n) * DAY,
             origin="import", service="voice.hk", quantity=3, unit="minute")
        for n in range(times)
    ]  # fmt: skip


def rings(contact_id, who, direction="inbound", at=MONDAY - timedelta(minutes=5)):
    return item(f"start-{contact_id}", who, type="contact.started", contact_id=contact_id, channel="voice",
                direction=direction, at=at)  # fmt: skip


def arrived(workspace, *items):
    customer = send(workspace, *items)[0].customer
    fold(workspace)
    return customer


def post(api, customer, key=None, status=202, **body):
    told = {"channel": "voice", "purpose": "cross_sell", **body}
    headers = {"Idempotency-Key": key} if key else {}
    answer = api.post(f"/v1/customers/{customer}/offers", json=told, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def recorded(workspace, wire):
    return workspace.journal.read(journal.c.type == wire)


def test_six_calls_to_hong_kong_and_the_day_pass_is_offered_with_its_reason_and_answered(workspace, api):
    customer = arrived(workspace, *calls_hong_kong(), rings("call-1", account("1")))
    told = post(api, customer, contact_id="call-1", agent="a-17")
    assert (told["offer"], told["title"], told["price"], told["currency"]) == (
        "hk_day_pass", "Hong Kong day pass", "2.9", "USD",
    )  # fmt: skip
    assert told["because"] == ["calls to Hong Kong: 6 uses in the last 60 days"]
    assert (told["basis"], told["propensity"], told["explored"]) == ("own_contact", 1.0, False)
    assert [(one["offer"], one["expected"], one["rule"]) for one in told["weighed"]] == [
        ("hk_day_pass", 0.75, None), ("data_5gb", 0.5, None),
    ]  # fmt: skip
    (made,) = recorded(workspace, "presentation.made")
    assert (made.customer, made.event.presentation_id, made.event.agent) == (
        customer,
        told["presentation_id"],
        "a-17",
    )
    assert (made.event.possible, made.event.rule[:6]) == (("hk_day_pass",), "rules-")

    assert post(api, customer, status=200, contact_id="call-1") == {**told, "recorded": False}
    send(workspace, item("yes", account("1"), type="presentation.answered", channel="voice", answer="accepted",
                         presentation_id=told["presentation_id"], offer="hk_day_pass"))  # fmt: skip
    fold(workspace)
    entries = read(api, f"/v1/customers/{customer}/timeline", limit=2)["items"]
    assert {one["type"] for one in entries} == {"presentation.made", "presentation.answered"}


def test_five_calls_are_too_few_and_the_rule_against_it_is_named(workspace, api):
    customer = arrived(workspace, *calls_hong_kong(times=5), rings("call-1", account("1")))
    told = post(api, customer, contact_id="call-1")
    assert told["offer"] == "data_5gb"
    assert told["because"] == ["expected to earn most of what may be offered here"]
    assert told["weighed"][0] == {
        "offer": "hk_day_pass", "probability": 0.3, "expected": 0.75, "propensity": 0.0,
        "rule": "at_least.calls_to_hk_60d",
    }  # fmt: skip


def test_whoever_has_the_product_is_not_offered_it(workspace, api):
    holds = item(
        "h", account("1"), type="holding.started", at=MONDAY - DAY, holding_id="h1", product="hk_pass"
    )
    customer = arrived(workspace, *calls_hong_kong(), holds, rings("call-1", account("1")))
    told = post(api, customer, contact_id="call-1")
    assert (told["offer"], told["weighed"][0]["rule"]) == ("data_5gb", "not_holding.hk_pass")


def test_the_customers_own_contact_needs_no_consent_and_any_other_does(workspace, api):
    customer = arrived(
        workspace, purchase("p", account("1"), phone(), at=MONDAY - DAY), rings("in", account("1")),
        rings("out", account("1"), direction="outbound"),
    )  # fmt: skip
    for more in ({}, {"contact_id": "out"}):
        told = post(api, customer, status=200, **more)
        assert (told["offer"], told["rule"], told["presentation_id"]) == (None, "no_legal_basis", None)
    assert post(api, customer, status=200, contact_id="in", channel="email")["rule"] == "no_legal_basis"
    assert post(api, customer, contact_id="in")["basis"] == "own_contact"
    (yes,) = send(workspace, item("yes", account("1"), phone(), type="consent.granted", channel="voice",
                                  purpose="cross_sell", basis="opt_in", proof="rec/1"))  # fmt: skip
    fold(workspace)
    told = post(api, customer, status=200, contact_id="out")
    assert (told["rule"], told["weighed"][0]["expected"]) == ("nothing_pays", -2.25), "a call costs 3"
    assert yes.event_id


def test_a_withdrawal_for_the_purpose_counts_in_the_customers_own_contact_too(workspace, api):
    no = item(
        "no", account("1"), type="consent.withdrawn", basis="call", purpose="cross_sell", at=MONDAY - DAY
    )
    customer = arrived(workspace, *calls_hong_kong(), no, rings("call-1", account("1")))
    assert post(api, customer, status=200, contact_id="call-1")["rule"] == "consent_withdrawn"
    assert post(api, customer, contact_id="call-1", purpose="retention")["offer"] == "data_5gb"
    assert len(recorded(workspace, "presentation.made")) == 1


def test_an_open_complaint_is_answered_before_anything_is_offered(workspace, api):
    case = item("c", account("1"), type="case.imported", at=MONDAY - DAY, origin="import", case_id="c1",
                kind="complaint", reason="billing", status="open")  # fmt: skip
    customer = arrived(workspace, *calls_hong_kong(), case, rings("call-1", account("1")))
    assert post(api, customer, status=200, contact_id="call-1")["rule"] == "open_complaint"


def test_without_a_contact_the_key_says_what_is_the_same_occasion(workspace, api):
    yes = item("yes", account("1"), email(), type="consent.granted", channel="email", purpose="cross_sell",
               basis="opt_in", proof="form", at=MONDAY - DAY)  # fmt: skip
    customer = arrived(workspace, *calls_hong_kong(), yes)
    first = post(api, customer, "monday", channel="email")
    assert post(api, customer, "monday", status=200, channel="email") == {**first, "recorded": False}
    reused = post(api, customer, "monday", status=422, channel="email", agent="a-2")
    assert reused["code"] == "idempotency_key.reused"
    second = post(api, customer, "tuesday", channel="email")
    assert second["presentation_id"] != first["presentation_id"]
    assert first["basis"] not in ("", "own_contact")


def test_desktops_that_ask_at_the_same_time_for_one_contact_make_one_offer(workspace, api):
    customer = arrived(workspace, *calls_hong_kong(), rings("call-1", account("1")))
    body = {"channel": "voice", "purpose": "cross_sell", "contact_id": "call-1"}
    with ThreadPoolExecutor(6) as desktops:
        asked = [
            desktops.submit(api.post, f"/v1/customers/{customer}/offers", json={**body, "agent": f"a-{n}"})
            for n in range(6)
        ]
    answers = [one.result() for one in asked]
    assert sorted(one.status_code for one in answers) == [200, 200, 200, 200, 200, 202]
    assert len({one.json()["presentation_id"] for one in answers}) == 1
    assert len(recorded(workspace, "presentation.made")) == 1


def test_who_is_unknown_merged_or_erased_and_a_contact_that_is_not_theirs(workspace, api, clock):
    nobody = "01997a3e-0000-7000-8000-000000000002"
    assert post(api, nobody, status=404)["code"] == "customer.unknown"
    ann = arrived(workspace, purchase("1", phone(), at=MONDAY - 3 * DAY))
    ben = arrived(workspace, purchase("2", email(), at=MONDAY - 2 * DAY), rings("bens", email()))
    assert post(api, ann, status=404, contact_id="nowhere")["code"] == "contact.unknown"
    assert post(api, ann, status=409, contact_id="bens")["code"] == "offer.contact_of_another"
    clock.pass_time(hours=1)
    made = post(api, ben, contact_id="bens")
    clock.pass_time(hours=1)
    arrived(workspace, item("3", phone(), email(), channel="store"))
    answer = api.post(f"/v1/customers/{ben}/offers", json={"channel": "voice", "purpose": "cross_sell"})
    assert (answer.status_code, answer.headers["Location"]) == (308, f"/v1/customers/{ann}/offers")
    again = post(api, ann, status=200, contact_id="bens")
    assert again["presentation_id"] == made["presentation_id"], (
        "it was made to them, whoever they were called then"
    )
    assert api.post(f"/v1/customers/{ann}/erasure", json={"asked_by": "ann"}).status_code == 202
    Eraser(workspace).turn()
    fold(workspace)
    for more in ({}, {"contact_id": "bens"}):
        assert post(api, ann, status=409, **more)["code"] == "customer.erased"
    assert len(recorded(workspace, "presentation.made")) == 1


def test_chance_says_the_same_for_the_same_contact(settings, clock, tmp_path):
    with ruled(settings, clock, tmp_path, TWO_ALIKE.replace("0.2", "1.0")) as workspace:
        numbers = range(12)
        customer = arrived(workspace, *(rings(f"c{n}", account("1")) for n in numbers))
        views = Views(workspace.engine, workspace.rules, "UTC")
        view, offers = views.customer(customer, clock.now()), Offers(workspace, views)
        asked = [Occasion(channel="voice", purpose="cross_sell", contact_id=f"c{n}") for n in numbers]
        first = [offers.propose(view, one) for one in asked]
        assert [offers.propose(view, one) for one in asked] == first
        assert {one.offer for one in first} == {"pass", "plan"}
        assert {one.propensity for one in first} == {0.5}
        assert {one.because[0] for one in first if one.explored} == {
            "chosen by chance, to learn how customers like it"
        }
        assert recorded(workspace, "presentation.made") == []
        assert recorded(workspace, "offer.defined") == [], "asking records nothing"


def test_offers_are_recorded_when_they_are_new_or_changed(settings, clock, tmp_path):
    for rules, new in (
        (RULES.replace("calls_to_hk_60d", "offers_365d"), ["hk_day_pass", "data_5gb"]),
        (RULES.replace("calls_to_hk_60d", "offers_365d"), []),
        (RULES.replace("calls_to_hk_60d", "offers_365d").replace("value = 6", "value = 7"), ["data_5gb"]),
        (RULES.replace("calls_to_hk_60d", "offers_365d"), ["data_5gb"]),
    ):
        with ruled(settings, clock, tmp_path, rules) as workspace:
            assert define(workspace) == new
            told = recorded(workspace, "offer.defined")
    assert [(one.event.offer, one.event.value) for one in told] == [
        ("hk_day_pass", 2.5), ("data_5gb", 6), ("data_5gb", 7), ("data_5gb", 6),
    ]  # fmt: skip
    assert told[0].event.at_least == {"offers_365d": 6.0}


# What customers take is learnt -------------------------------------------------------------------------------------


def history(workspace, *, callers_take, others_take, count=320, propensity=0.5, days=60):
    """Customers who called six times and such who bought, each offered a pass or a plan by chance some weeks ago."""
    begin = MONDAY - (days + 10) * DAY
    people = []
    for n in range(count):
        if n % 2:
            people += [item(f"t-{n}-{k}", account(str(n)), at=begin - (k + 1) * DAY, origin="import", channel="voice",
                            direction="inbound") for k in range(6)]  # fmt: skip
        else:
            people.append(purchase(f"b-{n}", account(str(n)), at=begin - DAY))
    answers = send(workspace, *people)
    of = dict(
        zip(
            (one["identifiers"][0]["value"] for one in people), (one.customer for one in answers), strict=True
        )
    )
    told, said = [], []
    for n in range(count):
        offer = "pass" if n // 2 % 2 else "plan"
        takes = (callers_take if n % 2 else others_take)[offer]
        at = begin + days * DAY * n / count
        told.append((
            By(source="before", source_id=f"p{n}", actor="test", origin="replay", customer=of[str(n)]),
            [Write(stream="", expected=0, events=[(PresentationMade(
                presentation_id=f"p{n}", offer=offer, channel="voice", purpose="cross_sell", propensity=propensity,
                possible=("pass", "plan")), at)])],
        ))  # fmt: skip
        if n // 4 % 10 < takes:
            said.append(item(f"a-{n}", account(str(n)), type="presentation.answered", at=at + DAY, origin="import",
                             presentation_id=f"p{n}", offer=offer, answer="accepted"))  # fmt: skip
    workspace.log.record_batch(told)
    send(workspace, *said)
    fold(workspace)
    return of


TASTES = {"callers_take": {"pass": 7, "plan": 1}, "others_take": {"pass": 1, "plan": 7}}
ALIKE = {"callers_take": {"pass": 3, "plan": 3}, "others_take": {"pass": 3, "plan": 3}}


@pytest.fixture
def two(settings, clock, tmp_path):
    with ruled(settings, clock, tmp_path, TWO_ALIKE) as opened:
        yield opened


def choice_for(workspace, customer, contact_id):
    views = Views(workspace.engine, workspace.rules, "UTC")
    view = views.customer(customer, workspace.clock.now())
    return Offers(workspace, views).propose(
        view, Occasion(channel="voice", purpose="cross_sell", contact_id=contact_id)
    )


def test_what_was_learnt_decides_what_each_customer_is_offered(two):
    of = history(two, **TASTES)
    arrived(two, rings("caller", account("1")), rings("other", account("0")))
    done = teach(two)
    assert done.learnt.personal, done.learnt.verdict.says
    assert [(one.offer, one.shown, one.accepted) for one in done.counts] == [
        ("pass", 160, 64),
        ("plan", 160, 64),
    ]
    (event,) = recorded(two, "offer.acceptance_learnt")
    assert (event.event.run, event.event.personal, event.stream) == (done.run, True, "acceptance-everybody")
    assert {one.event.offer for one in recorded(two, "offer.defined")} == {"pass", "plan"}

    best = {}
    for number, contact_id in (("1", "caller"), ("0", "other")):
        found = choice_for(two, of[number], contact_id)
        assert found.learnt == done.run
        best[contact_id] = found.weighed[0]
    assert (best["caller"].offer, best["other"].offer) == ("pass", "plan")
    assert best["caller"].probability > 0.5
    assert best["caller"].propensity == 0.9

    again = teach(two, two.clock.now())
    assert (again.run, again.new) == (done.run, False)


def test_what_was_put_to_customers_here_and_answered_is_what_is_learnt_from(settings, clock, tmp_path):
    """Chances that are recorded are those with which was chosen: replaying them is believed."""
    with ruled(settings, clock, tmp_path, TWO_ALIKE.replace("0.2", "0.8")) as workspace:
        people = [rings(f"c{n}", account(str(n))) for n in range(300)]
        customers = [one.customer for one in send(workspace, *people)]
        views = Views(workspace.engine, workspace.rules, "UTC")
        offers, answers, served = Offers(workspace, views), [], []
        for n, customer in enumerate(customers):
            clock.pass_time(hours=1)
            if n % 50 == 49:
                served.append(
                    Asked.of(OURS, (), OURS.names).of_customer(views, customer, clock.now()).before_today
                )
            made = offers.present(
                views.customer(customer, clock.now()),
                Occasion(channel="voice", purpose="cross_sell", contact_id=f"c{n}"),
            )
            assert made.propensity == (0.4 if made.explored else 0.6)
            answers.append(item(f"a{n}", account(str(n)), type="presentation.answered", at=clock.now(),
                                presentation_id=made.presentation_id, offer=made.offer,
                                answer="accepted" if n % 3 else "declined"))  # fmt: skip
        send(workspace, *answers)
        clock.pass_time(days=8)
        done = teach(workspace)
        shown = {one.offer: one.shown for one in done.counts}
        assert sum(shown.values()) == 300
        assert shown["pass"] == pytest.approx(180, abs=30)
        assert [one.answered for one in done.counts] == list(shown.values())
        assert sum(one.accepted for one in done.counts) == 200
        assert done.learnt.unknown == 0

        told = Histories.exported(settings.var / "export", None, (*OURS.columns, *COLUMNS))
        rows = presentations(told, clock.now(), 7).select(OURS.names).to_dicts()
        assert rows[49::50] == served, (
            "what a customer is asked of when an offer is made is what is learnt from"
        )


def test_what_two_were_shown_who_turned_out_to_be_one_counts_once(two):
    of = history(two, **TASTES)
    more = send(two, item("an", phone(), at=MONDAY - 50 * DAY), item("be", email(), at=MONDAY - 49 * DAY))
    two.log.record_batch([
        (
            By(source="more", source_id=f"m{n}", actor="test", origin="replay", customer=one.customer),
            [Write(stream="", expected=0, events=[(PresentationMade(
                presentation_id=f"m{n}", offer="pass", channel="voice", purpose="cross_sell", propensity=0.5,
                possible=("pass", "plan")), MONDAY - 40 * DAY)])],
        )
        for n, one in enumerate(more)
    ])  # fmt: skip
    send(two, item("joined", phone(), email(), channel="store", at=MONDAY - 20 * DAY))
    fold(two)
    views = Views(two.engine, two.rules, "UTC")
    assert views.survivor(more[1].customer) == more[0].customer
    assert sum(one.shown for one in teach(two).counts) == len(of) + 2


def test_where_a_choice_for_each_customer_is_not_shown_to_be_better_all_have_the_same_chances(two):
    of = history(two, **ALIKE)
    arrived(two, rings("caller", account("1")), rings("other", account("0")))
    done = teach(two)
    assert not done.learnt.personal
    assert done.learnt.verdict.says.startswith("the same for everyone")
    chances = [
        {one.offer: one.probability for one in choice_for(two, of[number], contact).weighed}
        for number, contact in (("1", "caller"), ("0", "other"))
    ]
    assert chances[0] == chances[1]
    assert chances[0]["pass"] == pytest.approx(0.3, abs=0.05)


def test_only_what_was_known_at_the_moment_is_learnt_from(two):
    history(two, **TASTES)
    early = teach(two, MONDAY - 12 * DAY)
    assert sum(one.shown for one in early.counts) < 320
    with pytest.raises(Refused) as refused:
        teach(two, MONDAY + DAY)
    assert refused.value.code == "as_of_ahead"


def test_where_nothing_can_be_learnt_nothing_is_recorded_and_what_was_learnt_before_counts(two):
    with pytest.raises(Refused) as refused:
        teach(two)
    assert refused.value.code == "offer.nothing_shown"
    of = history(two, **TASTES)
    done = teach(two)
    arrived(two, rings("caller", account("1")))
    with pytest.raises(Refused) as refused:
        teach(two, MONDAY - 55 * DAY)
    assert refused.value.code == "offer.too_few_shown"
    assert len(recorded(two, "offer.acceptance_learnt")) == 1
    assert choice_for(two, of["1"], "caller").learnt == done.run


def test_propensities_with_which_nobody_chose_are_not_believed(two):
    history(two, **TASTES, propensity=0.95)
    with pytest.raises(Refused) as refused:
        teach(two)
    assert refused.value.code == "replay.propensities_do_not_fit"
    assert recorded(two, "offer.acceptance_learnt") == []


# At the command line -----------------------------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch):
    def of(workspace):
        for name, value in {
            "DATABASE_URL": workspace.settings.database_url, "VAULT_URL": workspace.settings.vault_url,
            "TOUCHSTONE_VAR": str(workspace.settings.var), "KAFKA_BOOTSTRAP": "",
            "TOUCHSTONE_WORKSPACE": str(workspace.settings.workspace),
            "TOUCHSTONE_OWN": str(workspace.settings.own or ""),
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(offering.console, "_width", 200)
        return lambda *arguments: CliRunner().invoke(offering.app, [str(one) for one in arguments])

    return of


def test_at_the_command_line_an_offer_is_proposed_recorded_and_told_again(workspace, clock, command):
    clock.at = now = datetime.now(UTC)  # commands go by the machine's clock
    command = command(workspace)
    uses = [
        {**one, "occurred_at": (now - (1 + n) * DAY).isoformat()} for n, one in enumerate(calls_hong_kong())
    ]
    customer = arrived(workspace, *uses, rings("call-1", account("1"), at=now - timedelta(minutes=1)))
    assert "hk_day_pass" in command("define").output
    asked = command("propose", customer, "--contact-id", "call-1")
    assert asked.exit_code == 0, asked.output
    assert "calls to Hong Kong: 6 uses in the last 60 days" in asked.output
    assert recorded(workspace, "presentation.made") == []
    assert "recorded" in command("propose", customer, "--contact-id", "call-1", "--record").output
    assert "was recorded before" in command("propose", customer, "--contact-id", "call-1", "--record").output
    assert len(recorded(workspace, "presentation.made")) == 1
    refused = command("learn")
    assert refused.exit_code == 1
    assert "no presentation is old enough" in refused.output
    assert "no customer has this id" in command("propose", "01997a3e-0000-7000-8000-000000000002").output
    assert "--purpose: 'sale' is none of" in command("propose", customer, "--purpose", "sale").output


def test_at_the_command_line_the_verdict_the_estimates_and_the_counts_are_told(two, command):
    history(two, **TASTES)
    told = command(two)("learn", "--as-of", "2026-03-02T09:00:00Z")
    assert told.exit_code == 0, told.output
    assert "choose for each customer: +" in told.output
    assert re.search(r"\n ?for each customer +\d+\.\d+ +-?\d+\.\d+ to \d+\.\d+", told.output)
    assert re.search(r"\n ?pass +160 +64 +64", told.output)
    assert "recorded before" in command(two)("learn", "--as-of", "2026-03-02T09:00:00Z").output


def test_a_file_of_ones_own_that_cannot_be_used_is_named(workspace):
    (workspace.settings.own / "broken.py").write_text("FEATURES = 7")
    customer = arrived(workspace, rings("call-1", account("1")))
    refused = post(caller(workspace), customer, status=422, contact_id="call-1")
    assert refused["code"] == "offer.own_file"
    assert "broken.py" in refused["detail"]


def test_a_feature_that_is_not_there_is_refused_with_file_and_key(settings, clock, tmp_path):
    with ruled(settings, clock, tmp_path, RULES) as workspace:
        customer = arrived(workspace, rings("call-1", account("1")))
        refused = post(caller(workspace), customer, status=422, contact_id="call-1")
        assert refused["code"] == "offer.unknown_feature"
        assert "rules.toml: offers[0].at_least: there is no feature 'calls_to_hk_60d'" in refused["detail"]
        assert recorded(workspace, "presentation.made") == []
