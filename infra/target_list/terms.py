"""What decides who is on a list, as settings and as the text of a published definition, there and back."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from typing import Literal

import msgspec
from msgspec import Struct

from events.target_list import TargetListPublished
from events.vocabulary import Channel, Currency, Stage
from infra.workspace import Workspace
from models.domain.calling_window import Place, Times
from models.domain.rules import LifecycleRules, ListRules, Tier
from models.domain.target_list import FORMULA, STAGES
from models.domain.worth import ListPurpose
from models.errors import Refused

CALENDARS = ("holidays", "tzdata")
"""What says when it is a holiday, and what the clock says somewhere: another release may say otherwise."""


EffectFrom = Literal["assumed", "measured"]
"""Where a list takes what contacting changes: the setting `acceptance`, or what hold-outs have shown of the offer."""
ValueFrom = Literal["carried_on", "foretold"]
"""Where it takes the money at stake: the customer's own past carried on, or what `touchstone value` foretold."""


class Terms(Struct, frozen=True, kw_only=True):
    """Every setting that decides who is on a list, beside the moment, the artifact and the seed.

    An empty currency is the one in which most of the candidates bought. `issuer`: only customers with an identifier
    of this issuer; empty for all. `least_value`: only those with as much money at stake. `complaint_settled_days`: only
    those whose last complaint was settled so few days ago. Of two lists that want the same customer the one of the
    higher `priority` has them, of equals the one that was built first. `artifact` is the model whose scores count;
    empty: the one that scored last. `region` and `zone` are where
    customers are of whom nothing else is known. `file` is the SHA-256 of the definition file the terms came from, if
    they came from one. With `approval` another person than `asked_by` must approve the list before it can be pulled.
    """

    purpose: ListPurpose
    rules: ListRules
    lifecycle: LifecycleRules
    stages: frozenset[Stage]
    reach: Mapping[Channel, tuple[str, ...]]
    calling: tuple[Times, ...]
    currency: Currency
    region: str
    zone: str
    issuer: str = ""
    least_value: Decimal | None = None
    complaint_settled_days: int | None = None
    effect: EffectFrom = "assumed"
    value: ValueFrom = "carried_on"
    priority: int = 0
    artifact: str = ""
    title: str = ""
    schedule: str = ""
    file: str = ""
    approval: bool = False
    asked_by: str = ""

    @property
    def series(self) -> str:
        """The lists that replace each other, the newer the older."""
        name = self.title or self.purpose
        return f"{name} ({self.issuer})" if self.issuer else name

    @property
    def treatments(self) -> dict[str, str]:
        """Every offer somebody on the list may be made, by the name of the treatment that it is."""
        return {treatment(one): one for one in (self.rules.offer, *(tier.offer for tier in self.rules.tiers))}

    def complained_lately(self, settled_at: datetime | None, moment: datetime) -> bool:
        """Is a customer whose last complaint was settled then one of those the list is about?"""
        days = self.complaint_settled_days
        return days is None or (settled_at is not None and settled_at > moment - timedelta(days=days))

    @property
    def home(self) -> Place:
        """Where customers usually are."""
        return Place((self.zone,), self.region)


def treatment(offer: str) -> str:
    """The name under which an offer's effect is measured: the offer's own, as a code."""
    return re.sub(r"[^\w.\-]+", "_", offer)


def of_workspace(workspace: Workspace, purpose: ListPurpose, issuer: str | None = None) -> Terms:
    """The terms that the workspace's own rules set for a purpose."""
    rules = workspace.rules
    return Terms(
        purpose=purpose, rules=rules.win_back if purpose == "win_back" else rules.retention,
        lifecycle=rules.lifecycle, stages=STAGES[purpose], reach=rules.reach, calling=rules.calling,
        currency=rules.currency, region=workspace.settings.region, zone=workspace.settings.zone,
        issuer=issuer or "",
    )  # fmt: skip


def written(terms: Terms) -> dict[str, str]:
    """Every setting as text, with the releases of the formula and of the calendars: a published definition."""
    rules = terms.rules
    costs = {channel: rules.cost_of(channel) for channel in rules.channels}
    reach = {channel: "|".join(terms.reach.get(channel, ())) for channel in rules.channels}
    named = {
        "model": terms.artifact, "title": terms.title, "schedule": terms.schedule, "file": terms.file,
        "asked_by": terms.asked_by,
        "approval": "required" if terms.approval else "", "least_value": _text(terms.least_value),
        "complaint_settled_days": str(terms.complaint_settled_days or ""),
        "priority": str(terms.priority or ""), "tiers": _tiers(rules),
    }  # fmt: skip
    named = {name: said for name, said in named.items() if said}
    return named | {
        "formula": FORMULA, "population": f"issuer={terms.issuer}" if terms.issuer else "all",
        "stages": " ".join(sorted(terms.stages)), "currency": terms.currency,
        "active_days": str(terms.lifecycle.active_days), "lifecycle": _lifecycle(terms.lifecycle),
        "offer": rules.offer, "offer_cost": str(rules.offer_cost), "contact_cost": _pairs(costs),
        "acceptance": str(rules.acceptance), "effect": terms.effect, "value": terms.value, "margin": str(rules.margin),
        "budget": _text(rules.budget), "capacity": str(rules.capacity),
        "holdout": str(rules.holdout), "channels": " ".join(rules.channels), "reach": _pairs(reach),
        "legal_basis": _pairs(rules.legal_basis), "days_open": str(rules.days_open),
        "measure_days": str(rules.measure_days),
        "calling": msgspec.json.encode(terms.calling).decode(), "home": f"{terms.region} {terms.zone}",
        **calendars(),
    }  # fmt: skip


def legal_basis(workspace: Workspace, published: TargetListPublished) -> Mapping[Channel, str]:
    """What allows contact without a consent today: by the list's own file if it has one, else by the workspace."""
    if "file" in published.definition:
        return msgspec.convert(dict(_read_pairs(published.definition["legal_basis"])), dict[Channel, str])
    rules = workspace.rules
    return (rules.win_back if published.purpose == "win_back" else rules.retention).legal_basis


def calendars() -> dict[str, str]:
    """The releases of the calendars that are installed here."""
    return {name: version(name) for name in CALENDARS}


def read_back(definition: Mapping[str, str], purpose: str) -> Terms:
    """The terms that a published definition was written from, whatever the workspace's rules say today.

    Raises `Refused` (`list.underivable`) naming what the definition does not say.
    """
    said = definition.get
    try:
        region, zone = definition["home"].split(" ", 1)
        rules = msgspec.convert(
            {
                "offer": definition["offer"], "offer_cost": Decimal(definition["offer_cost"]),
                "contact_cost": {of: Decimal(cost) for of, cost in _read_pairs(definition["contact_cost"])},
                "acceptance": float(definition["acceptance"]), "margin": float(definition["margin"]),
                "budget": Decimal(definition["budget"]) if definition["budget"] else None,
                "capacity": int(definition["capacity"]), "holdout": float(definition["holdout"]),
                "channels": definition["channels"].split(),
                "legal_basis": dict(_read_pairs(definition["legal_basis"])),
                "days_open": int(definition["days_open"]), "measure_days": int(definition["measure_days"]),
                "tiers": msgspec.json.decode(said("tiers", "[]"), type=tuple[Tier, ...]),
            },
            ListRules,
        )  # fmt: skip
        reach = {
            of: tuple(kinds.split("|")) if kinds else () for of, kinds in _read_pairs(definition["reach"])
        }
        return msgspec.convert(
            {
                "purpose": purpose, "rules": rules, "reach": reach, "region": region, "zone": zone,
                "lifecycle": msgspec.json.decode(definition["lifecycle"], type=LifecycleRules),
                "stages": frozenset(definition["stages"].split()),
                "calling": msgspec.json.decode(definition["calling"], type=tuple[Times, ...]),
                "currency": definition["currency"], "title": said("title", ""), "file": said("file", ""),
                "least_value": Decimal(definition["least_value"]) if "least_value" in definition else None,
                "complaint_settled_days": int(said("complaint_settled_days", "0")) or None,
                "effect": definition["effect"], "value": definition["value"], "artifact": said("model", ""),
                "priority": int(said("priority", "0")),
                "schedule": said("schedule", ""), "asked_by": said("asked_by", ""),
                "approval": "approval" in definition,
                "issuer": definition["population"].partition("issuer=")[2],
            },
            Terms,
        )  # fmt: skip
    except KeyError as missing:
        raise underivable(
            f"its definition does not say {missing.args[0]}: an earlier release published it"
        ) from None
    except (ValueError, ArithmeticError) as error:  # msgspec's own is a ValueError
        raise underivable(f"its definition can't be read: {error}") from None


def underivable(why: str) -> Refused:
    """The refusal to derive, or to say anything that rests on deriving."""
    return Refused("list.underivable", f"this list can't be derived here: {why}")


def require_same_releases(definition: Mapping[str, str]) -> None:
    """A list is computed by the formula and the calendars that it was published with, or not at all.

    Raises `Refused` (`list.underivable`) naming what is computed otherwise here.
    """
    ours = {"formula": FORMULA, **calendars()}
    other = [
        f"it was published with {name} {definition.get(name, 'of no release')}, and here is {release}"
        for name, release in ours.items()
        if definition.get(name) != release
    ]
    if other:
        raise underivable("; ".join(other))


def _tiers(rules: ListRules) -> str:
    return msgspec.json.encode(rules.tiers).decode() if rules.tiers else ""


def _text(amount: Decimal | None) -> str:
    return "" if amount is None else str(amount)


def _pairs(values: Mapping[Channel, object]) -> str:
    return " ".join(f"{channel}={values[channel]}" for channel in sorted(values))


def _read_pairs(text: str) -> Iterable[tuple[str, str]]:
    for pair in text.split():
        name, _, value = pair.partition("=")
        yield name, value


def _lifecycle(rules: LifecycleRules) -> str:
    """The same text for the same rules, whether a number was written 7 or 7.0."""
    plain = msgspec.convert(msgspec.to_builtins(rules), LifecycleRules)
    return msgspec.json.encode(plain, order="deterministic").decode()
