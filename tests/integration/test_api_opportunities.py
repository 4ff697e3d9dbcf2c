"""An opportunity's life over HTTP, and the pipeline's board."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.folding import fold, react, sweeper
from tests.support.sending import account, email, item, phone, send


@pytest.fixture
def api(workspace):
    return caller(workspace)


def post(api, url: str, key: str | None = None, status: int = 202, **body):
    answer = api.post(url, json=body, headers={"Idempotency-Key": key} if key else {})
    assert answer.status_code == status, answer.text
    return answer.json()


def captured(api, key: str | None = None, **body) -> str:
    """The address of a new opportunity."""
    told = post(api, "/v1/opportunities", key, **{"subject": "leased_line", **body})
    return f"/v1/opportunities/{told['opportunity_id']}"


def history(api, one: str) -> list[str]:
    return [event["type"].removeprefix("opportunity.") for event in read(api, one)["history"]]


def test_from_a_call_to_a_sale(workspace, clock, api):
    (touch,) = send(workspace, item("1", phone(), channel="voice", reason="sales.enquiry"))
    react(workspace)
    one = captured(
        api,
        touch_id=touch.event_id,
        value="12000",
        currency="EUR",
        note="Ann wants two lines",
        captured_by="a-1",
    )
    react(workspace)  # the policy routes what was captured
    found = read(api, one)
    assert (found["department"], found["customer"]) == ("corporate", touch.customer)
    assert found["due_at"] == "2026-03-02T13:00:00Z"
    assert (found["history"][0]["cause"], found["history"][0]["actor"]) == (touch.event_id, "a-1")
    assert found["history"][0]["data"]["note"] == "Ann wants two lines"
    post(api, f"{one}/accept", owner="a-17")
    clock.pass_time(hours=1)
    post(api, f"{one}/follow-up", next_due_at="2026-03-05T10:00:00+01:00")
    post(api, f"{one}/stage", stage="proposal")
    post(api, f"{one}/value", value="15000", currency="EUR", probability=0.8)
    fold(workspace)
    (shown,) = read(api, f"/v1/customers/{touch.customer}")["opportunities"]
    assert (shown["stage"], shown["value"], shown["overdue"]) == ("proposal", "15000", False)
    clock.pass_time(days=1)
    won = post(api, f"{one}/won", value="14000", currency="EUR")
    assert (won["stage"], won["value"], won["due_at"], won["overdue"]) == ("won", "14000", None, False)
    assert [(one["stage"], one["until"] is None) for one in won["stages"]] == [
        ("captured", False), ("proposal", False), ("won", True),
    ]  # fmt: skip
    fold(workspace)
    assert read(api, f"/v1/customers/{touch.customer}")["opportunities"] == []
    assert post(api, f"{one}/lost", status=409, why="price")["code"] == "opportunity.closed"
    post(api, f"{one}/reopen")
    post(api, f"{one}/lost", why="price")
    assert history(api, one) == [
        "captured", "routed", "accepted", "followed_up", "staged", "valued", "won", "reopened", "lost",
    ]  # fmt: skip


def test_every_later_decision_belongs_to_the_customer_of_the_first(workspace, api):
    (touch,) = send(workspace, item("1", phone(), channel="voice"))
    one = captured(api, customer=touch.customer)
    post(api, f"{one}/stage", stage="proposal")
    assert [event["customer"] for event in read(api, one)["history"]] == [touch.customer] * 2
    fold(workspace)
    timeline = read(api, f"/v1/customers/{touch.customer}/timeline")["items"]
    assert [event["type"] for event in timeline][:2] == ["opportunity.staged", "opportunity.captured"]


def test_a_prospect_nobody_knew_becomes_a_customer_who_is_found_again(workspace, api):
    one = captured(api, identifiers=[phone(), email()])
    customer = read(api, one)["customer"]
    (touch,) = send(workspace, item("1", email(), channel="email"))
    assert touch.customer == customer
    fold(workspace)
    held = read(api, f"/v1/customers/{customer}")["identity"]["identifiers"]
    assert {identifier["value"] for identifier in held} == {"+14155552671", "ann@example.com"}
    known = read(api, captured(api, identifiers=[phone()]))
    assert known["customer"] == customer


def test_an_opportunity_of_nobody_is_one_all_the_same(workspace, api):
    one = captured(api)
    assert read(api, one)["customer"] is None
    fold(workspace)
    assert read(api, "/v1/pipeline")["totals"]["open"] == 1


def test_the_same_key_twice_is_recorded_once_and_answered_alike(workspace, api):
    (touch,) = send(workspace, item("1", phone(), channel="voice"))
    body = {"subject": "leased_line", "touch_id": touch.event_id, "value": "10"}
    first = post(api, "/v1/opportunities", "desk:1", **body)
    again = post(api, "/v1/opportunities", "desk:1", **body)
    assert again == first
    one = f"/v1/opportunities/{first['opportunity_id']}"
    first = post(api, f"{one}/accept", "desk:2", owner="a-17")
    again = post(api, f"{one}/accept", "desk:2", owner="a-17")
    assert again == first
    assert history(api, one) == ["captured", "accepted"]


def test_the_same_key_sent_by_many_at_once_is_recorded_once(workspace, api):
    def send_it(_: int):
        body = {"subject": "leased_line", "identifiers": [phone()]}
        return post(caller(workspace), "/v1/opportunities", "desk:1", **body)

    with ThreadPoolExecutor(6) as desks:
        told = list(desks.map(send_it, range(6)))
    assert told == [told[0]] * 6
    assert history(api, f"/v1/opportunities/{told[0]['opportunity_id']}") == ["captured"]


def test_a_key_is_good_for_one_command(workspace, api):
    one, other = captured(api), captured(api)
    post(api, f"{one}/accept", "k", owner="a-17")
    for url, body in (
        (f"{one}/stage", {"stage": "proposal"}),
        (f"{one}/accept", {"owner": "a-18"}),
        (f"{other}/accept", {"owner": "a-17"}),
        ("/v1/opportunities", {"subject": "leased_line"}),
    ):
        assert post(api, url, "k", status=422, **body)["code"] == "idempotency_key.reused"
    assert history(api, one) == ["captured", "accepted"]
    assert history(api, other) == ["captured"]


def test_asking_for_what_is_so_already_records_nothing(api):
    one = captured(api)
    post(api, f"{one}/accept", owner="a-17")
    assert post(api, f"{one}/accept", status=200, owner="a-17")["recorded"] == []


def test_a_missed_follow_up_shows_at_once_and_is_recorded_once_by_whoever_comes_first(workspace, clock, api):
    one = captured(api)
    post(api, f"{one}/route")
    clock.pass_time(hours=4)
    found = read(api, one)
    assert (found["overdue"], found["missed"]) == (True, 0)
    fold(workspace)
    assert read(api, "/v1/pipeline")["overdue"]["count"] == 1
    accepted = post(api, f"{one}/accept", "k", owner="a-17")
    assert [event["type"] for event in accepted["recorded"]] == [
        "opportunity.follow_up_missed", "opportunity.accepted",
    ]  # fmt: skip
    assert post(api, f"{one}/accept", "k", owner="a-17") == accepted
    sweeper(workspace).sweep(clock.now())
    fold(workspace)
    assert history(api, one) == ["captured", "routed", "follow_up_missed", "accepted"]
    missed = read(api, one)
    assert (missed["overdue"], missed["missed"], missed["due_at"]) == (True, 1, None)
    assert missed["history"][2]["occurred_at"] == "2026-03-02T13:00:00Z"
    post(api, f"{one}/follow-up")
    assert read(api, one)["overdue"] is False
    fold(workspace)
    assert read(api, "/v1/pipeline")["overdue"] == {"count": 0, "first": []}


SENSELESS = [
    ("/accept", {"owner": ""}, "invalid"),
    ("/accept", {"owner": "a\x00"}, "invalid"),
    ("/accept", {"owner": "a-17", "colour": "red"}, "invalid"),
    ("/accept", None, "invalid"),
    ("/stage", {"stage": "nirvana"}, "opportunity.no_such_stage"),
    ("/stage", {"stage": "two words"}, "invalid"),
    ("/follow-up", {"next_due_at": "2026-03-01T00:00:00Z"}, "opportunity.due_in_the_past"),
    ("/follow-up", {"next_due_at": "9999-12-31T00:00:00Z"}, "moment.out_of_range"),
    ("/value", {"value": "NaN"}, "invalid"),
    ("/value", {"value": "1e400"}, "invalid"),
    ("/value", {"value": "-1"}, "invalid"),
    ("/value", {"value": "1", "currency": "euro"}, "invalid"),
    ("/lost", {"why": "x" * 201}, "invalid"),
]


def test_a_command_that_makes_no_sense_is_refused_and_nothing_is_recorded(api):
    one = captured(api)
    for path, body, code in SENSELESS:
        answer = api.post(f"{one}{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code), (path, body)
    assert history(api, one) == ["captured"]


def test_what_is_not_there_is_said_to_be_unknown(api):
    for one in ("nothing", "%00", "a/b"):
        assert api.get(f"/v1/opportunities/{one}").status_code in (404, 422)
    assert (
        post(api, "/v1/opportunities/nothing/accept", status=404, owner="a")["code"] == "opportunity.unknown"
    )
    missing = "01997a3e-0000-7000-8000-000000000002"
    for body, code in (
        ({"touch_id": missing}, "touch.unknown"),
        ({"touch_id": "x"}, "touch.unknown"),
        ({"customer": missing}, "customer.unknown"),
    ):
        assert post(api, "/v1/opportunities", status=404, subject="s", **body)["code"] == code
    both = {"touch_id": missing, "customer": missing}
    assert post(api, "/v1/opportunities", status=422, subject="s", **both)["path"] == "$.body"


def imported(number: int, days: int, source: str = "bank", **data):
    told = {"opportunity_id": f"{source}-{number}", "subject": "term_deposit", **data}
    return item(
        f"line#{number}", account(f"{number}", source), type="opportunity.imported", source=source,
        origin="import", at=MONDAY - timedelta(days=days), **told,
    )  # fmt: skip


def test_the_board_counts_history_and_the_desk_together_or_one_source_alone(workspace, api):
    send(workspace, *(imported(n, 100 + n, closed="won" if n == 1 else "lost") for n in range(1, 5)))
    captured(api, value="100", currency="EUR")
    fold(workspace)
    everything = read(api, "/v1/pipeline")
    assert everything["totals"] == {"open": 1, "won": 1, "lost": 3, "conversion": 0.25}
    assert everything["forecast"] == {"value": None, "counted": 0, "own_probability": 0, "left_out": 1}
    assert [(one["stage"], one["count"]) for one in everything["stages"]] == [
        ("captured", 1), ("qualified", 0), ("proposal", 0), ("negotiation", 0), ("won", 1), ("lost", 3),
    ]  # fmt: skip
    assert everything["stages"][0]["value"] == [{"currency": "EUR", "amount": "100"}]
    assert everything["stages"][4]["value"] is None
    assert read(api, "/v1/pipeline", source="bank")["totals"]["open"] == 0
    assert read(api, "/v1/pipeline", source="api")["totals"]["won"] == 0
    before = (MONDAY - timedelta(days=102, hours=1)).isoformat()
    assert read(api, "/v1/pipeline", as_of=before)["totals"] == {
        "open": 0, "won": 0, "lost": 2, "conversion": 0.0,
    }  # fmt: skip


def test_the_board_as_of_a_moment_is_what_stood_on_it_then(workspace, clock, api):
    boards = []

    def look() -> None:
        fold(workspace)
        boards.append((clock.now(), read(api, "/v1/pipeline")))
        clock.pass_time(hours=3)

    look()
    one = captured(api, value="100", currency="EUR")
    other = captured(api, subject="phones")
    look()
    post(api, f"{one}/route")
    post(api, f"{other}/route")
    look()
    post(api, f"{one}/value", value="500", currency="EUR")
    post(api, f"{one}/stage", stage="proposal")
    look()
    post(api, f"{one}/route", department="wholesale")
    post(api, f"{one}/won")
    look()
    post(api, f"{one}/reopen")
    look()
    for moment, shown in boards:
        then = read(api, "/v1/pipeline", as_of=moment.isoformat())
        assert then | {"as_of": None} == shown
    routed = boards[2][0].isoformat()
    assert read(api, "/v1/pipeline", as_of=routed, department="corporate")["totals"]["open"] == 1
    assert read(api, "/v1/pipeline", as_of=routed, department="wholesale")["totals"]["open"] == 0


def test_a_used_key_with_another_person_behind_it_is_heard(api):
    """Two leads alike in everything but the person: the second must not vanish behind the first."""
    lead = {"subject": "leased_line", "value": 100, "currency": "EUR"}
    post(api, "/v1/opportunities", "k", **lead, identifiers=[phone()])
    post(api, "/v1/opportunities", "k", **lead, identifiers=[phone()])
    other = post(api, "/v1/opportunities", "k", status=422, **lead, identifiers=[phone("+1 415 555 2672")])
    assert other["code"] == "idempotency_key.reused"


def test_the_board_as_it_was_known_leaves_out_what_nobody_knew_yet(workspace, api):
    began = workspace.clock.now()
    old = item(
        "late", type="opportunity.imported", at=began - timedelta(days=9), origin="import", opportunity_id="late",
        subject="loan",
    )  # fmt: skip
    workspace.clock.pass_time(days=1)
    send(workspace, {**old, "known_at": workspace.clock.now().isoformat()})
    fold(workspace)
    as_known_now = read(api, "/v1/pipeline", as_of=began.isoformat())
    as_known_then = read(api, "/v1/pipeline", as_of=began.isoformat(), known_at=began.isoformat())
    assert (as_known_now["totals"]["open"], as_known_then["totals"]["open"]) == (1, 0)
