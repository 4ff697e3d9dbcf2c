"""What an agent sees before the first word."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from events.case import CaseImported, CaseOpened, CaseReopened, CaseResolved
from events.consent import ConsentGranted, ConsentWithdrawn
from events.contact import ContactEnded, ContactStarted, ContactWrappedUp
from events.envelope import IdentifierRef
from events.holding import HoldingChanged, HoldingEnded, HoldingStarted, PurchaseRecorded, PurchaseReturned
from events.identity import (
    CustomersMerged,
    IdentifierBlocked,
    IdentifierLinked,
    IdentifierUnreachable,
    PersonVerified,
)
from events.opportunity import OpportunityCaptured, OpportunityImported, OpportunityStaged, OpportunityWon
from events.prediction import (
    ChurnScored,
    PersonaAssigned,
    ProductsRelated,
    RelatedProduct,
    ScoreReason,
    ValueForetold,
)
from events.touch import TouchRecorded
from models.domain.permission import Permitted, permission
from models.domain.rules import REACH
from models.domain.verification import carried
from models.projections.customer_360 import ConsentState, Contact, Customer360, Holding, Value
from models.projections.projection import play
from models.projections.reachability import addresses, reachable
from tests.support.spec import happened

VIEW = Customer360("UTC")
DAY = datetime(2026, 3, 2, tzinfo=UTC)
PHONE = IdentifierRef(kind="phone", hash="p", facets={"country": "CN", "zone": "Asia/Shanghai"})
MAIL = IdentifierRef(kind="email", hash="m")
SECOND = IdentifierRef(kind="email", hash="m2")
MOBILE = IdentifierRef(kind="phone", hash="q", facets={"line": "mobile"})


def at(hour, minute=0, day=0):
    return DAY + timedelta(days=day, hours=hour, minutes=minute)


def seen(*parts, until=None):
    """The row after (when, event) in order; `until` presents it at a moment."""
    history = [happened(event, when, customer="c") for when, event in parts]
    row = play(VIEW, history, "c").get("c")
    return VIEW.present(row, until) if until else row


def call(**said):
    return TouchRecorded(channel="voice", direction="inbound", **said)


def linked(ref):
    return IdentifierLinked(customer="c", identifier=ref)


def test_the_third_contact_today_names_the_last_and_what_is_open():
    row = seen(
        (at(10), TouchRecorded(channel="chat", direction="inbound", reason="billing.dispute")),
        (at(14, 2), call(reason="billing.dispute", outcome="unresolved")),
        (at(16, 30), call(contact_id="now")),
        until=at(16, 31),
    )
    assert (row.contacts_today, row.contacts_ever) == (3, 3)
    last = row.contacts[-2]
    assert (last.at, last.channel, last.open_reason) == (at(14, 2), "voice", "billing.dispute")


def test_today_is_the_customers_own_day():
    """16:30 in London is half past midnight in Shanghai."""
    parts = [(at(9), linked(PHONE)), (at(15, 30), call()), (at(16, 30), call())]
    assert seen(*parts, until=at(17)).contacts_today == 1
    assert seen(*parts[1:], until=at(17)).contacts_today == 2
    blocked = IdentifierBlocked(key="p", identifier=PHONE, why="shared_by_many")
    assert seen(*parts, (at(16, 40), blocked), until=at(17)).contacts_today == 2


def test_tomorrow_there_was_no_contact_yet_and_before_it_none_either():
    parts = [(at(10), call()), (at(11), call())]
    assert seen(*parts, until=at(1, day=1)).contacts_today == 0
    assert seen(*parts, until=at(10, 30)).contacts_today == 1


def test_page_views_one_way_messages_and_test_calls_are_no_contacts():
    row = seen(
        (at(9), TouchRecorded(channel="web")), (at(10), TouchRecorded(channel="sms", direction="outbound")),
        (at(11), call(outside="phantom")),
        (at(12), ContactStarted(contact_id="k", channel="voice", direction="inbound", outside="test")),
    )  # fmt: skip
    assert (row.contacts, row.contacts_ever) == ((), 0)


def test_a_contact_is_one_however_many_parts_tell_of_it():
    row = seen(
        (at(10), ContactStarted(contact_id="k", channel="voice", direction="inbound")),
        (
            at(10, 5),
            ContactWrappedUp(contact_id="k", reason="billing", outcome="unresolved", confirmed=False),
        ),
        (at(10, 6), ContactEnded(contact_id="k")),
        (at(10, 7), call(contact_id="k", outcome="resolved")),
    )
    assert row.contacts == (
        Contact(
            contact_id="k", at=at(10), channel="voice", reason="billing", outcome="resolved", confirmed=False
        ),
    )
    assert row.contacts_ever == 1


def test_whether_it_is_solved_the_customers_own_word_says_first():
    def reason_left_open(**said):
        return seen((at(9), call(reason="billing", **said))).contacts[0].open_reason

    assert reason_left_open() == "billing"
    assert reason_left_open(outcome="resolved") == ""
    assert reason_left_open(outcome="resolved", confirmed=False) == "billing"
    assert reason_left_open(outcome="unresolved", confirmed=True) == ""


def test_old_contacts_are_counted_but_not_kept():
    row = seen((at(9), call()), (at(10), call()), (at(9, day=5), call()))
    assert ([one.at for one in row.contacts], row.contacts_ever) == ([at(9, day=5)], 3)


def test_value_is_what_was_bought_less_what_came_back_by_currency():
    row = seen(
        (at(9), PurchaseRecorded(amount=Decimal("9.90"), currency="EUR")), (at(10), PurchaseRecorded(currency="EUR")),
        (at(11), PurchaseRecorded(amount=Decimal(5), currency="USD")),
        (at(12), PurchaseReturned(amount=Decimal("0.90"), currency="EUR")),
    )  # fmt: skip
    assert row.value == {
        "EUR": Value(
            purchases=2, returns=1, amount=Decimal("9.00"), unpriced=1, first_at=at(9), last_at=at(10)
        ),
        "USD": Value(purchases=1, amount=Decimal(5), first_at=at(11), last_at=at(11)),
    }


def test_holdings_are_those_that_last():
    row = seen(
        (at(9), HoldingStarted(holding_id="1", product="small", price=Decimal(9), currency="EUR")),
        (at(10), HoldingStarted(holding_id="2", product="roaming")),
        (at(11), HoldingChanged(holding_id="1", product="large")), (at(12), HoldingEnded(holding_id="2")),
        (at(13), HoldingChanged(holding_id="unknown", product="large")),
    )  # fmt: skip
    assert row.holdings == {
        "1": Holding(holding_id="1", product="large", since=at(9), price=Decimal(9), currency="EUR")
    }


def test_the_last_word_on_a_consent_stands_and_one_that_ran_out_is_none():
    yes = ConsentGranted(
        channel="sms", purpose="retention", basis="opt_in", proof="form", expires_at=at(0, day=9)
    )
    row = seen((at(9), yes), (at(10), ConsentWithdrawn(basis="register")))
    said = {(one.channel, one.purpose): one for one in row.consents.values()}
    assert set(said) == {("sms", "retention"), ("", "")}
    assert said["", ""] == ConsentState(
        channel="",
        purpose="",
        granted=False,
        basis="register",
        since=at(10),
        event_id=said["", ""].event_id,
        side=said["", ""].side,
    )
    assert len(seen((at(9), yes), until=at(23, 59, day=8)).consents) == 1
    assert seen((at(9), yes), until=at(0, day=9)).consents == {}


def test_the_complaint_that_was_settled_last_is_known():
    row = seen(
        (at(7), CaseImported(case_id="0", kind="complaint", reason="old", resolved_at=at(6))),
        (at(8), CaseOpened(case_id="1", kind="fault", reason="noise")),
        (at(9), CaseOpened(case_id="2", kind="complaint", reason="billing")),
        (at(10), CaseResolved(case_id="1", outcome="mended")), (at(11), CaseResolved(case_id="2", outcome="refunded")),
    )  # fmt: skip
    assert not row.has_open_complaint
    assert row.settled_complaint is not None
    assert (row.settled_complaint.case_id, row.settled_complaint.settled_at) == ("2", at(11))
    assert [one.case_id for one in row.complaints] == ["0", "2"]


def test_cases_and_opportunities_are_open_until_they_are_over():
    row = seen(
        (at(9), CaseOpened(case_id="1", kind="complaint", reason="billing")),
        (at(9), CaseOpened(case_id="2", kind="complaint", reason="noise")),
        (at(9), CaseImported(case_id="3", kind="complaint", reason="old")),
        (at(10), CaseResolved(case_id="1", outcome="refunded")), (at(10), CaseResolved(case_id="2", outcome="x")),
        (at(11), CaseReopened(case_id="2", why="again")),
        (at(12), OpportunityCaptured(opportunity_id="1", subject="loan")),
        (at(12), OpportunityCaptured(opportunity_id="2", subject="line")),
        (at(12), OpportunityImported(opportunity_id="3", subject="line", closed="lost")),
        (at(13), OpportunityStaged(opportunity_id="2", stage="proposal")), (at(14), OpportunityWon(opportunity_id="1")),
    )  # fmt: skip
    assert set(row.open_cases) == {"2"}
    assert row.has_open_complaint
    assert row.open_opportunities == {"2": "proposal"}


def test_the_newest_score_is_shown_with_its_reasons():
    why = (ScoreReason(feature="silence", says="60 days", contribution=0.7),)
    scored = [
        ChurnScored(
            run="r", artifact="a", as_of=at(9), horizon_days=180, probability=p, rank=1, of=9, reasons=why
        )
        for p in (0.5, 0.7)
    ]
    row = seen((at(9), scored[0]), (at(10), scored[1]))
    assert (row.churn.probability, row.churn.reasons) == (0.7, why)


def test_the_last_value_persona_and_products_are_shown_with_their_events():
    run = {"run": "r", "as_of": at(9)}
    items = (RelatedProduct(item="pot", score=1.5, because=("tea",)),)
    row = seen(
        (
            at(9),
            ValueForetold(model="contract", horizon_days=365, amount=Decimal(90), monthly=Decimal(9), **run),
        ),
        (at(9), PersonaAssigned(persona="recent, rare, low spend", place=4, of=4, freeze=1, **run)),
        (at(9), ProductsRelated(items=(), **run)),
        (at(10), ValueForetold(model="bg_nbd", horizon_days=90, amount=Decimal(40), purchases=2.5, **run)),
        (at(10), PersonaAssigned(persona="recent, frequent, high spend", place=1, of=4, freeze=2, **run)),
        (at(10), ProductsRelated(items=items, **run)),
    )
    value, persona, related = row.value_foretold, row.persona, row.related
    assert (value.amount, value.horizon_days, value.model, value.purchases) == (40, 90, "bg_nbd", 2.5)
    assert (value.monthly, value.staying, value.as_of) == (None, None, at(9))
    assert (persona.persona, persona.place, persona.freeze) == ("recent, frequent, high spend", 1, 2)
    assert related.items == items
    assert [one.event_id for one in (value, persona, related)] == [
        f"prediction.{name} 2026-03-02T10:00" for name in ("value_foretold", "persona_assigned", "products_related")
    ]  # fmt: skip
    assert (row.first_at, row.last_at) == (None, None)


def test_first_and_last_seen_are_about_the_customer_not_about_records():
    scored = ChurnScored(run="r", artifact="a", as_of=at(9), horizon_days=1, probability=0, rank=1, of=1)
    row = seen((at(9), linked(MAIL)), (at(10), call()), (at(11), PurchaseRecorded()), (at(12), scored))
    assert (row.first_at, row.last_at) == (at(10), at(11))
    assert [one.hash for one in row.identifiers] == ["m"]


def test_a_blocked_identifier_is_marked():
    blocked = IdentifierBlocked(key="p", identifier=PHONE, why="shared_by_many")
    row = seen((at(9), linked(PHONE)), (at(9), linked(MAIL)), (at(9), linked(PHONE)), (at(10), blocked))
    assert [(one.hash, one.blocked) for one in row.identifiers] == [("p", True), ("m", False)]


def may(row, channel, basis=""):
    """May this customer be contacted for retention on this channel?"""
    stands = reachable(row, suppressed=False)
    return permission(stands, "retention", (channel,), {channel: basis} if basis else {}, REACH)


def bounced(*, permanent=True, channel="email", why="bounced"):
    return IdentifierUnreachable(channel=channel, why=why, permanent=permanent)


def told(*parts):
    """The row after (when, event, identifiers) in order."""
    history = [happened(event, when, customer="c", identifiers=refs) for when, event, refs in parts]
    return play(VIEW, history, "c")["c"]


def test_an_address_that_bounced_is_no_way_and_the_next_one_is_taken():
    known = ((at(1), linked(SECOND), ()), (at(2), linked(MAIL), ()))
    assert [one.hash for one in addresses(told(*known), "email", ("email",))] == ["m", "m2"]
    row = told(*known, (at(3), bounced(), (MAIL,)))
    [lost] = row.unreachable
    assert (lost.key, lost.channel, lost.why, lost.permanent, lost.since) == (
        MAIL.key, "email", "bounced", True, at(3),
    )  # fmt: skip
    assert [one.hash for one in addresses(row, "email", ("email",))] == ["m2"]
    assert may(row, "email", basis="contract") == Permitted("email", "contract")
    both = told(*known, (at(3), bounced(), (MAIL, SECOND)))
    assert may(both, "email", basis="contract") == "not_reachable"


def test_a_full_mailbox_is_shown_and_still_written_to_and_does_not_undo_a_dead_one():
    row = told((at(1), linked(MAIL), ()), (at(2), bounced(permanent=False, why="blocked"), (MAIL,)))
    assert [one.why for one in row.unreachable] == ["blocked"]
    assert [one.hash for one in addresses(row, "email", ("email",))] == ["m"]
    dead = told(
        (at(1), linked(MAIL), ()), (at(2), bounced(), (MAIL,)), (at(3), bounced(permanent=False), (MAIL,))
    )
    assert [(one.permanent, one.since) for one in dead.unreachable] == [(True, at(2))]


def test_whatever_comes_from_an_address_or_is_delivered_there_shows_that_it_works():
    lost = ((at(1), linked(MAIL), ()), (at(2), bounced(), (MAIL,)))
    written = TouchRecorded(channel="email", direction="inbound", text="hello")
    delivered = TouchRecorded(channel="email", direction="outbound", attributes={"delivery": "delivered"})
    sent = TouchRecorded(channel="email", direction="outbound", attributes={"delivery": "bounced"})
    assert not told(*lost, (at(3), written, (MAIL,))).unreachable
    assert not told(*lost, (at(3), delivered, (MAIL,))).unreachable
    for other in ((at(3), sent, (MAIL,)), (at(3), written, (SECOND,)), (at(1, 30), written, (MAIL,))):
        assert told(*sorted((*lost, other), key=lambda part: part[0])).unreachable


def test_a_number_without_text_messages_can_still_be_called():
    row = told((at(1), linked(MOBILE), ()), (at(2), bounced(channel="sms", why="landline"), (MOBILE,)))
    assert list(addresses(row, "sms", ("mobile",))) == []
    assert [one.hash for one in addresses(row, "voice", ("phone",))] == ["q"]


# Two who turn out to be one: whom does a word reach, and for whom does a proof hold?


def of(side, hour, event, event_id="", **more):
    """Something of one side, in the history of the one customer."""
    return happened(event, at(hour), event_id=event_id, customer=side, **more)


def has(side, hour, ref):
    return of(side, hour, IdentifierLinked(customer=side, identifier=ref), stream=f"identity-{side}")


def says(side, hour, *, event_id, channel="voice"):
    yes = ConsentGranted(channel=channel, purpose="retention", basis="consent", proof="tape")
    return of(side, hour, yes, event_id)


def became(absorbed, survivor, hour, cause=""):
    merged = CustomersMerged(survivor=survivor, absorbed=absorbed)
    return of(survivor, hour, merged, stream=f"identity-{survivor}", cause=cause)


def one(*history):
    """The row of the customer whom all of these are about, in the order in which a fold meets them."""
    return play(VIEW, sorted(history, key=lambda e: e.order), "ann")["ann"]


def called(row):
    """What allows a call, and the number that would be called."""
    allowed = may(row, "voice")
    found = addresses(row, "voice", ("phone",), allowed if isinstance(allowed, Permitted) else None)
    return getattr(allowed, "basis", allowed), [held.hash for held in found]


def test_nobodys_number_is_called_on_the_word_of_somebody_a_merge_brought_in():
    """Ann has a phone and said nothing, Bob said yes and has none: as one they may not be called either."""
    apart = (has("ann", 1, PHONE), has("bob", 1, MAIL), says("bob", 2, event_id="his"))
    assert called(one(*apart, became("bob", "ann", 3)))[0] == "not_reachable"
    assert called(one(*apart, became("ann", "bob", 3)))[0] == "not_reachable", "whoever survives"


def test_of_two_numbers_the_one_of_whoever_said_yes_is_called():
    row = one(
        has("ann", 1, PHONE), has("bob", 2, MOBILE), says("ann", 3, event_id="hers"), became("bob", "ann", 4)
    )
    assert called(row) == ("hers", ["p"]), "though the other was seen last"


def test_a_number_that_its_speaker_shows_later_is_reached_and_the_others_is_not():
    row = one(
        has("ann", 1, PHONE), says("bob", 2, event_id="his"), became("bob", "ann", 3), has("bob", 4, MOBILE)
    )
    assert called(row) == ("his", ["q"])


def test_a_visitor_who_turns_out_to_be_a_customer_takes_no_permission_away():
    cookie = IdentifierRef(kind="cookie", hash="k")
    known = (has("bob", 2, PHONE), says("bob", 3, event_id="his"), has("ann", 1, cookie))
    assert called(one(*known, became("bob", "ann", 4))) == ("his", ["p"]), "though the visitor is the older"


def test_what_the_one_customer_says_after_the_merge_reaches_all():
    apart = (has("ann", 1, PHONE), has("bob", 1, MOBILE), says("bob", 2, event_id="his"))
    row = one(*apart, became("bob", "ann", 3), says("bob", 4, event_id="new"))
    basis, numbers = called(row)
    assert (basis, sorted(numbers)) == ("new", ["p", "q"])
    assert len(row.consents) == 1


def test_a_word_that_itself_shows_two_to_be_one_is_said_by_both():
    row = one(
        has("ann", 1, PHONE), says("bob", 2, event_id="his"), became("bob", "ann", 2, cause="his"),
    )  # fmt: skip
    assert called(row) == ("his", ["p"])
    other = one(has("ann", 1, PHONE), says("bob", 2, event_id="his"), became("bob", "ann", 2, cause="else"))
    assert called(other)[0] == "not_reachable", "a merge of the same instant by something else"


def test_a_no_of_either_holds_for_both_and_both_words_stay():
    no = of("bob", 2, ConsentWithdrawn(basis="call", channel="voice"), "no")
    row = one(has("ann", 1, PHONE), says("ann", 2, event_id="hers"), no, became("bob", "ann", 3))
    assert called(row)[0] == "consent_withdrawn"
    assert {word.event_id for word in row.consents.values()} == {"hers", "no"}


def proved(side, hour, *, level=1, lasts=9):
    passed = PersonVerified(
        method="code", level=level, passed=True, channel="ivr", expires_at=at(hour + lasts)
    )
    return of(side, hour, passed, f"proof of {side} at {hour}")


def proven(row, hour):
    """The proof that the view shows."""
    found = carried(row.proofs, row.sides, at(hour))
    return found and found.event_id


def test_a_proof_is_shown_until_it_runs_out_and_until_a_merge_brings_somebody_in():
    apart = (has("ann", 1, PHONE), has("bob", 1, MAIL), proved("ann", 2, level=3))
    assert proven(one(apart[0], apart[2]), 3) == "proof of ann at 2"
    assert proven(one(apart[0], apart[2]), 11) is None
    merged = (*apart, became("bob", "ann", 3))
    assert proven(one(*merged), 4) is None
    assert proven(one(*merged, proved("bob", 5)), 6) == "proof of bob at 5", "passed since they are one"
    assert proven(one(*apart), 3) is None, "two of whom we know only today that they are one"


def test_a_proof_that_proves_no_more_is_not_kept_and_a_failure_takes_none_away():
    failed = of("ann", 4, PersonVerified(method="code", level=9, passed=False))
    row = one(has("ann", 1, PHONE), proved("ann", 2), proved("ann", 3, level=2), failed)
    assert [proof.event_id for proof in row.proofs] == ["proof of ann at 3"]
    assert [proof.level for proof in one(proved("ann", 2, level=2), proved("ann", 3)).proofs] == [2, 1]
    assert VIEW.present(row, at(12)).proofs == ()
