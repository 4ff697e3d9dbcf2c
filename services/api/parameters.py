"""What requests say in their addresses and headers, read strictly."""

import re
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import Header, Path, Query
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from events import vocabulary
from models.errors import Refused

EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
NO_NUL = r"^[^\x00]*$"
CODE = r"^[\w.\-]+$"
CURRENCY = r"^([A-Z]{3})?$"
POSITION = r"^[0-9]{0,18}$"
VISIBLE = r"^[\x21-\x7e]+$"
WANTED = {
    NO_NUL: "Expected text without a NUL",
    CODE: "Expected a code: letters, digits, dots, dashes and underscores, no spaces",
    CURRENCY: "Expected a currency of ISO 4217, like EUR, or nothing",
    POSITION: "Expected a position of the journal: the id of the last message that came, digits alone",
    VISIBLE: "Expected visible ASCII characters, no spaces",
}
"""Pattern → what is said to whoever sent something else."""
_LOST_PLUS = re.compile(r" (?=\d\d:\d\d$)")


def _moment(value: object) -> object:
    """RFC 3339 with an offset. A `+` that was not escaped in a query arrives as a space."""
    if not isinstance(value, str):
        raise PydanticCustomError("moment.invalid", "Expected a moment as text")
    text = _LOST_PLUS.sub("+", value) if "T" in value else value
    try:
        moment: datetime = msgspec.convert(text, vocabulary.Moment)
        inside = EARLIEST <= moment < LATEST
    except (msgspec.ValidationError, OverflowError):
        raise PydanticCustomError(
            "moment.invalid", "Expected a moment with its UTC offset, like 2026-03-01T00:00:00+08:00"
        ) from None
    if not inside:
        raise PydanticCustomError("moment.out_of_range", "Expected a moment from 1900 on and before 2200")
    return moment


Moment = Annotated[datetime, BeforeValidator(_moment, json_schema_input_type=str)]
AsOf = Annotated[
    Moment | None,
    Query(
        description="As of this moment, RFC 3339 with its offset: only what had happened by then.",
        examples=["2026-03-01T00:00:00+08:00"],
    ),
]
KnownAt = Annotated[
    Moment | None,
    Query(
        description="Only what could be known by this moment, identity included. Alone, it also stands "
        "for `as_of`.",
        examples=["2026-03-01T00:00:00+08:00"],
    ),
]
CustomerId = Annotated[
    UUID, Path(description="The customer's id.", examples=["01997a3e-0000-7000-8000-000000000002"])
]
OpportunityId = Annotated[
    str, Path(description="The opportunity's id.", max_length=200, pattern=NO_NUL, examples=["desk-7"])
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=150, pattern=VISIBLE,
        description="Your id of this command: given again, it is recorded once.",
        examples=["desk-2026-03-02-17"],
    ),
]  # fmt: skip


def known_id(text: str, what: str) -> str:
    """An id that a body names. Raises `Refused`, as for one that nobody has: what is no id is nobody's."""
    try:
        return str(UUID(text))
    except ValueError:
        raise Refused(f"{what}.unknown", f"no {what} has this id") from None
