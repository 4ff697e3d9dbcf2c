"""A workspace's rules: windows, thresholds, stages, clocks, legal bases. All have defaults."""

import tomllib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from events.vocabulary import Channel, Code, Currency, IdentifierKind, Name, Share
from models.domain.calling_window import Times
from models.domain.offering import Offer, Offering, offered_once
from models.domain.schedule import Scheduled, named_once

Amount = Annotated[Decimal, Meta(description="In the workspace's own currency; not negative.")]


class LifecycleRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Windows and thresholds of the life cycle (days, probabilities)."""

    active_days: int = 180
    developing_days: int = 90
    regained_days: int = 90
    enter_at_risk: float = 0.6
    leave_at_risk: float = 0.4
    median_gap_days: float | None = None
    silence_factor: float = 2.0
    least_silence_days: float = 7
    leaving_signals: frozenset[str] = frozenset({"leaving", "cancel", "competitor"})

    @property
    def active(self) -> timedelta:
        """How long a purchase or use keeps a customer active (H)."""
        return timedelta(days=self.active_days)

    @property
    def workspace_gap_days(self) -> float:
        """The median gap assumed for a customer who has fewer than two; H/2 unless set."""
        return self.median_gap_days if self.median_gap_days is not None else self.active_days / 2


class Route(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Opportunities whose subject begins so go to this department; the longest beginning wins."""

    subject: str
    department: str


class OpportunityRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stages in order, who gets what, and how soon a department must follow up."""

    stages: tuple[str, ...] = ("captured", "qualified", "proposal", "negotiation")
    routes: tuple[Route, ...] = (Route(subject="leased_line", department="corporate"),)
    default_department: str = "sales"
    follow_up_hours: float = 4


CONTACT_COST: dict[Channel, Decimal] = {
    "email": Decimal("0.01"), "sms": Decimal("0.05"), "voice": Decimal("3"), "post": Decimal("1"),
}  # fmt: skip


class Tier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another offer for those of whom at least this much is at stake, with its own cost and acceptance."""

    least_value: Amount
    offer: Name
    offer_cost: Amount
    acceptance: Share

    def __post_init__(self) -> None:
        _money(self.least_value, self.offer_cost)


class ListRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a purpose may do and what it costs. Money is in the workspace's own currency.

    `acceptance` is the share of contacted customers the offer is thought to keep or bring back, until
    lists have been measured; `margin` the share of a customer's spending that the company keeps;
    `budget` what contacts and offers of one list may cost together (none: no limit); `capacity` how
    many may be contacted, the hold-out counted in; of the `tiers` each customer has the one with the highest
    `least_value` that they reach, and without one the offer itself; `measure_days` after the row's window begins
    it is looked what became of everybody drawn, members and hold-out; `legal_basis` names the basis of each channel
    that may be used without a consent on record. A channel that `contact_cost` does not name costs what
    `CONTACT_COST` says, and nothing where that is silent too.
    """

    offer: Name
    offer_cost: Amount = Decimal("2")
    contact_cost: dict[Channel, Amount] = field(default_factory=dict)
    acceptance: Share = 0.2
    margin: Share = 0.3
    budget: Amount | None = None
    capacity: Annotated[int, Meta(ge=0)] = 1_000
    holdout: Share = 0.1
    channels: tuple[Channel, ...] = ("email", "sms", "voice", "post")
    legal_basis: dict[Channel, Code] = field(default_factory=dict)
    days_open: Annotated[int, Meta(ge=1)] = 28
    measure_days: Annotated[int, Meta(ge=1)] = 90
    tiers: tuple[Tier, ...] = ()

    def __post_init__(self) -> None:
        _money(self.offer_cost, *self.contact_cost.values(), self.budget or Decimal(0))

    def cost_of(self, channel: Channel) -> Decimal:
        """What one contact on a channel costs."""
        return self.contact_cost.get(channel, CONTACT_COST.get(channel, Decimal(0)))

    def for_value(self, value: Decimal) -> "ListRules":
        """The same with the offer of the highest tier that this much at stake reaches."""
        reached = [one for one in self.tiers if one.least_value <= value]
        if not reached:
            return self
        best = max(reached, key=lambda one: one.least_value)
        return msgspec.structs.replace(
            self, offer=best.offer, offer_cost=best.offer_cost, acceptance=best.acceptance
        )


def _money(*amounts: Decimal) -> None:
    if not all(amount.is_finite() and amount >= 0 for amount in amounts):
        raise ValueError("an amount of money must be a number, and not negative")


class NeverIdentify(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Values of a kind that say nothing of who somebody is; `value` may have `*` for any letters, as in `info@*`.

    It is compared with the normalised value: a phone as +14155552671, a mail address in small letters.
    """

    kind: IdentifierKind
    value: Name


NEVER: tuple[NeverIdentify, ...] = (
    *(NeverIdentify(kind="email", value=f"{name}@*") for name in (
        "test", "noreply", "no-reply", "donotreply", "do-not-reply", "nobody", "none", "unknown", "anonymous",
        "mailer-daemon", "postmaster",
    )),
    *(NeverIdentify(kind="email", value=f"*@{host}") for host in ("example.invalid", "localhost", "test.invalid")),
    *(NeverIdentify(kind=kind, value=value) for kind in ("openid", "cookie", "device", "account")
      for value in ("anonymous", "null", "undefined", "unknown", "guest")),
    *(NeverIdentify(kind=kind, value=value) for kind in ("openid", "cookie", "device")
      for value in ("none", "0", "-1", "00000000-0000-0000-0000-000000000000")),
)  # fmt: skip
"""What identifies nobody in any company."""

REACH: dict[Channel, tuple[str, ...]] = {
    "voice": ("phone",), "sms": ("mobile",), "email": ("email",), "post": ("account",),
}  # fmt: skip


class Rules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a company may set about its rules, in one TOML file."""

    lifecycle: LifecycleRules = LifecycleRules()
    opportunity: OpportunityRules = OpportunityRules()
    retention: ListRules = ListRules(offer="loyalty_gesture")
    win_back: ListRules = ListRules(offer="welcome_back")
    reach: dict[Channel, tuple[str, ...]] = field(default_factory=lambda: dict(REACH))
    """Which kinds of identifier a channel can use; `mobile` is a phone on a mobile line. A company finds
    postal addresses under its account numbers."""
    never_identify: tuple[NeverIdentify, ...] = ()
    """Beside `NEVER`: the company's own numbers, switchboards, addresses that many people write from."""
    calling: tuple[Times, ...] = ()
    """The company's own hours for a channel, or for a channel and a purpose, before `calling_window.TIMES`."""
    keep_days: dict[str, Annotated[int, Meta(ge=1)]] = {}
    """How long personal values are kept, by event type (or `raw_body`, `quarantine`); what is not named, for ever."""
    currency: Currency = ""
    """The workspace's own; empty: the one in which most of a list's candidates bought."""
    schedule: tuple[Scheduled, ...] = ()
    """What runs by itself, in this order where several are due at once."""
    offers: tuple[Offer, ...] = ()
    """What may be offered, and to whom."""
    offering: Offering = Offering()

    def __post_init__(self) -> None:
        named_once(one.job() for one in self.schedule)
        offered_once(self.offers)


def load_rules(path: Path | None) -> Rules:
    """The rules in a TOML file; without one, the defaults. Raises ValueError naming file and key."""
    if path is None:
        return Rules()
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), Rules, strict=False)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"{path}: {error}") from None
