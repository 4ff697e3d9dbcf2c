"""Identifiers as people write them, brought to the one form in which they can be compared."""

import unicodedata
from functools import lru_cache
from typing import get_args

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from msgspec import Struct
from phonenumbers import PhoneNumberType, timezone

from events.vocabulary import IdentifierKind
from models.errors import Refused

STRENGTH: tuple[IdentifierKind, ...] = get_args(IdentifierKind)
"""Strongest first: the order of the vocabulary is the order of trust."""

GLOBAL_KINDS = frozenset({"phone", "email", "national_id"})
"""Kinds that mean the same person wherever they appear; all others are unique within their issuer."""

LONGEST = 320
"""Characters of the longest mail address there can be; nothing else is longer."""

_MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


class Normalised(Struct, frozen=True):
    """An identifier in comparable form, with the facets that rules may use in the clear."""

    kind: IdentifierKind
    issuer: str
    value: str
    facets: dict[str, str]

    def __repr__(self) -> str:
        return f"Normalised({self.kind!r}, {self.issuer!r}, ***)"


@lru_cache(maxsize=65_536)
def normalise(kind: str, issuer: str, value: str, region: str) -> Normalised:
    """The comparable form. `region` (ISO 3166) is for phones written without a country code.

    Raises `Refused` with a code (`phone_invalid`, `email_invalid`, `identifier_empty`,
    `identifier_kind`, `issuer_missing`) whose sentence never repeats the value.
    """
    if kind not in STRENGTH:
        raise Refused("identifier_kind", f"the kinds of identifiers are {', '.join(STRENGTH)}")
    text = unicodedata.normalize("NFKC", value).strip() if len(value) <= LONGEST else ""
    if not text or len(text) > LONGEST or "\x00" in text:
        raise Refused(
            "identifier_empty", f"the {kind} is empty, longer than {LONGEST} characters, or no text"
        )
    match kind:
        case "phone":
            return _phone(text, region)
        case "email":
            return _email(text)
        case _:
            if kind not in GLOBAL_KINDS and not issuer:
                raise Refused("issuer_missing", f"an identifier of kind {kind} needs its issuer")
            return Normalised(kind, "" if kind in GLOBAL_KINDS else issuer, text, {})


def strongest_first(kind: IdentifierKind) -> int:
    """Sort key: 0 for the kind trusted most."""
    return STRENGTH.index(kind)


def _phone(text: str, region: str) -> Normalised:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        raise Refused("phone_invalid", "this is no phone number") from None
    if not phonenumbers.is_valid_number(number):
        raise Refused("phone_invalid", f"this is no valid phone number (read in region {region})")
    facets = {"country": phonenumbers.region_code_for_number(number) or ""}
    zones = timezone.time_zones_for_number(number)
    if len(zones) == 1 and zones[0] != "Etc/Unknown":
        facets["zone"] = zones[0]
    facets["line"] = "mobile" if phonenumbers.number_type(number) in _MOBILE else "fixed"
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Normalised("phone", "", e164, facets)


def _email(text: str) -> Normalised:
    try:
        parsed = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise Refused("email_invalid", "this is no mail address") from None
    return Normalised("email", "", parsed.normalized.casefold(), {})
