"""Which systems may call: the instances, from a TOML file with a name, a kind, options and secrets for each.

[[connector]]
name = "twilio-1"
kind = "twilio"
own_numbers = ["+1 415 555 0100"]
secrets = { auth_token = "env:TWILIO_AUTH_TOKEN" }
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import msgspec
from phonenumbers import SUPPORTED_REGIONS

from infra.intake import OWN_PREFIXES, OWN_SOURCES
from services.gateway.connectors.catalogue import CONNECTORS
from services.gateway.connectors.connector import Connector, Instance, Name, Options, Secrets
from services.gateway.connectors.sendgrid import public_key
from services.gateway.connectors.wechat_sealed import key_bytes

ENVIRONMENT = "env:"
CHECKS = {"aes_key": key_bytes, "public_key": public_key}
"""Secrets of which a wrong one is noticed at the start, not at the first call."""


class ConnectorProblem(ValueError):
    """The file can't be used: which instance, what is wrong, how to mend it. Never a secret."""


class _Entry(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    kind: str
    secrets: dict[str, str]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    connector: tuple[_Entry, ...] = ()


Configured = dict[str, tuple[Connector, Instance]]


def load_instances(path: Path | None, environment: Mapping[str, str], *, region: str) -> Configured:
    """The instances by name; none without a file. Raises `ConnectorProblem`.

    `region` is that of phones without a country code, where an instance does not say its own.
    """
    found, problems = examine(path, environment, region=region)
    if problems:
        raise ConnectorProblem(problems[0])
    return found


def examine(
    path: Path | None, environment: Mapping[str, str], *, region: str
) -> tuple[Configured, Sequence[str]]:
    """The instances that can be used, and a sentence for each mistake in the file."""
    if path is None:
        return {}, ()
    try:
        entries = msgspec.convert(tomllib.loads(path.read_text()), _File).connector
    except OSError:
        return {}, (f"{path} can't be read: TOUCHSTONE_CONNECTORS names the file",)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return {}, (f"{path} is no TOML: {str(error).partition(': ')[0]}",)
    except msgspec.ValidationError as error:
        return {}, (f"{path}: {error}",)
    found: Configured = {}
    problems: list[str] = []
    for entry in entries:
        if entry.name in found:
            problems.append(f"{path}: two instances are called {entry.name}: each needs a name of its own")
            continue
        try:
            found[entry.name] = _checked(entry, environment, region)
        except ConnectorProblem as problem:
            problems.append(str(problem))
    return found, problems


def _checked(entry: _Entry, environment: Mapping[str, str], region: str) -> tuple[Connector, Instance]:
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
        name=entry.name, options=Options(**options, region=entry.region or region), secrets=secrets
    )


def _secret(where: str, name: str, value: str, environment: Mapping[str, str]) -> str:
    if value.startswith(ENVIRONMENT):
        variable = value.removeprefix(ENVIRONMENT)
        value = environment.get(variable, "")
        if not value:
            raise ConnectorProblem(f"{where}: the secret {name} is in {variable}, which is not set")
    if not value:
        raise ConnectorProblem(f"{where}: the secret {name} is empty")
    try:
        CHECKS.get(name, str)(value)
    except ValueError:
        raise ConnectorProblem(f"{where}: the secret {name} is not of its form") from None
    return value
