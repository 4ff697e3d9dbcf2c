"""Presentations with what was known before them, and what came of them."""

from datetime import UTC, datetime, timedelta

import polars as pl

from events.holding import BillIssued, HoldingEnded, HoldingStarted, PurchaseRecorded
from events.identity import CustomersMerged
from events.offer import PresentationAnswered, PresentationMade
from events.touch import TouchCorrected, TouchRecorded
from ml.features.catalogue import NAMES, features
from ml.histories import Histories
from ml.offer.presentations import day_of, presentations
from tests.support.spec import happened

BEGIN = datetime(2025, 3, 3, 14, 30, tzinfo=UTC)
KNOWN = BEGIN + timedelta(days=300)
DAY = timedelta(days=1)


def made(number, at, offer="pass", **more):
    told = {"propensity": 0.5, "possible": ("pass", "plan"), **more}
    event = PresentationMade(
        presentation_id=f"p{number}", offer=offer, channel="voice", purpose="cross_sell", **told
    )
    return happened(event, at, f"made {number}")


def answered(number, at, answer="accepted", **more):
    event = PresentationAnswered(presentation_id=f"p{number}", offer="pass", answer=answer)
    return happened(event, at, f"{answer} {number} {at}", **more)


def test_an_answer_counts_when_it_came_in_time_and_was_known():
    at = BEGIN
    told = presentations(Histories.of({"c": [
        made(1, at), answered(1, at + DAY),
        made(2, at + DAY), answered(2, at + 16 * DAY),
        made(3, at + 2 * DAY), answered(3, at + 3 * DAY, "declined"),
        made(4, at + 3 * DAY), answered(4, at + 4 * DAY, "later"), answered(4, at + 5 * DAY),
        made(5, at + 4 * DAY),
        made(6, at + 5 * DAY), answered(6, at + 6 * DAY, known_at=KNOWN + DAY),
        made(7, KNOWN - 13 * DAY), answered(7, KNOWN - 12 * DAY),
        made(8, KNOWN - 14 * DAY), answered(8, KNOWN - 12 * DAY),
    ]}), KNOWN, 14)  # fmt: skip
    assert told["taken"].to_list() == [1, 0, 0, 1, 0, 0, 1]
    assert told["answered"].to_list() == [True, False, True, True, False, False, True]
    assert told["made_at"].to_list()[-1] == KNOWN - 14 * DAY
    assert told["possible"].to_list()[0] == ["pass", "plan"]


def test_each_is_told_by_what_was_known_before_its_day():
    """All are asked at once; the answers are those of a cut at each one's own day."""
    story = [
        happened(TouchRecorded(channel="voice", direction="inbound", reason="billing.dispute", outcome="unresolved"),
                 BEGIN - 3 * DAY, "t1"),
        happened(TouchRecorded(channel="chat", direction="inbound", reason="complaint.network"),
                 BEGIN + 20 * DAY, "t2"),
        happened(TouchCorrected(touch_id="t1", outcome="resolved"), BEGIN + 9 * DAY, "t3"),
        happened(PurchaseRecorded(amount="12.50", currency="EUR"), BEGIN - 40 * DAY, "b1"),
        happened(PurchaseRecorded(amount="2.50", currency="EUR"), BEGIN.replace(hour=1), "b2"),
        happened(HoldingStarted(holding_id="h", product="plan", price="20", ends_at=BEGIN + 50 * DAY),
                 BEGIN - 80 * DAY, "h1"),
        happened(HoldingEnded(holding_id="h"), BEGIN + 12 * DAY, "h2"),
        happened(BillIssued(bill_id="b", amount="20", currency="EUR", due_at=BEGIN + 2 * DAY), BEGIN - 5 * DAY, "i1"),
    ]  # fmt: skip
    told = [
        made(0, BEGIN),
        made(1, BEGIN + timedelta(hours=3)),
        made(2, BEGIN + 10 * DAY),
        made(3, BEGIN + 120 * DAY),
    ]
    everything = [*story, *told, answered(0, BEGIN + DAY, "declined")]
    found = presentations(Histories.of({"c": everything}), KNOWN, 14)
    assert len(found) == len(told)
    for row, one in zip(found.select(NAMES).to_dicts(), told, strict=True):
        assert row == features(everything, day_of(one.occurred_at))
    assert found["offers_365d"].to_list() == [0, 0, 2, 3]


def test_of_somebody_of_whom_nothing_was_known_counts_are_zero_and_the_rest_is_unknown():
    found = presentations(Histories.of({"c": [made(1, BEGIN)]}), KNOWN, 14)
    assert found.select(NAMES).to_dicts() == [features([], BEGIN)]


def test_what_two_were_shown_who_turned_out_to_be_one_counts_once():
    merged = happened(CustomersMerged(survivor="a", absorbed="b"), BEGIN + 30 * DAY, "m")
    theirs = [made(2, BEGIN + DAY), answered(2, BEGIN + 2 * DAY)]
    told = Histories.of({"a": [made(1, BEGIN), merged, *theirs], "b": theirs})
    found = presentations(told, KNOWN, 14)
    assert found["taken"].to_list() == [0, 1]
    assert len(set(told.persons(found["customer"].to_list()).values())) == 1


def test_presentations_without_propensity_are_told_as_such():
    found = presentations(Histories.of({"c": [made(1, BEGIN, propensity=None, possible=())]}), KNOWN, 14)
    assert found.select("propensity", "possible").row(0) == (None, None)
    assert found.schema["possible"] == pl.List(pl.String)
