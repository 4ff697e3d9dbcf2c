"""Which customer a vendor's fields speak of: identifiers that hold, and none where there is nobody."""

from typing import Any

from models.domain.identifier import normalise
from models.errors import Refused
from services.gateway.connectors.connector import Instance

SCHEMES = ("tel:", "whatsapp:", "sms:", "rcs:")
"""What stands before a number that is one all the same."""

NOBODY = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})
"""ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE, typed on a telephone's keys."""


def phone(instance: Instance, value: str) -> list[dict[str, str]]:
    """A caller's number; none where it is withheld, an extension, no number, or one of the company's own."""
    number = _e164(instance, value)
    if number is None or number in {_e164(instance, one) for one in instance.options.own_numbers}:
        return []
    return [{"kind": "phone", "value": number}]


def email(value: Any) -> list[dict[str, str]]:
    """A mail address; none where it is none."""
    return _known("email", "", value)


def openid(issuer: str, value: str) -> list[dict[str, str]]:
    """What a vendor calls a person, which holds with this issuer alone."""
    return _known("openid", issuer, value)


def is_ours(instance: Instance, value: str) -> bool:
    """Is this one of the company's own numbers?"""
    number = _e164(instance, value)
    return number is not None and number in {_e164(instance, one) for one in instance.options.own_numbers}


def _e164(instance: Instance, value: str) -> str | None:
    value = value.strip()
    for scheme in SCHEMES:
        value = value.removeprefix(scheme)
    if value in NOBODY or ":" in value or "@" in value:  # client:ann, sip:ann@site
        return None
    try:
        return normalise("phone", "", value, instance.options.region or "US").value
    except Refused:
        return None


def _known(kind: str, issuer: str, value: Any) -> list[dict[str, str]]:
    if not isinstance(value, str):
        return []
    try:
        clean = normalise(kind, issuer, value, "US")
    except Refused:
        return []
    told = {"kind": kind, "value": clean.value}
    return [{**told, "issuer": issuer}] if issuer else [told]
