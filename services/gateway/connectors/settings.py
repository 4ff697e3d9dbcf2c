"""Which systems may call: the instances, from a TOML file with a name, a kind, options and secrets for each.

[[connector]]
name = "twilio-1"
kind = "twilio"
own_numbers = ["+1 415 555 0100"]
secrets = { auth_token = "env:TWILIO_AUTH_TOKEN" }
"""

import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import msgspec
from phonenumbers import SUPPORTED_REGIONS

from infra.intake import OWN_PREFIXES, OWN_SOURCES
from infra.matching import Matcher
from services.gateway.connectors.catalogue import CONNECTORS
from services.gateway.connectors.connector import Connector, Instance, Name, Options, Secrets, no_key
from services.gateway.connectors.sendgrid import public_key
from services.gateway.connectors.wechat_sealed import key_bytes

ENVIRONMENT = "env:"
CHECKS = {
    "aes_key": (key_bytes, "the EncodingAESKey, 43 letters and digits"),
    "public_key": (public_key, "the verification key as SendGrid shows it, one line of base64"),
}
"""Secrets of which a wrong one is noticed at the start, not at the first call: how, and what is wanted."""


class ConnectorProblem(ValueError):
    """The file can't be used: which instance, what is wrong, how to mend it. Never a secret."""


class _Entry(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    kind: str
    secrets: dict[str, str]


Configured = dict[str, tuple[Connector, Instance]]


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What a file came to: the instances that can be used, and a sentence for each mistake.

    `wrong` are the mistakes of instances with a name of their own. `unread` says why the file as a whole
    says nothing; it is among the `problems` too.
    """

    found: Configured = {}
    wrong: dict[str, str] = {}
    problems: tuple[str, ...] = ()
    unread: str = ""


def load_instances(
    path: Path | None, environment: Mapping[str, str], *, region: str, matcher: Matcher | None = None
) -> Configured:
    """The instances by name, where the whole file is right; none without a file. Raises `ConnectorProblem`.

    `region` is that of phones without a country code, where an instance does not say its own. Without the
    workspace's `matcher` what has a person in its key can't be told.
    """
    examined = examine(path, environment, region=region, matcher=matcher)
    if examined.problems:
        raise ConnectorProblem(examined.problems[0])
    return examined.found


def find_instance(
    name: str,
    path: Path | None,
    environment: Mapping[str, str],
    *,
    region: str,
    matcher: Matcher | None = None,
) -> tuple[Connector, Instance]:
    """The instance of this name, whatever is wrong with the others. Raises `ConnectorProblem`."""
    examined = examine(path, environment, region=region, matcher=matcher)
    if problem := examined.unread or examined.wrong.get(name):
        raise ConnectorProblem(problem)
    if name not in examined.found:
        known = ", ".join(sorted(examined.found)) or "none: TOUCHSTONE_CONNECTORS names the file with them"
        raise ConnectorProblem(f"no system is called {name!r}; there are {known}")
    return examined.found[name]


def examine(
    path: Path | None, environment: Mapping[str, str], *, region: str, matcher: Matcher | None = None
) -> Examined:
    """Read the file, each instance by itself: a mistake in one harms no other."""
    if path is None:
        return Examined()
    try:
        entries = _entries(path)
    except ConnectorProblem as problem:
        return Examined(problems=(str(problem),), unread=str(problem))
    named = Counter(name for one in entries if isinstance(name := one.get("name"), str))
    found: Configured = {}
    wrong: dict[str, str] = {}
    problems: list[str] = []
    for number, given in enumerate(entries, 1):
        name = given.get("name")
        try:
            if isinstance(name, str) and named[name] > 1:
                raise ConnectorProblem(f"two instances are called {name}: each needs a name of its own")
            entry = _entry(given, number)
            found[entry.name] = _checked(entry, environment, region, matcher)
        except ConnectorProblem as problem:
            problems.append(f"{path}: {problem}")
            if isinstance(name, str):
                wrong[name] = problems[-1]
    return Examined(found=found, wrong=wrong, problems=tuple(dict.fromkeys(problems)))


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        file = tomllib.loads(path.read_text())
    except OSError:
        raise ConnectorProblem(f"{path} can't be read: TOUCHSTONE_CONNECTORS names the file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConnectorProblem(f"{path} is no TOML: {str(error).partition(': ')[0]}") from None
    entries = file.get("connector", [])
    if file.keys() - {"connector"} or not isinstance(entries, list):
        raise ConnectorProblem(f"{path}: write a [[connector]] for each system, and nothing beside them")
    return [one if isinstance(one, dict) else {} for one in entries]


def _entry(given: Mapping[str, Any], number: int) -> _Entry:
    where = (
        f"connector {given['name']}" if isinstance(given.get("name"), str) else f"connector number {number}"
    )
    if unknown := sorted(given.keys() - set(_Entry.__struct_fields__)):
        allowed = ", ".join(Options.__struct_fields__)
        raise ConnectorProblem(
            f"{where}: there is no option {unknown[0]}; beside name, kind and secrets there are {allowed}"
        )
    try:
        return msgspec.convert(given, _Entry)
    except msgspec.ValidationError as error:
        said = str(error)
        if said.endswith("`$.name`"):
            said = "a name has up to 40 small letters, digits, dots, dashes and underscores"
        raise ConnectorProblem(f"{where}: {said}") from None


def _checked(
    entry: _Entry, environment: Mapping[str, str], region: str, matcher: Matcher | None
) -> tuple[Connector, Instance]:
    where = f"connector {entry.name}"
    connector = CONNECTORS.get(entry.kind)
    if connector is None:
        raise ConnectorProblem(f"{where}: the kinds are {', '.join(sorted(CONNECTORS))}")
    if entry.name in OWN_SOURCES or entry.name.startswith(OWN_PREFIXES):
        raise ConnectorProblem(f"{where}: this name is one of our own sources, take another")
    if entry.zone not in available_timezones():
        raise ConnectorProblem(f"{where}: {entry.zone!r} is no time zone: write one like Europe/Berlin")
    if entry.region and entry.region not in SUPPORTED_REGIONS:
        raise ConnectorProblem(f"{where}: {entry.region!r} is no region: write two letters like DE")
    if frozenset(entry.secrets) not in connector.secrets:
        wanted = " or ".join(" and ".join(sorted(one)) for one in connector.secrets)
        raise ConnectorProblem(f"{where}: a {entry.kind} has the secrets {wanted}")
    secrets = Secrets(
        {name: _secret(where, name, value, environment) for name, value in entry.secrets.items()}
    )
    options: dict[str, Any] = {
        field: getattr(entry, field) for field in Options.__struct_fields__ if field != "region"
    }
    return connector, Instance(
        name=entry.name, options=Options(**options, region=entry.region or region), secrets=secrets,
        blind=partial(matcher.identifier, "key", entry.name) if matcher else no_key,
    )  # fmt: skip


def _secret(where: str, name: str, value: str, environment: Mapping[str, str]) -> str:
    if value.startswith(ENVIRONMENT):
        variable = value.removeprefix(ENVIRONMENT)
        value = environment.get(variable, "")
        if not value:
            raise ConnectorProblem(
                f"{where}: the secret {name} is in {variable}, which is not set: set it and start again"
            )
    if not value:
        raise ConnectorProblem(f"{where}: the secret {name} is empty: write it there, or env:VARIABLE")
    if name in CHECKS:
        check, wanted = CHECKS[name]
        try:
            check(value)
        except ValueError:
            raise ConnectorProblem(f"{where}: the secret {name} is not of its form: take {wanted}") from None
    return value
