"""The world: the same for the same seed, in order of time, and never against the contract."""

import hashlib
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import pytest

from events import codec
from events.vocabulary import Moment
from services.simulator.spec import BadSpec, Spec, months_before
from services.simulator.telling import Told
from services.simulator.world import world
from tests.unit.simulator.living import BEGIN, live_through


def digest(spec: Spec) -> str:
    found = hashlib.sha256()
    for one in world(spec):
        found.update(one.body if isinstance(one, Told) else msgspec.json.encode(one))
    return found.hexdigest()


def test_the_same_seed_is_the_same_world_to_the_byte():
    spec = Spec(begin=BEGIN, customers=60, months=7, seed=11)
    assert digest(spec) == digest(spec)
    assert digest(spec) != digest(Spec(begin=BEGIN, customers=60, months=7, seed=12))


def test_a_customers_life_does_not_depend_on_how_many_others_there_are():
    few, many = (live_through(Spec(begin=BEGIN, customers=count, months=7, seed=5)) for count in (12, 90))
    for number in range(12):
        mine = [[one for one in lived.told if one.customer == number] for lived in (few, many)]
        assert mine[0] == mine[1]
    accounts = {one.account for one in few.fates}
    assert few.assignments == [one for one in many.assignments if one.account in accounts]


def test_items_come_in_the_order_in_which_they_are_heard_of(lived):
    assert all(earlier <= later for earlier, later in pairwise(lived.told))
    assert len({(item["source"], item["source_id"]) for item in lived.items}) == len(lived.items)


def test_nothing_is_known_before_it_happened_or_after_the_worlds_end(lived):
    end = datetime.fromtimestamp(Spec(begin=BEGIN).month(12), BEGIN.tzinfo)
    for item in lived.items:
        occurred, known = (msgspec.convert(item[name], Moment) for name in ("occurred_at", "known_at"))
        assert occurred <= known < end


@pytest.mark.parametrize("parts", [False, True])
def test_every_item_is_valid_by_the_contract(parts):
    told = live_through(Spec(begin=BEGIN, customers=120, months=12, seed=2, parts=parts)).items
    for item in told:
        codec.decode_inbound(item["type"], msgspec.json.encode(item["data"]))
    assert {item["type"] for item in told} >= {
        "customer.described", "consent.granted", "holding.started", "holding.changed", "holding.ended",
        "holding.cancel_requested", "usage.recorded", "bill.issued", "bill.paid", "touch.recorded", "case.imported",
        "presentation.answered", "survey.answered", "attempt.made", "attempt.answered",
    }  # fmt: skip


def test_a_call_in_parts_is_one_contact_from_start_to_wrap_up():
    items = live_through(Spec(begin=BEGIN, customers=60, months=3, seed=2, parts=True)).items
    calls: dict[str, list[str]] = {}
    for item in items:
        if item["type"].startswith("contact."):
            calls.setdefault(item["data"]["contact_id"], []).append(item["type"].removeprefix("contact."))
    shapes = Counter(tuple(one) for one in calls.values())
    answered, wrapped = ("answered", "ended"), ("answered", "ended", "wrapped_up")
    assert set(shapes) <= {
        ("started", *wrapped), ("started", "queued", *wrapped), ("started", "queued", "ended"),
        ("started", *answered), ("started", "queued", *answered),
    }  # fmt: skip
    assert shapes["started", "queued", "ended"] > 0


def test_every_channel_is_used_and_most_contacts_are_calls(lived):
    channels = Counter(item["data"]["channel"] for item in lived.of("touch.recorded"))
    assert set(channels) == {"voice", "chat", "app", "store", "sms"}
    assert channels["voice"] / channels.total() >= 0.7


def test_who_left_is_told_nothing_of_but_what_was_under_way(lived):
    """Use, and a new bill, end with the holding; they begin again with the next one."""
    held: dict[str, bool] = {}
    for item in sorted(lived.items, key=lambda one: one["occurred_at"]):
        if item["type"] in ("holding.started", "holding.ended"):
            held[item["data"]["holding_id"]] = item["type"] == "holding.started"
        if item["type"] == "usage.recorded":
            assert held[item["data"]["holding_id"]]


def test_a_live_world_shortens_the_time_after_its_beginning_only():
    slow = live_through(Spec(begin=BEGIN, customers=40, months=1, seed=3))
    fast = live_through(Spec(begin=BEGIN, customers=40, months=1, seed=3, origin="live", speed=86_400))
    after = [one for one in fast.told if one.at >= BEGIN.timestamp()]
    assert max(one.at for one in after) <= BEGIN.timestamp() + 31
    assert {one.at for one in fast.told if one.at < BEGIN.timestamp()} == {
        one.at for one in slow.told if one.at < BEGIN.timestamp()
    }
    origins = {msgspec.json.decode(one.body).get("origin", "live") for one in after}
    assert origins <= {"live", "import"}
    assert all(
        "origin" not in item
        for item in fast.items
        if item["type"] != "case.imported" and msgspec.convert(item["occurred_at"], Moment) > BEGIN
    )


@pytest.mark.parametrize("field, value", [
    ("customers", 0), ("customers", 10**9), ("months", 0), ("months", 121), ("seed", -1), ("effect", -0.1),
    ("effect", float("nan")), ("speed", 0.5), ("speed", 60.0), ("origin", "replay"), ("begin", datetime(2024, 1, 1)),  # noqa: DTZ001  # without an offset on purpose
])  # fmt: skip
def test_a_world_that_cannot_be_is_refused_by_the_setting_that_is_wrong(field, value):
    with pytest.raises(BadSpec) as refused:
        Spec(**{"begin": BEGIN, field: value})
    assert refused.value.field == field


def test_a_world_of_the_past_ends_with_the_last_full_month():
    now = datetime(2026, 3, 17, 9, tzinfo=BEGIN.tzinfo)
    begin = months_before(now, 12)
    assert (begin.year, begin.month, begin.day) == (2025, 3, 1)
    spec = Spec(begin=begin, months=12)
    assert datetime.fromtimestamp(spec.month(12), BEGIN.tzinfo) == datetime(2026, 3, 1, tzinfo=BEGIN.tzinfo)
    assert now - begin > timedelta(days=365)
