"""The files of the contract: the schemas that say how events read, and the AsyncAPI page.

They hold nothing of anybody. Where the API has a public address, events name their schemas there, so whoever
got an event may read them without a key.
"""

import re
from collections.abc import Collection
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict

from events import schema
from infra.settings import Settings
from models.errors import Refused
from services.api.problems import described

FOLDER = "/v1/schemas/"
_URN = re.compile(r"urn:touchstone:([\w.\-]+)(?::([0-9]+))?(:inbound)?")
_MEDIA_TYPE = "application/schema+json"


class SchemaAnswer(BaseModel):
    """The JSON Schema of a type's `data`, as it is published; personal fields are sealed in it."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {"$schema": schema.DIALECT, "$id": schema.dataschema("touch.recorded", 1), "type": "object"}
            ]
        },
    )


def open_to_all(settings: Settings, method: str, path: str) -> bool:
    """May this be read without a key?"""
    return settings.public_url != "" and method in ("GET", "HEAD") and path.startswith(FOLDER)


def router(settings: Settings) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(tags=["events"])
    files = {path.name: path for path in schema.FOLDER.glob("*.json")}
    answers: dict[int | str, dict[str, Any]] = {200: {"content": {_MEDIA_TYPE: {}}}}

    def found(name: str) -> Response:
        if name not in files:
            raise Refused("schema.unknown", "no file of the contract has this name")
        written = files[name].read_bytes()
        if settings.public_url:
            written = _named_where_served(written, files.keys(), settings.public_url)
        return Response(written, media_type=_MEDIA_TYPE)

    @routes.get("/v1/schemas/{name}", responses=answers | described(404))
    def read_schema(
        name: Annotated[str, Path(examples=["touch.recorded.1.published.json", "asyncapi.json"])],
    ) -> Response:
        """A file of the contract: the JSON Schema of a type, of the envelope, or the AsyncAPI page.

        Where the API has a public address this needs no key: it holds nothing of anybody.
        """
        return found(name)

    @routes.get(
        "/v1/schemas/{type}/{number}", response_model=SchemaAnswer, responses=answers | described(404)
    )
    def read_type_schema(
        type: Annotated[str, Path(examples=["touch.recorded"])],
        number: Annotated[int, Path(ge=1, le=10_000, examples=[1])],
    ) -> Response:
        """The schema that an event's `dataschema` names: every one that was ever published stays here.

        Where the API has a public address this needs no key: it holds nothing of anybody.
        """
        return found(f"{type}.{number}.published.json")

    return routes


def _named_where_served(written: bytes, files: Collection[str], public_url: str) -> bytes:
    """A file in which each schema goes by the address at which it is served, not by its urn."""

    def renamed(part: Any) -> Any:
        match part:
            case dict():
                return {name: renamed(value) for name, value in part.items()}
            case list():
                return [renamed(value) for value in part]
            case str() if urn := _URN.fullmatch(part):
                return _address(urn[1], urn[2], urn[3], files, public_url) or part
        return part

    return msgspec.json.format(msgspec.json.encode(renamed(msgspec.json.decode(written))), indent=2) + b"\n"


def _address(
    name: str, number: str | None, inbound: str | None, files: Collection[str], public_url: str
) -> str:
    """Where a schema is served; empty for a name that is no schema's."""
    if number is None:
        return f"{public_url}{FOLDER}{name}.json" if f"{name}.json" in files else ""
    if inbound:
        file = f"{name}.{number}.inbound.json"
        return f"{public_url}{FOLDER}{file}" if file in files else ""
    return (
        schema.dataschema(name, int(number), public_url) if f"{name}.{number}.published.json" in files else ""
    )
