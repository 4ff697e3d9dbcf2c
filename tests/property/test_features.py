"""Nothing that happens or becomes known later changes what was known."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from events.case import CaseOpened
from events.envelope import Envelope
from events.holding import CancelRequested, PurchaseRecorded, PurchaseReturned, UsageRecorded
from events.touch import TouchCorrected, TouchRecorded, TouchRetracted
from ml.dataset import build
from ml.features.catalogue import features
from ml.histories import Histories
from models.domain.history import effective

CUT = datetime(2025, 3, 1, tzinfo=UTC)
HORIZON = 60
END = CUT + timedelta(days=HORIZON)

amounts = st.decimals(min_value=0, max_value=500, places=2)
happenings = st.one_of(
    st.builds(PurchaseRecorded, amount=st.none() | amounts),
    st.builds(PurchaseReturned, amount=amounts),
    st.builds(UsageRecorded, service=st.just("mobile"), quantity=st.floats(0, 99), unit=st.just("minutes")),
    st.builds(
        TouchRecorded,
        direction=st.sampled_from(["inbound", "outbound", "unknown"]),
        outcome=st.sampled_from(["resolved", "unresolved"]),
        reason=st.sampled_from([None, "billing.dispute", "complaint.network"]),
    ),
    st.just(CaseOpened(case_id="c1", kind="complaint", reason="network")),
    st.just(CancelRequested()),
)
ids = st.integers(0, 11).map(lambda number: f"e{number}")
repairs = st.one_of(
    st.builds(
        TouchCorrected,
        touch_id=ids,
        outcome=st.none() | st.just("resolved"),
        reason=st.none() | st.just("billing.dispute"),
        occurred_at=st.none() | st.sampled_from([CUT - timedelta(days=9), CUT, CUT + timedelta(days=9)]),
    ),
    st.builds(TouchRetracted, touch_id=ids, why=st.just("a test")),
)
hours = st.integers(-24 * 500, 24 * 100)
"""From the cut; 0 is exactly at it."""


@st.composite
def histories(draw) -> list[Envelope]:
    envelopes = []
    for number, event in enumerate(draw(st.lists(happenings, max_size=12))):
        occurred_at = CUT + timedelta(hours=draw(hours))
        delay = draw(st.sampled_from([0, 0, 0, 1, 24 * 30, 24 * 400]))
        known_at = occurred_at + timedelta(hours=delay)
        envelopes.append(
            Envelope(
                event=event,
                event_id=f"e{number}",
                position=number,
                occurred_at=occurred_at,
                known_at=known_at,
                recorded_at=known_at,
                source="shop",
                source_id=f"{number}",
            )
        )
    return sorted(envelopes, key=lambda envelope: envelope.order)


@st.composite
def corrections(draw) -> list[Envelope]:
    """Of what `histories` tells, some known before the cut, some exactly at it, some after it."""
    found = []
    for number, event in enumerate(draw(st.lists(repairs, max_size=4))):
        at = CUT + timedelta(hours=draw(st.sampled_from([-48, -1, 0, 1, 24 * 30])))
        found.append(
            Envelope(
                event=event, event_id=f"r{number}", position=100 + number, occurred_at=at, known_at=at,
                recorded_at=at, source="desk", source_id=f"{number}",
            )
        )  # fmt: skip
    return found


def left(history: list[Envelope], end: datetime = END) -> bool | None:
    """Did they leave, as far as was known before `end`? None where the label says nothing of them."""
    rows = build(
        Histories.of({"one": history}), [CUT], label="no_activity", horizon_days=HORIZON, population_days=180,
        data_end=end,
    )  # fmt: skip
    return bool(rows.labels[0]) if len(rows) else None


def known_before(history: list[Envelope], moment: datetime) -> list[Envelope]:
    return [e for e in history if e.occurred_at < moment and e.known_at < moment]


@settings(max_examples=40, deadline=None)
@given(histories())
def test_later_and_back_dated_facts_change_no_past_row(history):
    """A fact of after the cut, or one back-dated that we learnt of after it, was not known then."""
    assert features(history, CUT) == features(known_before(history, CUT), CUT)


@settings(max_examples=40, deadline=None)
@given(histories(), histories())
def test_what_is_added_after_the_cut_is_invisible_before_it(history, more):
    later = [e for e in more if e.occurred_at >= CUT or e.known_at >= CUT]
    together = sorted([*history, *later], key=lambda envelope: envelope.order)
    assert features(together, CUT) == features(history, CUT)


@settings(max_examples=40, deadline=None)
@given(histories(), corrections())
def test_a_correction_is_applied_from_after_the_moment_it_was_known(history, repaired):
    """Features see the touches as the corrections of before the cut leave them, and no later ones."""
    known = [e for e in repaired if e.known_at < CUT]
    together = sorted([*history, *repaired], key=lambda envelope: envelope.order)
    assert features(together, CUT) == features([*history, *known], CUT)
    assert features(together, CUT) == features(effective([*history, *known]), CUT)


@settings(max_examples=40, deadline=None)
@given(histories(), histories())
def test_what_becomes_known_after_the_data_end_changes_no_label(history, more):
    later = [e for e in more if e.occurred_at >= END or e.known_at >= END]
    together = sorted([*history, *later], key=lambda envelope: envelope.order)
    assert left(together) == left(history)


@settings(max_examples=40, deadline=None)
@given(histories())
def test_features_and_label_share_no_event(history):
    """Every fact lies before the cut or in the label's window or after it, and in only one of them."""
    label_only = [e for e in history if e.occurred_at >= CUT]
    assert features(label_only, CUT) == features([], CUT)
    bought = Envelope(
        event=PurchaseRecorded(amount=Decimal(1)), event_id="b", position=0, source="shop", source_id="b",
        occurred_at=CUT - timedelta(days=1), known_at=CUT - timedelta(days=1), recorded_at=CUT,
    )  # fmt: skip
    silent = left([bought, *known_before(history, CUT)])
    assert silent is True
