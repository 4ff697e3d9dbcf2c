"""Opening sealed fields and identifiers, a batch at a time, for keys that may see personal values."""

from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from infra.personal.revealing import Revealer, TooMany
from infra.workspace import Workspace
from models.errors import Refused
from services.api.opportunity_body import Asked, Code
from services.api.parameters import NO_NUL
from services.api.problems import Problem, described, problem
from services.api.security import CallerOf

log = structlog.get_logger()
MOST = 500
"""Events and identifiers in one request."""

Text = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]


class HashedIdentifier(Asked):
    """An identifier as `ts_identifiers` names it."""

    kind: Text
    issuer: Annotated[str, Field(max_length=200, pattern=NO_NUL)] = ""
    hash: Text


class RevealBody(Asked):
    """What is to be opened, and what for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"purpose": "retention", "events": ["01997a3e-0000-7000-8000-000000000001"]}]
        }
    )
    purpose: Code = Field(
        description="What for: a purpose of consents, like `retention`, or a code of yours."
    )
    events: Annotated[list[UUID], Field(max_length=MOST, default_factory=list)]
    identifiers: Annotated[list[HashedIdentifier], Field(max_length=MOST, default_factory=list)]


class OpenIdentifier(BaseModel):
    """An identifier with its value."""

    kind: str
    issuer: str
    hash: str
    value: str


class RevealAnswer(BaseModel):
    """Event id → its personal fields, `[erased]` where nobody can read them any more. Unknown ones are not in it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"events": {"01997a3e-0000-7000-8000-000000000001": {"text": "The bill is wrong."}},
                 "identifiers": []}
            ]
        }
    )  # fmt: skip
    events: dict[str, dict[str, str]]
    identifiers: list[OpenIdentifier]


_ANSWERS = {
    **described(),
    403: {"model": Problem, "description": "This key may not see personal values."},
    429: {"model": Problem, "description": "As many values as a key may have in a minute; see Retry-After."},
}


def router(workspace: Workspace) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(tags=["events"])
    revealer = Revealer(workspace)

    @routes.post("/v1/reveal", response_model=RevealAnswer, responses=_ANSWERS)
    def reveal(body: RevealBody, caller: CallerOf) -> Response | RevealAnswer:
        """Open sealed fields of events, and identifiers. Who asked, when, what for and for which is kept for ever."""
        if not caller.personal:
            return problem(403, "not_allowed", "this key may not see personal values")
        events = sorted({str(one) for one in body.events})
        keys = sorted({(one.kind, one.issuer, one.hash) for one in body.identifiers})
        if len(events) + len(keys) > MOST:
            raise Refused("reveal.too_many", f"at most {MOST} events and identifiers at once")
        try:
            found = revealer.reveal(caller.fingerprint, body.purpose, events, keys)
        except TooMany as error:
            detail = f"this key has had as many values as it may in a minute: wait {error.seconds} s"
            return problem(429, "too_many_values", detail, headers={"Retry-After": str(error.seconds)})
        log.info(
            "revealed",
            caller=caller.fingerprint,
            purpose=body.purpose,
            events=len(events),
            identifiers=len(keys),
        )
        return RevealAnswer(
            events=found.events,
            identifiers=[
                OpenIdentifier(kind=kind, issuer=issuer, hash=hash, value=value)
                for (kind, issuer, hash), value in found.identifiers.items()
            ],
        )

    return routes
