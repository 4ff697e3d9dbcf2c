"""What happens in the sandbox's world, round by round: who sends what, and what is decided about whom."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec import Struct

from events.campaign import CampaignActivated, CampaignPlanned, CampaignStep, EnrolmentStarted
from events.case import CaseAcknowledged, CaseOpened, CaseResolved
from events.envelope import Event
from events.lifecycle import StageChanged
from events.offer import OfferDefined, PresentationMade
from events.opportunity import OpportunityCaptured, OpportunityStaged
from events.prediction import ChurnScored
from events.schedule import RunEnded
from events.target_list import TargetListMemberAdded, TargetListPublished

SOURCE = "sandbox"
Identifier = dict[str, str]


class Sent(Struct, frozen=True, kw_only=True):
    """An event as a sender would hand it in. `who` names the person of the story whom it shows."""

    who: str
    item: dict[str, Any]


class Decided(Struct, frozen=True, kw_only=True):
    """What was decided here, about a person of the story or about nobody ("")."""

    who: str
    event: Event


class Joined(Struct, frozen=True, kw_only=True):
    """Somebody said that two people of the story are one."""

    who: str
    other: str


class Parted(Struct, frozen=True, kw_only=True):
    """Somebody said that they are two after all; the other's events find their way back."""

    who: str
    other: str


class Split(Struct, frozen=True, kw_only=True):
    """Somebody took an identifier off a person: it is another's."""

    who: str
    other: str
    identifier: Identifier


class Erased(Struct, frozen=True, kw_only=True):
    """A person asked to be forgotten."""

    who: str


class Repeated(Struct, frozen=True, kw_only=True):
    """The last events come again on the topics, as after a crash of the relay."""

    events: int


Step = Sent | Decided | Joined | Parted | Split | Erased | Repeated


def story(number: str, now: datetime) -> list[Step]:
    """One round with people of its own; `number` tells rounds apart. Every family of events is in it."""
    world = _World(number, now)
    return [
        *world.an_offer(), *world.ann_calls(), *world.ben_shops(), *world.one_or_two(), *world.a_shared_phone(),
        *world.late_and_twice(), *world.a_campaign(), *world.dora_leaves(),
    ]  # fmt: skip


class _World:
    def __init__(self, number: str, now: datetime) -> None:
        self._number, self._now, self._count = number, now, 0
        digits = f"{sum(ord(one) * 31**at for at, one in enumerate(number)) % 1_000_000:06d}"
        self._phone = {"kind": "phone", "value": f"+1415{2 + int(digits[0]) % 8}{digits}"}
        self._brothers_phone = {"kind": "phone", "value": f"+1212{2 + int(digits[0]) % 8}{digits}"}

    def _account(self, name: str) -> Identifier:
        return {"kind": "account", "issuer": SOURCE, "value": f"{name}-{self._number}"}

    def _named(self, what: str) -> str:
        return f"{what}-{self._number}"

    def _sent(
        self, who: str, type: str, *also: Identifier, days_ago: float = 0.0, known: bool = True, **data: Any
    ) -> Sent:  # fmt: skip
        """An event of a person; `also` are identifiers that came with it, `known` whether the account did too."""
        self._count += 1
        named = ([self._account(who)] if known else []) + list(also)
        item: dict[str, Any] = {
            "type": type, "source": SOURCE, "source_id": f"{self._number}:{self._count}", "data": data,
            "identifiers": named if who else [],
        }  # fmt: skip
        if days_ago:
            item["occurred_at"] = (self._now - timedelta(days=days_ago)).isoformat()
        return Sent(who=who, item=item)

    def an_offer(self) -> list[Step]:
        """Marketing prepares; an agent begins her day."""
        return [
            Decided(who="", event=OfferDefined(
                offer=self._named("loyalty"), title="A month for free", eligibility="everybody",
                cost=Decimal(12), currency="EUR",
            )),
            Decided(who="", event=CampaignPlanned(
                campaign=self._named("spring"), purpose="retention",
                steps=(CampaignStep(step="sms", channel="sms", offer=self._named("loyalty")),),
            )),
            Decided(who="", event=CampaignActivated(campaign=self._named("spring"))),
            self._sent("", "agent.state_changed", agent="a-17", state="ready"),
        ]  # fmt: skip

    def ann_calls(self) -> list[Step]:
        """A contact with all its parts, and what it leads to."""
        call = self._named("call")
        return [
            self._sent("ann", "contact.started", self._phone, contact_id=call, channel="voice", direction="inbound"),
            self._sent("ann", "contact.queued", contact_id=call, queue="billing"),
            self._sent("ann", "contact.answered", contact_id=call, agent="a-17", wait_seconds=41),
            self._sent("ann", "identity.verified", method="pin", level=2, passed=True, channel="voice"),
            self._sent("ann", "touch.recorded", self._phone, contact_id=call, channel="voice", direction="inbound",
                       reason="billing.dispute", text="The bill of March is wrong, says Ann.", outcome="unresolved"),
            self._sent("ann", "contact.ended", contact_id=call, outcome="unresolved", talk_seconds=184),
            Decided(who="ann", event=CaseOpened(
                case_id=self._named("case"), kind="complaint", reason="billing.dispute",
                due_at=self._now + timedelta(days=2),
            )),
            Decided(who="ann", event=CaseAcknowledged(case_id=self._named("case"), channel="email")),
            self._sent("ann", "customer.described", name="Ann Example", language="en"),
            self._sent("ann", "consent.granted", channel="email", purpose="retention", basis="consent",
                       proof="form-7"),
            self._sent("ann", "holding.started", holding_id=self._named("line"), product="line.50m", price="30",
                       currency="EUR"),
            self._sent("ann", "usage.recorded", service="data", quantity=3.5, unit="GB"),
            self._sent("ann", "bill.issued", bill_id=self._named("bill"), amount="30", currency="EUR"),
            self._sent("ann", "survey.answered", question="recommend", method="follow_up", phase="after", score=6,
                       scale=10),
        ]  # fmt: skip

    def ben_shops(self) -> list[Step]:
        """A second customer, with something to be sold."""
        return [
            self._sent("ben", "touch.recorded", channel="chat", direction="inbound", reason="product.question"),
            self._sent("ben", "purchase.recorded", product="phone", amount="399", currency="EUR"),
            Decided(who="ben", event=OpportunityCaptured(
                opportunity_id=self._named("deal"), subject="line.50m", value=Decimal(360), currency="EUR",
            )),
            Decided(who="ben", event=OpportunityStaged(opportunity_id=self._named("deal"), stage="proposal")),
        ]  # fmt: skip

    def one_or_two(self) -> list[Step]:
        """Ann and Ben are taken for one, by a person's word, and are two again."""
        return [
            Joined(who="ann", other="ben"),
            self._sent("ben", "purchase.recorded", product="case", amount="19", currency="EUR"),
            self._sent("ann", "touch.recorded", self._phone, channel="email", direction="inbound"),
            Parted(who="ann", other="ben"),
            Decided(who="ann", event=CaseResolved(case_id=self._named("case"), outcome="solved")),
        ]

    def a_shared_phone(self) -> list[Step]:
        """Two brothers give one phone; then it turns out whose it is."""
        return [
            self._sent("carl", "purchase.recorded", self._brothers_phone, product="lamp", amount="25",
                       currency="EUR"),
            self._sent("dirk", "touch.recorded", self._brothers_phone, known=False, channel="voice",
                       direction="inbound", reason="delivery.late"),
            Split(who="carl", other="dirk", identifier=self._brothers_phone),
            self._sent("dirk", "touch.recorded", self._brothers_phone, known=False, channel="voice",
                       direction="inbound"),
        ]  # fmt: skip

    def late_and_twice(self) -> list[Step]:
        """What comes late, what is sent twice, and what comes again on the topics."""
        paid = self._sent("ben", "bill.paid", bill_id=self._named("old"), amount="20", currency="EUR")
        late = self._sent(
            "ann", "purchase.recorded", days_ago=40, product="router", amount="60", currency="EUR"
        )
        return [late, paid, paid, Repeated(events=5)]

    def a_campaign(self) -> list[Step]:
        """What a model foretells, on schedule; a list, a member, an attempt, an answer."""
        one, until = self._named("list"), self._now + timedelta(days=7)
        return [
            Decided(who="ann", event=ChurnScored(
                run=self._named("run"), artifact="sandbox", as_of=self._now, horizon_days=90, probability=0.4,
                rank=1, of=2,
            )),
            Decided(who="", event=RunEnded(
                job="scores", words=("score",), due_at=self._now, started_at=self._now, outcome="done", exit_status=0,
            )),
            Decided(who="ann", event=StageChanged(
                before="developing", after="at_risk", since=self._now, rule="scored",
            )),
            Decided(who="", event=TargetListPublished(
                list_id=one, purpose="retention", series="retention", as_of=self._now, position=0,
                definition={"offer": "loyalty"}, artifact="sandbox", holdout_seed="sandbox", candidates=1, members=1,
                holdout=0, suppressed=0, beyond=0, sha256="sandbox",
            )),
            Decided(who="ann", event=TargetListMemberAdded(
                list_id=one, series="retention", purpose="retention", rank=1, probability=0.4, value=Decimal(30),
                currency="EUR", offer=self._named("loyalty"), channel="email", window_from=self._now,
                window_until=until,
            )),
            Decided(who="ann", event=EnrolmentStarted(
                enrolment_id=self._named("enrolment"), campaign=self._named("spring"), list_id=one,
            )),
            self._sent("ann", "attempt.made", attempt_id=self._named("try"), channel="email"),
            Decided(who="ann", event=PresentationMade(
                presentation_id=self._named("shown"), offer=self._named("loyalty"), channel="email",
                purpose="retention",
            )),
            self._sent("ann", "presentation.answered", presentation_id=self._named("shown"),
                       offer=self._named("loyalty"), answer="accepted", channel="email"),
            self._sent("ann", "attempt.answered", attempt_id=self._named("try"), outcome="delivered"),
        ]  # fmt: skip

    def dora_leaves(self) -> list[Step]:
        """A customer asks to be forgotten."""
        return [
            self._sent("dora", "customer.described", name="Dora Example", note="prefers mornings"),
            self._sent("dora", "purchase.recorded", product="radio", amount="45", currency="EUR"),
            Erased(who="dora"),
        ]
