"""A list's definition as a file: whom it is for, what it offers, what that costs, and who must agree."""

import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from events.vocabulary import Name, Stage
from infra.target_list.terms import EffectFrom, Terms, ValueFrom, of_workspace
from infra.workspace import Workspace
from models.domain.rules import Amount, ListRules
from models.domain.schedule import check_time
from models.domain.target_list import STAGES
from models.domain.worth import ListPurpose
from models.errors import Refused

READY = Path(__file__).parent / "ready"
SETTINGS = frozenset(ListRules.__struct_fields__)


class Population(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom a list is for: customers of an issuer, in some of its purpose's stages, with this much money at stake.

    `complaint_settled_days`: only those whose last complaint was settled in so many days before.
    """

    issuer: str = ""
    stages: tuple[Stage, ...] = ()
    least_value: Amount | None = None
    complaint_settled_days: Annotated[int, Meta(ge=1)] | None = None


class Definition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file says. `terms` are settings of `ListRules`; those it does not name are the workspace's own.

    `schedule` is when the list is built, as five fields of cron on the workspace's clock, for files in the folder that
    the scheduler watches. `model` is the artifact whose scores count, as `touchstone models list` names it; without it,
    the one that scored last. With `approval` a second person must approve each list before it can be pulled. `effect`,
    `value` and `priority` are as in `Terms`.
    """

    purpose: ListPurpose
    title: Name
    population: Population = Population()
    terms: dict[str, Any] = {}
    schedule: Annotated[str, Meta(max_length=200)] = ""
    approval: bool = False
    priority: Annotated[int, Meta(ge=0, le=1_000)] = 0
    model: Annotated[str, Meta(max_length=200)] = ""
    effect: EffectFrom = "assumed"
    value: ValueFrom = "carried_on"


def ready() -> list[str]:
    """Names of the definitions that come with Touchstone."""
    return sorted(path.stem for path in READY.glob("*.toml"))


def load(workspace: Workspace, named: str) -> Terms:
    """The terms of a definition: a file, or the name of a ready one.

    Raises `Refused` (`list.definition`) with the file, the key and what it should be.
    """
    path = READY / f"{named}.toml" if named in ready() else Path(named)
    try:
        raw = path.read_bytes()
    except OSError:
        raise _wrong(named, f"there is no such file, and the ready ones are {', '.join(ready())}") from None
    try:
        said = msgspec.convert(tomllib.loads(raw.decode()), Definition, strict=False)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise _wrong(str(path), f"{error}{_hint(str(error))}") from None
    base = of_workspace(workspace, said.purpose, said.population.issuer)
    stages = frozenset(said.population.stages) or base.stages
    if foreign := stages - STAGES[said.purpose]:
        wrong, allowed = (", ".join(sorted(some)) for some in (foreign, STAGES[said.purpose]))
        raise _wrong(str(path), f"population.stages: {wrong} is none that {said.purpose} is about: {allowed}")
    terms = msgspec.structs.replace(
        base, stages=stages, least_value=said.population.least_value, title=said.title, schedule=said.schedule,
        complaint_settled_days=said.population.complaint_settled_days, approval=said.approval, priority=said.priority,
        artifact=said.model, effect=said.effect, value=said.value, file=sha256(raw).hexdigest(),
    )  # fmt: skip
    if terms.least_value is not None and not terms.least_value >= 0:
        raise _wrong(
            str(path), "population.least_value: an amount of money must be a number, and not negative"
        )
    try:
        if said.schedule:
            check_time(said.schedule)
    except ValueError as error:
        raise _wrong(str(path), f"schedule: {error}") from None
    return changed(terms, said.terms, str(path), "terms.")


def changed(terms: Terms, settings: Mapping[str, Any], where: str, prefix: str = "") -> Terms:
    """The terms with other settings of `ListRules`. Raises `Refused` (`list.definition`) naming the first wrong key."""
    rules = msgspec.structs.asdict(terms.rules)
    for name, value in settings.items():
        if name not in SETTINGS:
            raise _wrong(
                where, f"{prefix}{name} is no setting of a list; those are {', '.join(sorted(SETTINGS))}"
            )
        known = rules[name]
        rules[name] = known | value if isinstance(known, dict) and isinstance(value, dict) else value
        try:
            msgspec.convert(rules, ListRules, strict=False)
        except (msgspec.ValidationError, ArithmeticError) as error:
            raise _wrong(where, f"{prefix}{name}: {str(error).partition(' - at ')[0]}") from None
    return msgspec.structs.replace(terms, rules=msgspec.convert(rules, ListRules, strict=False))


def typed(pairs: Iterable[str]) -> dict[str, Any]:
    """Settings as somebody types them: `offer_cost=3`, `acceptance=.1`, `channels=sms,email`, `contact_cost.sms=0.1`.

    Raises `Refused` (`list.definition`) for one without a `=`.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name, _, part = name.strip().partition(".")
        if not equals or not name:
            raise _wrong("--set", f"{pair!r} is no setting: write offer_cost=3")
        value = _value(name, text.strip())
        if part:
            found.setdefault(name, {})[part] = value
        else:
            found[name] = value
    return found


def _value(name: str, text: str) -> Any:
    if name == "channels":
        return [one.strip() for one in text.split(",") if one.strip()]
    if name == "budget" and text in ("", "none"):
        return None
    if name in ("offer", "legal_basis"):
        return text
    try:
        number = Decimal(text)
    except ArithmeticError:
        return text
    if name in ("capacity", "days_open") and number.is_finite() and number == int(number):
        return int(number)
    return float(number) if name in ("acceptance", "margin", "holdout") else number


def _hint(error: str) -> str:
    """What the keys are, where one is unknown."""
    if "unknown field" not in error:
        return ""
    keys, parts = (", ".join(one.__struct_fields__) for one in (Definition, Population))
    return f". Keys are {keys}; population has {parts}"


def _wrong(where: str, why: str) -> Refused:
    return Refused("list.definition", f"{where}: {why}")
