"""Finding a customer by what they are known by. Values come in, and never go into a log or an answer."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from infra.views import Views
from infra.workspace import Workspace
from models.domain.identifier import Normalised, normalise
from models.domain.identity import Key
from models.errors import Refused
from services.api.answering import answered
from services.api.parameters import NO_NUL
from services.api.problems import described

Phone = Annotated[str | None, Query(max_length=320, examples=["+1 415 555 2671"])]
Email = Annotated[str | None, Query(max_length=320, examples=["ann@example.com"])]
Account = Annotated[str | None, Query(max_length=320, examples=["A-77"])]
Issuer = Annotated[
    str | None, Query(description="Whose account number it is.", pattern=NO_NUL, examples=["shop"])
]
Anything = Annotated[str | None, Query(max_length=320, examples=["415-555-2671"])]


class FoundCustomer(BaseModel):
    """A customer, and by which kind of identifier (and whose) they were found."""

    model_config = ConfigDict(from_attributes=True)

    customer: str
    kind: str
    issuer: str
    blocked: bool = Field(description="Shared by too many: it no longer says who somebody is.")


class FoundCustomers(BaseModel):
    """Everyone found, whom we have known longest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"customers": [{"customer": "01997a3e-0000-7000-8000-000000000002", "kind": "phone",
                                "issuer": "", "blocked": False}]}
            ]
        }
    )  # fmt: skip

    customers: list[FoundCustomer]


def router(workspace: Workspace, views: Views) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(tags=["customers"])
    region = workspace.settings.region

    @routes.get("/v1/customers", response_model=FoundCustomers, responses=described())
    def find_customers(
        phone: Phone = None, email: Email = None, account: Account = None, issuer: Issuer = None,
        q: Anything = None,
    ) -> Response:  # fmt: skip
        """Find customers by phone, mail address or account number, however it is written.

        `q` takes any of the three: it is tried as whatever it can be read as. Ask for exactly one.
        """
        asked = {kind: text for kind, text in _asked(phone, email, account, q).items() if text is not None}
        if len(asked) != 1:
            raise Refused("search.one_wanted", "ask for exactly one of phone, email, account, q")
        (kind, text), = asked.items()  # fmt: skip
        if not text.strip():
            raise Refused("search.empty", f"{kind} is empty")
        found = views.find(map(key, _meant(kind, text, issuer)))
        return answered(FoundCustomers(customers=[FoundCustomer.model_validate(one) for one in found]))

    def key(one: Normalised) -> Key:
        return (one.kind, one.issuer, workspace.matcher.identifier(one.kind, one.issuer, one.value))

    def _asked(*texts: str | None) -> dict[str, str | None]:
        return dict(zip(("phone", "email", "account", "q"), texts, strict=True))

    def _meant(kind: str, text: str, issuer: str | None) -> Iterator[Normalised]:
        match kind:
            case "phone" | "email":
                yield normalise(kind, "", text, region)
            case "account":
                yield from accounts(text, issuer)
            case _:
                for guess in ("phone", "email"):
                    try:
                        yield normalise(guess, "", text, region)
                    except Refused:
                        continue
                yield from accounts(text, issuer)

    def accounts(text: str, issuer: str | None) -> Iterator[Normalised]:
        """An account number means something only at its issuer: without one, every issuer is tried."""
        for one in [issuer] if issuer else views.issuers("account"):
            yield normalise("account", one, text, region)

    return routes
