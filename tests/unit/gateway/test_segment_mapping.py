"""What SDKs send becomes one event each; what can't is told with its place and kept as it came."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.intake import Rejected
from services.gateway.body import BadBody
from services.gateway.segment.mapping import Dialect
from services.gateway.segment.reading import Kept, kept, key_in_headers, posted

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DIALECT = Dialect("app", "US")


def keep(message, **around) -> Kept:
    return Kept(msgspec.Raw(json.dumps(message).encode()), **around)


def translated(message, *, at=NOON, **around):
    return DIALECT.translate(keep(message, **around), at)


def event(message, **around):
    """The event of a message that has one."""
    item = translated(message, **around).item
    assert isinstance(item, bytes), item
    return json.loads(item)


def rejected(message, **around) -> Rejected:
    item = translated(message, **around).item
    assert isinstance(item, Rejected), item
    return item


def track(**fields):
    return {"type": "track", "event": "Plan Viewed", "userId": "u1", "messageId": "m1", **fields}


def identify(**fields):
    return {"type": "identify", "userId": "u1", "messageId": "m1", **fields}


def who(found):
    return [(one["kind"], one["value"]) for one in found["identifiers"]]


def test_a_track_is_a_touch_whose_properties_are_personal():
    found = event(track(properties={"plan": "fibre", "price": 25.30}, timestamp="2026-03-02T11:59:00Z"))
    assert found == {
        "type": "touch.recorded", "source": "segment", "source_id": "m1", "occurred_at": "2026-03-02T11:59:00Z",
        "identifiers": [{"kind": "account", "value": "u1", "issuer": "app"}],
        "data": {
            "channel": "unknown", "direction": "inbound", "attributes": {"event": "Plan Viewed"},
            "text": '{"plan":"fibre","price":25.3}',
        },
    }  # fmt: skip


def test_what_people_typed_never_stands_in_the_clear():
    found = event(track(properties={"question": "my SSN is 078-05-1120"}, context={"ip": "192.0.2.7"}))
    text = found["data"].pop("text")
    assert "078-05-1120" in text
    assert "078-05-1120" not in json.dumps(found)
    assert "192.0.2.7" not in json.dumps(found)


@pytest.mark.parametrize(
    ("message", "channel"),
    [
        ({"type": "page", "name": "Home"}, "web"),
        ({"type": "screen", "name": "Home"}, "app"),
        (track(context={"library": {"name": "analytics.js"}}), "web"),
        (track(context={"library": {"name": "RudderLabs JavaScript SDK"}}), "web"),
        (track(context={"library": {"name": "analytics-ios"}}), "app"),
        (track(context={"library": {"name": "analytics-kotlin"}}), "app"),
        (track(context={"library": {"name": "analytics-python"}}), "unknown"),
        (track(context={"library": {"name": "@segment/analytics-node"}}), "unknown"),
        (track(context={"library": {"name": "analytics-python"}, "os": {"name": "iOS"}}), "app"),
        (track(context={"library": {"name": "analytics-python"}, "page": {"path": "/"}}), "web"),
        (track(context={"device": {"type": "android"}}), "app"),
        (track(channel="mobile"), "app"),
        (track(channel="server", context={"library": {"name": "rudder-analytics-python"}}), "unknown"),
        (track(), "unknown"),
    ],
)
def test_the_channel_is_the_persons_not_the_servers(message, channel):
    assert event({"userId": "u1", **message})["data"]["channel"] == channel


def test_a_page_and_a_screen_keep_their_names_out_of_the_clear():
    found = event({"type": "page", "userId": "u1", "name": "Ann's orders", "properties": {"url": "/orders"}})
    assert found["data"]["attributes"] == {"event": "page"}
    assert json.loads(found["data"]["text"]) == {"url": "/orders", "name": "Ann's orders"}


@pytest.mark.parametrize(
    "nobody",
    ["", " ", "null", "NULL", '"null"', "undefined", "anonymous", "[object Object]", "NaN", "None", "guest", "0",
     "00000000-0000-0000-0000-000000000000", "---", "true", "distinct_id"],
)  # fmt: skip
def test_a_placeholder_makes_nobody_one_person_with_others(nobody):
    assert who(event(track(userId=nobody, anonymousId="a-1"))) == [("cookie", "a-1")]
    assert rejected(track(userId=nobody)).code == "identity_missing"


def test_user_visitor_device_mail_and_phone_identify():
    found = event(
        identify(
            anonymousId="a-1", context={"device": {"id": "d-1"}},
            traits={"email": "Ann@Example.com", "phone": "+1 415 555 2671"},
        )
    )  # fmt: skip
    assert who(found) == [
        ("account", "u1"), ("cookie", "a-1"), ("device", "d-1"),
        ("email", "Ann@Example.com"), ("phone", "+1 415 555 2671"),
    ]  # fmt: skip
    assert found["data"] == {}


def test_a_user_id_that_looks_like_mail_is_an_account_all_the_same():
    assert who(event(track(userId="ann@example.com"))) == [("account", "ann@example.com")]


@pytest.mark.parametrize(
    ("written", "value"), [(4711, "4711"), (12.0, "12"), (2**60, str(2**60)), (" u1 ", "u1")]
)
def test_ids_may_be_numbers(written, value):
    assert who(event(track(userId=written))) == [("account", value)]


def test_an_identify_is_not_lost_for_a_phone_that_is_none():
    found = translated(identify(traits={"phone": "n/a at home", "email": "none at all", "name": "Ann"}))
    assert isinstance(found.item, bytes)
    said = json.loads(found.item)
    assert who(said) == [("account", "u1")]
    assert said["data"]["name"] == "Ann"
    assert json.loads(said["data"]["details"]) == {"phone": "n/a at home", "email": "none at all"}
    assert [(one.code, one.path) for one in found.unused] == [
        ("email_invalid", "$.traits.email"), ("phone_invalid", "$.traits.phone"),
    ]  # fmt: skip


def test_traits_describe_the_person_and_the_rest_are_details():
    traits = {
        "firstName": "Ann", "lastName": "Lee", "birthday": "1990-05-04", "language": "en-US", "note": "likes tea",
        "address": {"city": "Bern", "street": "1 Hill Rd"}, "plan": "gold", "age": 36,
    }  # fmt: skip
    found = event(identify(traits=traits))["data"]
    details = json.loads(found.pop("details"))
    assert found == {
        "name": "Ann Lee", "birthday": "1990-05-04", "language": "en-US", "note": "likes tea",
        "address": "1 Hill Rd, Bern",
    }  # fmt: skip
    assert details == {"plan": "gold", "age": 36}


@pytest.mark.parametrize("birthday", ["1990-05-04T22:00:00.000Z", "4 May 1990", "1990-13-04", 19900504, None])
def test_a_birthday_that_is_no_day_stays_among_the_details(birthday):
    found = event(identify(traits={"birthday": birthday}))["data"]
    assert "birthday" not in found
    assert json.loads(found["details"]) == {"birthday": birthday}


def test_rudderstack_puts_traits_into_the_context():
    found = event(identify(context={"traits": {"name": "Ann", "email": "ann@example.com"}}))
    assert who(found)[1] == ("email", "ann@example.com")
    assert found["data"] == {"name": "Ann"}


def test_a_groups_traits_are_not_the_persons():
    group = {"type": "group", "userId": "u1", "groupId": "g1",
             "traits": {"name": "Initech", "email": "info@initech.example"}}  # fmt: skip
    found = event(group)
    assert who(found) == [("account", "u1")]
    assert json.loads(found["data"].pop("details")) == {"group": "g1", "group_traits": group["traits"]}
    assert found["data"] == {}


def test_an_alias_links_the_visitor_to_the_account():
    drawn = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
    assert who(event({"type": "alias", "userId": "u1", "previousId": drawn})) == [
        ("account", "u1"),
        ("cookie", drawn),
    ]
    assert who(event({"type": "alias", "userId": "u1", "previousId": "visitor-7"})) == [
        ("account", "u1"),
        ("cookie", "visitor-7"),
    ]


def test_an_alias_of_a_user_s_own_former_id_names_two_accounts():
    """Two account numbers never become one by themselves: a person joins them."""
    former = {"type": "alias", "userId": "u1", "previousId": "u0", "context": {"previousId": "userId"}}
    assert who(event(former)) == [("account", "u1"), ("account", "u0")]
    merged = captured("$merge_dangerously", distinct_id="u0", properties={"distinct_id": "u0", "alias": "u1"})
    assert who(event(merged)) == [("account", "u1"), ("account", "u0")]


def test_a_batch_s_own_context_holds_for_messages_that_do_not_say_otherwise():
    """What says who somebody is counts for nobody else: a batch holds many people."""
    shared = {"channel": "x", "campaign": {"name": "spring"}, "traits": {"email": "ann@example.com"},
              "device": {"id": "d-1", "type": "ios"}, "library": {"name": "javascript"}}  # fmt: skip
    own = track(messageId="m2", context={"campaign": {"name": "autumn"}})
    batch = [track(messageId="m1"), own, track(messageId="m3", context=5), 5]
    first, second, third, fourth = posted(
        json.dumps({"batch": batch, "context": shared}).encode(), "batch"
    ).messages
    assert [json.loads(bytes(one.message))["context"] for one in (first, second, third)] == [
        {"channel": "x", "campaign": {"name": "spring"}, "library": {"name": "javascript"}},
        {"channel": "x", "campaign": {"name": "autumn"}, "library": {"name": "javascript"}},
        5,
    ]
    assert bytes(fourth.message) == b"5"
    for senseless in (None, 5, [], "x"):
        read = posted(json.dumps({"batch": [own], "context": senseless}).encode(), "batch").messages
        assert json.loads(bytes(read[0].message)) == own


def test_a_completed_order_is_a_purchase():
    products = [{"product_id": "p1", "name": "Tea", "quantity": 2}, {"sku": "s2", "quantity": 1}]
    found = event(track(event="Order Completed", properties={
        "order_id": 50314, "total": 30.05, "revenue": 25, "currency": "usd", "products": products,
        "email": "ann@example.com",
    }))  # fmt: skip
    assert found["type"] == "purchase.recorded"
    assert found["data"] == {
        "order_id": "50314", "amount": "30.05", "currency": "USD", "quantity": 3,
        "attributes": {"event": "Order Completed", "products": "p1, s2"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "data"),
    [
        ({"revenue": "25.00"}, {"amount": "25.00"}),
        ({"total": None, "value": 7}, {"amount": "7"}),
        ({"products": [{"name": "Tea", "quantity": 4}]}, {"quantity": 4, "product": "Tea"}),
        ({"products": [{"name": "Tea", "quantity": "many"}]}, {"quantity": 1, "product": "Tea"}),
        ({"products": "Tea"}, {}),
    ],
)
def test_an_order_says_what_it_says(properties, data):
    found = event(track(event="order completed", properties=properties))["data"]
    del found["attributes"]
    assert found == data


@pytest.mark.parametrize("amount", ["twelve", True, [], "NaN", "Infinity", {"value": 1}])
def test_an_amount_that_is_no_number_is_kept_for_later(amount):
    found = rejected(track(event="Order Completed", properties={"total": amount}))
    assert (found.code, found.path) == ("invalid", "$.properties.total")


def test_a_currency_that_is_none_is_told():
    found = translated(track(event="Order Completed", properties={"total": 1, "currency": "dollars"}))
    assert [(one.code, one.path) for one in found.unused] == [("currency_invalid", "$.properties.currency")]


@pytest.mark.parametrize(
    ("message", "code", "path"),
    [
        ({"type": "track", "event": "x"}, "identity_missing", "$.userId"),
        ({"type": "track", "userId": "u1"}, "event_missing", "$.event"),
        (track(event=""), "event_missing", "$.event"),
        (track(event=5), "invalid", "$.event"),
        (track(event="x" * 201), "invalid", "$.event"),
        (track(event="two\nlines"), "invalid", "$.event"),
        (track(userId={"id": 1}), "invalid", "$.userId"),
        (track(userId=True), "invalid", "$.userId"),
        (track(properties=[1]), "invalid", "$.properties"),
        (track(context="web"), "invalid", "$.context"),
        (track(timestamp="yesterday"), "invalid", "$.timestamp"),
        (track(timestamp=1772452800), "invalid", "$.timestamp"),
        (identify(traits="Ann"), "invalid", "$.traits"),
        ({"type": "sing", "userId": "u1"}, "unknown_type", "$.type"),
        ({"userId": "u1", "event": "x"}, "unknown_type", "$.type"),
        ("a word", "invalid", "$"),
        (None, "invalid", "$"),
    ],
)
def test_what_is_no_event_says_why_and_where(message, code, path):
    found = rejected(message)
    assert (found.code, found.path) == (code, path)
    assert found.keep


def test_what_is_kept_is_the_senders_message_and_translates_again():
    """After a fix the message is read as if it were the moment of its arrival."""
    message = track(event=5, extra="whatever")
    found = rejected(message, sent_at="2026-03-02T13:00:00Z", history=True)
    held = kept(found.raw)
    assert held is not None
    assert json.loads(bytes(held.message)) == message
    assert (held.sent_at, held.history, found.source, found.source_id) == (
        "2026-03-02T13:00:00Z", True, "segment", "m1",
    )  # fmt: skip
    cured = keep(track(), sent_at=held.sent_at).written()
    assert DIALECT.again(cured, NOON) == translated(track(), sent_at=held.sent_at).item
    assert DIALECT.again(b'{"type":"touch.recorded"}', NOON) == b'{"type":"touch.recorded"}'


@pytest.mark.parametrize("drift", [timedelta(hours=5), -timedelta(days=400)])
def test_a_senders_wrong_clock_is_corrected(drift):
    """It was ten minutes before sending, whatever the clock said."""
    sent = NOON + drift
    found = event(track(timestamp=(sent - timedelta(minutes=10)).isoformat()), sent_at=sent.isoformat())
    assert datetime.fromisoformat(found["occurred_at"]) == NOON - timedelta(minutes=10)


def test_the_way_to_us_is_no_wrong_clock():
    """Sent again ten seconds later, the message says the same."""
    message = track(originalTimestamp="2026-03-02T11:59:50.000Z")
    once = event(message, sent_at="2026-03-02T11:59:59Z")
    again = event(message, sent_at="2026-03-02T12:00:09Z", at=NOON + timedelta(seconds=10))
    assert once == again
    assert datetime.fromisoformat(once["occurred_at"]) == NOON - timedelta(seconds=10)


def test_history_keeps_its_time():
    found = event(track(timestamp="2020-01-01T00:00:00Z"), sent_at="2026-02-01T00:00:00Z", history=True)
    assert (found["origin"], found["occurred_at"]) == ("import", "2020-01-01T00:00:00Z")


def test_a_time_without_offset_is_utc_and_a_message_may_have_none():
    assert event(track(timestamp="2026-03-02T11:00:00"))["occurred_at"] == "2026-03-02T11:00:00Z"
    assert "occurred_at" not in event(track())


@pytest.mark.parametrize("written", ["node-next-1700000000-8a6b", "x" * 200, 17])
def test_a_message_id_is_opaque(written):
    assert event(track(messageId=written))["source_id"] == str(written)


@pytest.mark.parametrize("written", [None, "", "x" * 201, "two\nlines"])
def test_without_a_usable_message_id_a_digest_tells_repeats(written):
    first, again = (event(track(messageId=written))["source_id"] for _ in range(2))
    assert first == again
    assert first.startswith("digest-")
    if not written:
        assert event(track(messageId=written, event="another"))["source_id"] != first


def captured(name="plan viewed", *, properties=None, **fields):
    return {"event": name, "distinct_id": "u1", "uuid": "0197-1", "properties": properties or {}, **fields}


DRAWN = "0197a0c2-7c9f-7d2b-9c3e-000000000001"


@pytest.mark.parametrize(
    ("message", "wire", "identifiers", "data"),
    [
        (captured(), "touch.recorded", [("account", "u1")],
         {"channel": "unknown", "direction": "inbound", "attributes": {"event": "plan viewed"}}),
        (captured("$pageview", properties={"$lib": "web"}), "touch.recorded", [("account", "u1")],
         {"channel": "web", "direction": "inbound", "attributes": {"event": "page"}, "text": '{"$lib":"web"}'}),
        (captured("$screen", properties={}), "touch.recorded", [("account", "u1")],
         {"channel": "app", "direction": "inbound", "attributes": {"event": "screen"}}),
        (captured("$identify", properties={"$anon_distinct_id": DRAWN, "$set": {"name": "Ann"}}),
         "customer.described", [("account", "u1"), ("cookie", DRAWN)], {"name": "Ann"}),
        (captured("$set", **{"$set": {"email": "ann@example.com"}}),
         "customer.described", [("account", "u1"), ("email", "ann@example.com")], {}),
        (captured("$create_alias", distinct_id=DRAWN, properties={"distinct_id": DRAWN, "alias": "u1"}),
         "customer.described", [("account", "u1"), ("cookie", DRAWN)], {}),
        (captured(distinct_id=DRAWN, properties={"$process_person_profile": False}),
         "touch.recorded", [("cookie", DRAWN)], None),
        (captured(distinct_id=DRAWN, properties={"$device_id": DRAWN}), "touch.recorded", [("cookie", DRAWN)], None),
        (captured("Order Completed", properties={"total": 5}), "purchase.recorded", [("account", "u1")],
         {"amount": "5", "attributes": {"event": "Order Completed"}}),
    ],
)  # fmt: skip
def test_what_posthog_sends(message, wire, identifiers, data):
    found = event(message, sent_at="2026-03-02T12:00:00+00:00")
    assert (found["type"], found["source_id"], who(found)) == (wire, "0197-1", identifiers)
    assert data is None or found["data"] == data


@pytest.mark.parametrize("path, message", [
    ("$.event", track(event="call +14155552671")), ("$.messageId", track(messageId="zed@example.org")),
    ("$.messageId", captured(uuid="+1 415 555 2671")), ("$.type", {**track(messageId="+14155552671"), "type": "none"}),
])  # fmt: skip
def test_what_is_published_unsealed_reaches_nobody(path, message):
    """Nor is a message that is kept looked up by what somebody can be reached by."""
    found = rejected(message)
    assert found.path == path
    assert path == "$.event" or found.source_id == ""
    assert "415" not in found.source_id + found.detail


def test_a_group_of_posthog_is_nobody():
    found = rejected(captured("$groupidentify", distinct_id="$company_7", properties={"$group_key": "7"}))
    assert found.code == "identity_missing"


def test_a_batch_says_its_key_its_clock_and_its_messages():
    body = json.dumps({"batch": [track(), 5], "sentAt": "2026-03-02T12:00:00Z", "writeKey": "k"}).encode()
    found = posted(body, "batch")
    assert found.key == "k"
    assert [bytes(one.message) for one in found.messages] == [json.dumps(track()).encode(), b"5"]
    assert {one.sent_at for one in found.messages} == {"2026-03-02T12:00:00Z"}


@pytest.mark.parametrize(
    ("top", "route", "history"),
    [({}, "batch", False), ({}, "import", True), ({"historical_migration": True}, "capture", True),
     ({"historical_migration": False}, "capture", False)],
)  # fmt: skip
def test_history_is_told_by_route_or_flag(top, route, history):
    (found,) = posted(json.dumps({"batch": [track()], **top}).encode(), route).messages
    assert found.history is history


def test_a_message_sent_alone_carries_its_key_and_clock_itself():
    body = json.dumps(
        {"userId": "u1", "event": "x", "writeKey": "k", "sentAt": "2026-03-02T12:00:00Z"}
    ).encode()
    found = posted(body, "track")
    (one,) = found.messages
    assert (found.key, one.sent_at, one.type) == ("k", "2026-03-02T12:00:00Z", "track")
    assert json.loads(bytes(one.message)) == {"userId": "u1", "event": "x"}


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", "empty_body"), (b"  ", "empty_body"), (b"{", "not_json"), (b"data=abc", "not_json"), (b"{}", "no_batch"),
     (b'{"batch":5}', "batch_invalid"), (b'{"batch":[NaN,' + b"9" * 5000 + b"]}", "not_json"),
     (b'{"batch":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}", "too_deep"),
     (b'{"\xff":1}', "not_utf8"), (json.dumps({"batch": [1] * 2501}).encode(), "batch_too_large")],
)  # fmt: skip
def test_a_body_that_is_none(body, code):
    with pytest.raises(BadBody) as caught:
        posted(body, "batch")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb'"\ud83d"', "\ufffd"), (rb'"a\uDE00b"', "a\ufffdb"), (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"), (rb'"\\ud83d"', "\\ud83d"), (rb'"\\\ud83d"', "\\\ufffd"),
        (b"NaN", None), (b"-Infinity", None), (b'"NaN"', "NaN"),
    ],
)  # fmt: skip
def test_what_sdks_write_though_it_is_no_json_costs_no_batch(written, read):
    """Half an emoji, as programs cut texts; NaN, as Python writes it."""
    body = b'{"batch":[{"a":' + written + b'},{"b":NaN}],"sentAt":"2026-03-02T12:00:00Z"}'
    first, second = posted(body, "batch").messages
    assert json.loads(bytes(first.message)) == {"a": read}
    assert json.loads(bytes(second.message)) == {"b": None}
    assert first.sent_at == "2026-03-02T12:00:00Z"


def test_a_stranger_makes_us_mend_no_large_body():
    body = b'{"batch":[NaN,"' + b"x" * 2_000_000 + b'"]}'
    assert len(posted(body, "batch", known=True).messages) == 2
    with pytest.raises(BadBody) as caught:
        posted(body, "batch")
    assert caught.value.code == "not_json"


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"authorization": "Basic a2V5Og=="}, "key"),
        ({"authorization": "basic a2V5OnNlY3JldA=="}, "key"),
        ({"authorization": "Basic a2V5"}, "key"),
        ({"authorization": "Bearer key"}, "key"),
        ({"x-api-key": "key"}, "key"),
        ({"authorization": "Basic %%%"}, ""),
        ({"authorization": "Basic /w=="}, ""),
        ({}, ""),
    ],
)
def test_the_key_in_its_forms(headers, key):
    assert key_in_headers(headers) == key


STRANGE = {
    "a lone surrogate": b'{"type":"track","userId":"u1","event":"\\ud800"}',
    "a surrogate in a property": b'{"type":"track","userId":"u1","event":"x","properties":{"a":"\\ud800"}}',
    "a NUL in the name": b'{"type":"track","userId":"u1","event":"a\\u0000b"}',
    "a NUL in an id": b'{"type":"track","userId":"u\\u00001","event":"x"}',
    "a NUL in a trait": b'{"type":"identify","userId":"u1","traits":{"name":"a\\u0000","b":"\\u0000"}}',
    "bytes that are no text": b'{"type":"track","userId":"u1","event":"x","properties":{"a":"\xff"}}',
    "bytes that are no text in an id": b'{"type":"track","userId":"\xff","event":"x"}',
    "a number beyond all": b'{"type":"track","userId":1e999,"event":"x"}',
    "an integer beyond all": b'{"type":"track","userId":' + b"9" * 400 + b',"event":"x"}',
    "deep properties": b'{"type":"track","userId":"u1","event":"x","properties":{"a":'
    + b"[" * 50_000 + b"]" * 50_000 + b"}}",
    "a deep trait": b'{"type":"identify","userId":"u1","traits":{"name":' + b"[" * 50_000 + b"]" * 50_000 + b"}}",
    "deep PostHog": b'{"event":"x","distinct_id":"u1","properties":{"$set":{"name":' + b"[" * 50_000
    + b"]" * 50_000 + b"}}}",
    "no end": b'{"type":"track"',
}  # fmt: skip


@pytest.mark.parametrize("raw", STRANGE.values(), ids=STRANGE)
def test_nothing_that_a_sender_writes_breaks_the_translation(raw):
    found = DIALECT.translate(Kept(msgspec.Raw(raw)), NOON).item
    assert isinstance(found, (bytes, Rejected))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8,
)  # fmt: skip
NAMES = (
    "type", "messageId", "userId", "anonymousId", "previousId", "groupId", "event", "name", "category", "traits",
    "properties", "context", "channel", "timestamp", "originalTimestamp", "distinct_id", "uuid", "$set",
)  # fmt: skip
LIKELY = (track(), identify(), captured(), {"type": "alias", "userId": "u1", "previousId": "u0"})


@given(
    message=st.sampled_from(LIKELY), wrong=st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=4),
    route=st.sampled_from(["", "track", "capture"]), sent_at=st.text() | st.datetimes().map(str),
)  # fmt: skip
def test_whatever_stands_in_a_field_there_is_an_event_or_a_reason(message, wrong, route, sent_at):
    found = translated({**message, **wrong}, type=route, sent_at=sent_at).item
    if isinstance(found, Rejected):
        assert found.code
        assert found.path.startswith("$")
        assert kept(found.raw) is not None
    else:
        assert json.loads(found)["source"] == "segment"
