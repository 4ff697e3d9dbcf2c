"""The settings of a workspace's rules: windows, thresholds, stages, clocks, legal bases. Defaults run as they are."""

import tomllib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
from msgspec import Struct, field


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


class ListRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a purpose may do and what it costs. Money is in the workspace's own currency.

    `acceptance` is the share of contacted customers the offer is thought to keep or bring back, until
    lists have been measured; `legal_basis` names the basis of each channel that may be used without a
    consent on record.
    """

    offer: str
    offer_cost: Decimal = Decimal("2")
    contact_cost: dict[str, Decimal] = field(default_factory=dict)
    acceptance: float = 0.2
    capacity: int = 1_000
    holdout: float = 0.1
    channels: tuple[str, ...] = ("email", "sms", "voice", "post")
    legal_basis: dict[str, str] = field(default_factory=dict)
    days_open: int = 28


REACH = {"voice": ("phone",), "sms": ("phone",), "email": ("email",), "post": ("account",)}


class Rules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a company may set about its rules, in one TOML file."""

    lifecycle: LifecycleRules = LifecycleRules()
    opportunity: OpportunityRules = OpportunityRules()
    retention: ListRules = ListRules(offer="loyalty_gesture")
    win_back: ListRules = ListRules(offer="welcome_back")
    reach: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(REACH))
    """Which identifier a channel needs; a company finds postal addresses under its account numbers."""


def load_rules(path: Path | None) -> Rules:
    """The rules in a TOML file; without one, the defaults. Raises ValueError naming file and key."""
    if path is None:
        return Rules()
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), Rules, strict=False)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"{path}: {error}") from None
