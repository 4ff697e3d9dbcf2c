"""The customer at a glance over HTTP: now, as of any moment, after a merge, after forgetting."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import select

from models.tables.identity import identifier
from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.folding import fold
from tests.support.sending import account, email, item, phone, purchase, send


@pytest.fixture
def api(workspace):
    return caller(workspace)


def call(number: str, at: datetime, **data):
    told = {"channel": "voice", "direction": "inbound", "contact_id": number, **data}
    return item(number, phone(), at=at, **told)


def test_the_third_contact_today_names_the_last_and_its_open_reason(workspace, clock, api):
    clock.at = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)  # half past three in the afternoon in San Francisco
    today = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
    one = send(
        workspace,
        call("yesterday", today - timedelta(hours=12), reason="roaming.price", outcome="resolved"),
        call("c1", today, reason="billing.dispute", outcome="unresolved"),
        call("c2", today + timedelta(hours=4, minutes=2), reason="billing.dispute", outcome="unresolved"),
        call("c3", clock.at),
    )[0].customer
    fold(workspace)
    contacts = read(api, f"/v1/customers/{one}", contact="c3")["contacts"]
    assert contacts == {
        "today": 3,
        "ever": 4,
        "zone": "America/Los_Angeles",
        "last": {
            "contact_id": "c2",
            "at": "2026-03-02T22:02:00Z",
            "channel": "voice",
            "reason": "billing.dispute",
            "outcome": "unresolved",
            "confirmed": None,
            "open_reason": "billing.dispute",
        },
        "says": "3rd contact today; the last was at 14:02 by voice about billing.dispute, unresolved",
    }
    assert read(api, f"/v1/customers/{one}")["contacts"]["last"]["contact_id"] == "c3"


def test_what_is_not_known_is_no_data_and_never_nought(workspace, api):
    one = send(workspace, item("1", account(), channel="web"))[0].customer
    fold(workspace)
    found = read(api, f"/v1/customers/{one}")
    assert (found["value"], found["holdings"]) == (None, [])
    assert found["predictions"] == {"churn": None, "value": None, "persona": None, "related": None}
    assert found["consent"] == {"recorded": [], "note": "no consent recorded: that is not consent"}
    assert found["contacts"] == {
        "today": 0,
        "ever": 0,
        "zone": "UTC",
        "last": None,
        "says": "no contact today",
    }


def test_value_is_by_currency_and_a_purchase_without_a_price_is_worth_no_data(workspace, api):
    one = send(
        workspace,
        purchase("1", account(), at=MONDAY, amount="10.50"),
        purchase("2", account(), at=MONDAY, amount="4.50"),
        item("3", account(), type="purchase.recorded", origin="import", at=MONDAY),
        item(
            "4", account(), type="purchase.returned", origin="import", at=MONDAY, amount="5", currency="USD"
        ),
    )[0].customer
    fold(workspace)
    unknown, dollars = read(api, f"/v1/customers/{one}")["value"]
    assert (unknown["currency"], unknown["amount"], unknown["unpriced"]) == (None, None, 1)
    assert (dollars["currency"], dollars["amount"]) == ("USD", "10.00")
    assert (dollars["purchases"], dollars["returns"]) == (2, 1)


def test_identifiers_are_opened_and_show_as_erased_once_their_keys_are_gone(workspace, api):
    one = send(workspace, item("1", phone("(415) 555-2671"), email("Ann@Example.com"), channel="web"))[
        0
    ].customer
    fold(workspace)
    held = read(api, f"/v1/customers/{one}")["identity"]["identifiers"]
    assert {one["kind"]: one["value"] for one in held} == {
        "phone": "+14155552671",
        "email": "ann@example.com",
    }
    with workspace.engine.connect() as connection:
        phones = select(identifier.c.key_id).where(identifier.c.kind == "phone")
        workspace.vault.forget(connection.execute(phones).scalars())
    held = read(api, f"/v1/customers/{one}")["identity"]["identifiers"]
    assert {one["kind"]: one["value"] for one in held} == {"phone": "[erased]", "email": "ann@example.com"}


def test_as_of_before_a_purchase_it_was_not_there(workspace, api):
    bought_at = MONDAY - timedelta(days=10)
    seen, _ = send(
        workspace,
        item("1", account(), channel="web", origin="import", at=bought_at - timedelta(days=10)),
        purchase("2", account(), at=bought_at),
    )
    fold(workspace)
    url = f"/v1/customers/{seen.customer}"
    before = read(api, url, as_of=(bought_at - timedelta(seconds=1)).isoformat())
    assert (before["lifecycle"]["stage"], before["value"]) == ("identified", None)
    after = read(api, url, as_of=bought_at.isoformat())
    assert (after["lifecycle"]["stage"], after["value"][0]["amount"]) == ("acquired", "10")
    now = read(api, url)
    assert now["lifecycle"]["stage"] == "developing"
    assert [one["stage"] for one in now["lifecycle"]["log"]] == ["identified", "acquired", "developing"]
    event = read(api, f"/v1/events/{now['lifecycle']['because'][0]}")
    assert event["type"] == "purchase.recorded"


def test_as_of_now_is_the_stored_view(workspace, clock, api):
    one = send(
        workspace,
        purchase("1", phone(), at=MONDAY - timedelta(days=300)),
        call("2", MONDAY, reason="billing.dispute"),
        item(
            "3", phone(), type="consent.granted", channel="sms", purpose="care", basis="contract", proof="r1"
        ),
        item("4", phone(), type="holding.started", holding_id="h1", product="plan", at=MONDAY),
    )[0].customer
    fold(workspace)
    clock.pass_time(hours=1)
    stored = read(api, f"/v1/customers/{one}")
    folded = read(api, f"/v1/customers/{one}", as_of=clock.now().isoformat())
    assert folded | {"as_of": None} == stored


def test_a_moment_far_ahead_shows_what_time_alone_will_do(workspace, api):
    one = send(workspace, purchase("1", account(), at=MONDAY))[0].customer
    fold(workspace)
    assert read(api, f"/v1/customers/{one}", as_of="2199-12-31T23:59:59Z")["lifecycle"]["stage"] == "lost"


NO_MOMENTS = [
    ("9999-12-31T23:59:59Z", "moment.out_of_range"),
    ("0001-01-01T00:00:00+14:00", "moment.out_of_range"),
    ("2026-03-02", "moment.invalid"),
    ("2026-03-02T09:00:00", "moment.invalid"),
    ("1772442000", "moment.invalid"),
    ("", "moment.invalid"),
    ("tomorrow", "moment.invalid"),
]


def test_a_moment_that_is_none_is_refused_with_its_place(workspace, api):
    one = send(workspace, item("1", account(), channel="web"))[0].customer
    for (moment, code), name in product(NO_MOMENTS, ("as_of", "known_at")):
        answer = api.get(f"/v1/customers/{one}", params={name: moment})
        assert (answer.status_code, answer.json()["code"]) == (422, code), moment
        assert answer.json()["path"] == f"$.query.{name}"


def test_an_offset_whose_plus_was_not_escaped_is_still_an_offset(workspace, api):
    one = send(workspace, item("1", account(), channel="web"))[0].customer
    answer = api.get(f"/v1/customers/{one}?as_of=2026-03-02T09:00:00+08:00")
    assert answer.json()["as_of"] == "2026-03-02T09:00:00+08:00"


def test_what_became_known_later_is_not_in_what_was_known_then(workspace, api):
    late = item("2", account(), type="purchase.recorded", origin="import", at=MONDAY - timedelta(days=30))
    late["known_at"] = (MONDAY - timedelta(days=1)).isoformat()
    first, _ = send(
        workspace, item("1", account(), channel="web", origin="import", at=MONDAY - timedelta(days=40)), late
    )
    fold(workspace)
    url, then = f"/v1/customers/{first.customer}", (MONDAY - timedelta(days=20)).isoformat()
    assert read(api, url, as_of=then)["lifecycle"]["stage"] == "developing"
    assert read(api, url, as_of=then, known_at=then)["lifecycle"]["stage"] == "identified"
    assert read(api, url, known_at=then)["lifecycle"]["stage"] == "identified"


def test_a_customer_who_was_merged_answers_with_the_survivors_address(workspace, clock, api):
    older, younger = send(workspace, item("1", phone(), channel="voice"), item("2", email(), channel="chat"))
    apart = clock.now()
    clock.pass_time(days=1)
    send(workspace, item("3", phone(), email(), channel="store"))
    fold(workspace)
    for rest in ("", "/timeline"):
        answer = api.get(f"/v1/customers/{younger.customer}{rest}?as_of=2026-03-02T09:00:00Z")
        assert answer.status_code == 308
        place = answer.headers["location"]
        assert place == f"/v1/customers/{older.customer}{rest}?as_of=2026-03-02T09:00:00Z"
        assert api.get(place).status_code == 200
    shouted = api.get(f"/v1/customers/{younger.customer.upper()}")
    assert shouted.headers["location"] == f"/v1/customers/{older.customer}"
    assert read(api, f"/v1/customers/{older.customer}")["identity"]["absorbed"] == [younger.customer]
    alone = read(api, f"/v1/customers/{younger.customer}", known_at=apart.isoformat())
    assert (alone["customer"], alone["contacts"]["ever"]) == (younger.customer, 1)


def test_a_customer_nobody_knows(api):
    for rest in ("", "/timeline"):
        answer = api.get(f"/v1/customers/01997a3e-0000-7000-8000-000000000002{rest}")
        assert (answer.status_code, answer.json()["code"]) == (404, "customer.unknown")
        answer = api.get(f"/v1/customers/ann{rest}")
        assert (answer.status_code, answer.json()["path"]) == (422, "$.path.customer_id")


def test_a_customer_is_found_however_the_identifier_is_written(workspace, api):
    one = send(workspace, item("1", phone(), email(), account("A-77", "shop"), channel="web"))[0].customer
    found = {"customer": one, "issuer": "", "blocked": False}
    for asked in ({"phone": "(415) 555-2671"}, {"phone": "+1 415 555 2671"}, {"q": "415-555-2671"}):
        assert read(api, "/v1/customers", **asked)["customers"] == [found | {"kind": "phone"}]
    for asked in ({"email": "ANN@example.com"}, {"q": " ann@EXAMPLE.com "}):
        assert read(api, "/v1/customers", **asked)["customers"] == [found | {"kind": "email"}]
    by_account = [found | {"kind": "account", "issuer": "shop"}]
    for asked in ({"account": "A-77"}, {"account": "A-77", "issuer": "shop"}, {"q": "A-77"}):
        assert read(api, "/v1/customers", **asked)["customers"] == by_account
    assert read(api, "/v1/customers", account="A-77", issuer="bank")["customers"] == []
    assert read(api, "/v1/customers", q="nobody")["customers"] == []


def test_an_account_number_of_two_issuers_finds_both_customers(workspace, api):
    shop, bank = send(
        workspace,
        item("1", account("7", "shop"), channel="web"),
        item("2", account("7", "bank"), channel="web"),
    )
    found = read(api, "/v1/customers", q="7")["customers"]
    assert [(one["customer"], one["issuer"]) for one in found] == [
        (shop.customer, "shop"),
        (bank.customer, "bank"),
    ]


NO_SEARCHES = [
    ({"phone": "12"}, "phone_invalid"),
    ({"email": "ann at home"}, "email_invalid"),
    ({}, "search.one_wanted"),
    ({"phone": "+14155552671", "q": "ann"}, "search.one_wanted"),
    ({"q": " "}, "search.empty"),
    ({"account": "1", "issuer": "a\x00b"}, "invalid"),
]


def test_a_search_for_what_is_none_is_refused_and_never_repeats_it(api):
    for asked, code in NO_SEARCHES:
        answer = api.get("/v1/customers", params=asked)
        assert (answer.status_code, answer.json()["code"]) == (422, code), asked
        assert "ann" not in answer.text
        assert '"12' not in answer.text


def test_what_a_senders_fast_clock_told_is_not_yet_there(workspace, clock, api):
    """A sender may run up to a day ahead; until then its events have not happened."""
    who = account("9")
    soon = clock.now() + timedelta(hours=20)
    (answer, _) = send(
        workspace,
        purchase("1", who, at=clock.now() - timedelta(hours=1), origin="live"),
        purchase("2", who, at=soon, origin="live"),
    )
    fold(workspace)
    path = f"/v1/customers/{answer.customer}"
    assert read(api, path)["value"] == read(api, path, as_of=clock.now().isoformat())["value"]
    clock.pass_time(hours=21)
    assert read(api, path)["value"][0]["purchases"] == 2


def test_whoever_opens_an_erased_customer_is_told(workspace, clock, api):
    [one] = send(workspace, item("1", account(), phone(), channel="chat"))
    clock.pass_time(minutes=1)
    fold(workspace)
    path = f"/v1/customers/{one.customer}"
    assert read(api, path)["identity"]["erased_at"] is None
    alive, asked = clock.now(), clock.now() + timedelta(minutes=1)
    clock.pass_time(minutes=1)
    assert api.post(f"{path}/erasure", json={"asked_by": "ann"}).status_code == 202
    fold(workspace)
    identity = read(api, path)["identity"]
    assert (datetime.fromisoformat(identity["erased_at"]), identity["identifiers"]) == (asked, [])
    assert read(api, path, as_of=alive.isoformat())["identity"]["erased_at"] is None
