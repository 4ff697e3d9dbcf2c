"""Histories that nobody would write by hand, for properties that must hold of all."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from events.contact import ContactAnswered, ContactEnded, ContactQueued, ContactStarted
from events.envelope import Envelope
from events.holding import (
    CancelRequested,
    HoldingEnded,
    HoldingStarted,
    PurchaseRecorded,
    SaveAccepted,
    UsageRecorded,
)
from events.prediction import ChurnScored
from events.touch import TouchRecorded
from tests.support.sending import account, email, item, phone
from tests.support.spec import happened

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
CONTACTS = st.sampled_from(["x", "y"])
HOLDINGS = st.sampled_from(["line", "add-on"])
ACTS = st.one_of(
    st.just(PurchaseRecorded()),
    st.just(UsageRecorded(service="calls", quantity=1, unit="minute")),
    st.builds(HoldingStarted, holding_id=HOLDINGS, product=st.just("plan")),
    st.builds(HoldingEnded, holding_id=HOLDINGS),
    st.just(CancelRequested()),
    st.just(SaveAccepted()),
    st.builds(TouchRecorded, signals=st.sampled_from([(), ("leaving",), ("angry",)])),
    st.builds(TouchRecorded, channel=st.sampled_from(["voice", "chat"]), contact_id=st.none() | CONTACTS),
    st.builds(ContactStarted, contact_id=CONTACTS, channel=st.just("voice")),
    st.builds(ContactQueued, contact_id=CONTACTS, queue=st.sampled_from(["a", "b"])),
    st.builds(ContactAnswered, contact_id=CONTACTS, agent=st.sampled_from(["ann", "bob"])),
    st.builds(ContactEnded, contact_id=CONTACTS, talk_seconds=st.none() | st.just(9.0)),
    st.builds(
        ChurnScored, run=st.just("r"), artifact=st.just("a"), as_of=st.just(BEGIN), horizon_days=st.just(180),
        probability=st.sampled_from([0.1, 0.39, 0.4, 0.6, 0.9]), rank=st.just(1), of=st.just(1),
    ),
)  # fmt: skip


@st.composite
def life_stories(draw: st.DrawFn, customer: str = "customer-1") -> list[Envelope]:
    """One customer's events in order, from minutes to years apart, some at the same instant."""
    at, history = BEGIN, []
    gaps = st.one_of(st.just(0.0), st.floats(0, 2), st.floats(0, 40), st.floats(80, 400))
    for number, event in enumerate(draw(st.lists(ACTS, min_size=1, max_size=25))):
        at += timedelta(days=draw(gaps))
        history.append(happened(event, at, f"event {number}", source_id=f"{number:03}", customer=customer))
    return history


class Act(msgspec.Struct, frozen=True):
    """One thing a sender or a person does; `on` is the number of an earlier act it repeats or puts right."""

    kind: str
    on: int = 0
    item: dict[str, Any] = {}


HOURS = st.integers(0, 24 * 300)
_CHANNELS = st.sampled_from(["voice", "chat", "email", "web"])
_DATA = {
    "touch.recorded": st.fixed_dictionaries(
        {"channel": _CHANNELS, "direction": st.sampled_from(["inbound", "outbound"])},
        optional={
            "contact_id": st.sampled_from(["k1", "k2"]), "reason": st.sampled_from(["bill", "roaming"]),
            "outcome": st.sampled_from(["resolved", "unresolved"]), "signals": st.just(["leaving"]),
        },
    ),
    "contact.started": st.fixed_dictionaries(
        {"contact_id": st.sampled_from(["k1", "k2"]), "channel": _CHANNELS, "direction": st.just("inbound")}
    ),
    "contact.wrapped_up": st.fixed_dictionaries(
        {"contact_id": st.sampled_from(["k1", "k2"]), "outcome": st.sampled_from(["resolved", "unresolved"])}
    ),
    "purchase.recorded": st.fixed_dictionaries(
        {}, optional={"amount": st.sampled_from(["1", "2.50"]), "currency": st.sampled_from(["EUR", "USD"])}
    ),
    "purchase.returned": st.fixed_dictionaries({"amount": st.just("1"), "currency": st.just("EUR")}),
    "usage.recorded": st.just({"service": "calls", "quantity": 1, "unit": "minute"}),
    "holding.started": st.fixed_dictionaries({"holding_id": HOLDINGS, "product": st.just("plan")}),
    "holding.changed": st.fixed_dictionaries({"holding_id": HOLDINGS, "product": st.just("other")}),
    "holding.ended": st.fixed_dictionaries({"holding_id": HOLDINGS}),
    "holding.cancel_requested": st.just({}),
    "holding.save_accepted": st.just({}),
    "consent.granted": st.just({"channel": "sms", "purpose": "retention", "basis": "opt_in", "proof": "form"}),
    "consent.withdrawn": st.just({"basis": "asked"}),
}  # fmt: skip
_LIKELY = ("touch.recorded", "touch.recorded", "purchase.recorded", "purchase.recorded")
_FACTS = st.sampled_from([*_DATA, *_LIKELY])


def _names(pool: list[dict[str, str]]) -> st.SearchStrategy[list[dict[str, str]]]:
    """Mostly one; two or three at a time are what links and merges."""
    one, more = st.lists(st.sampled_from(pool), min_size=1, max_size=1), st.permutations(pool)
    return st.one_of(
        st.just([]), one, one, more.map(lambda found: found[:2]), more.map(lambda found: found[:3])
    )


@st.composite
def _facts(draw: st.DrawFn, pool: list[dict[str, str]]) -> Act:
    wire = draw(_FACTS)
    refs = draw(_names(pool))
    at, origin = BEGIN + timedelta(hours=draw(HOURS)), draw(st.sampled_from(["live", "import"]))
    return Act("send", item=item("", *refs, type=wire, at=at, origin=origin, **draw(_DATA[wire])))


@st.composite
def _opportunities(draw: st.DrawFn, pool: list[dict[str, str]]) -> Act:
    refs = draw(_names(pool))
    at, closed = BEGIN + timedelta(hours=draw(HOURS)), draw(st.sampled_from([{}, {"closed": "won"}]))
    data = {"opportunity_id": draw(st.sampled_from("xy")), "subject": "loan", "value": "5", **closed}
    return Act("send", item=item("", *refs, type="opportunity.imported", origin="import", at=at, **data))


@st.composite
def acts(draw: st.DrawFn, least: int = 12, most: int = 30) -> list[Act]:
    """What senders and people do about a handful of people: late, twice, wrongly, and under many names."""
    pool = [
        *(account(name) for name in "ab"), *(phone(f"+1415200000{n}") for n in range(2)),
        *(email(f"person{n}@example.com") for n in range(3)),
    ]  # fmt: skip
    earlier = st.integers(0, most - 1)
    kinds = st.one_of(
        *[_facts(pool)] * 4,
        _opportunities(pool),
        st.builds(Act, st.sampled_from(["repeat", "correct", "move", "retract"]), earlier),
        st.builds(Act, st.sampled_from(["stage", "win", "reopen"]), st.integers(0, 1)),
    )
    return draw(st.lists(kinds, min_size=least, max_size=most))
