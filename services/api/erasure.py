"""The right to be forgotten, and to know: erase a customer, see how far that is, export everything about one."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from events.customer import CustomerErased
from infra.database import unavailable
from infra.personal.export import export
from infra.views import Views
from infra.workspace import Workspace
from models.errors import Refused
from models.ports import By, Write
from models.tables.erasure import erasure
from services.api.commanding import SOURCE, asked, source_id
from services.api.opportunity_body import Asked, Name
from services.api.parameters import CustomerId, IdempotencyKey
from services.api.problems import Absorbed, described, problem
from services.api.security import CallerOf

UNKNOWN = Refused("customer.unknown", "no customer has this id")
CUSTOMER = "01997a3e-0000-7000-8000-000000000002"


class ErasureBody(Asked):
    """Who passed the customer's wish on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"asked_by": "a-17"}]})
    asked_by: Annotated[Name, Field(description="The person who took the wish, or the customer's own form.")]


class CertificateAnswer(BaseModel):
    """What was deleted, and what is left."""

    finished_at: datetime
    archives_until: datetime = Field(description="Backups of the vault made before can be read till then.")
    runs: int
    events: int = Field(description="Events of theirs; they stay, without their personal fields.")
    keys: int = Field(description="Keys deleted: what they sealed can never be read again.")
    identifiers: int
    raw_bodies: int
    quarantined: int
    search_rows: int
    vacuumed: bool = Field(description="False where vacuum and checkpoint are the database's own business.")
    left: list[str]


class ErasureAnswer(BaseModel):
    """How far an erasure is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"customer": CUSTOMER, "state": "asked", "requested_at": "2026-03-02T14:00:00Z", "waiting": "",
                 "certificate": None}
            ]
        }
    )  # fmt: skip

    customer: str
    state: str = Field(description="asked, waiting (see why) or erased")
    requested_at: datetime
    waiting: str
    certificate: CertificateAnswer | None


class ExportFile(BaseModel):
    """Everything about one person: what they are known by, the views, every event opened, and bytes as sent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"customer": CUSTOMER, "exported_at": "2026-03-02T14:00:00Z", "also_known_as": [],
                 "identifiers": [], "views": {}, "events": [], "as_sent": []}
            ]
        }
    )  # fmt: skip

    customer: str
    exported_at: datetime
    also_known_as: list[str]
    identifiers: list[dict[str, Any]]
    views: dict[str, list[dict[str, Any]]]
    events: list[dict[str, Any]]
    as_sent: list[dict[str, Any]]


def router(workspace: Workspace, views: Views) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(prefix="/v1/customers/{customer_id}", tags=["customers"])

    def survivor(one: str) -> None:
        now = views.survivor(one)
        if now is None:
            raise UNKNOWN
        if now != one:
            raise Absorbed(now)

    def stands(one: str) -> ErasureAnswer:
        with unavailable(), workspace.engine.connect() as connection:
            row = connection.execute(select(erasure).where(erasure.c.customer == one)).one_or_none()
        if row is None:
            raise Refused("erasure.unknown", "nobody asked to forget this customer")
        certificate: dict[str, Any] | None = msgspec.json.decode(row.certificate) if row.certificate else None
        state = "erased" if row.finished_at else "waiting" if row.waiting else "asked"
        return ErasureAnswer(
            customer=one, state=state, requested_at=row.requested_at, waiting=row.waiting,
            certificate=CertificateAnswer(**certificate) if certificate else None,
        )  # fmt: skip

    @routes.post(
        "/erasure",
        status_code=202,
        responses={202: {"description": "It is being done."}, **described(308, 404)},
    )
    def erase(
        customer_id: CustomerId, body: ErasureBody, response: Response, key: IdempotencyKey = None
    ) -> ErasureAnswer:
        """Forget this customer: their personal data becomes unreadable everywhere, events and totals stay."""
        one = str(customer_id)
        survivor(one)
        stream = f"customer-{one}"
        by = By(
            source=SOURCE, source_id=source_id(key), actor=body.asked_by, customer=one, asked=asked(body, one)
        )  # fmt: skip
        told = workspace.log.known(by) or any(
            isinstance(e.event, CustomerErased) for e in workspace.journal.stream(stream)
        )
        if not told:
            event = CustomerErased(customer=one, asked_by=body.asked_by)
            revision = len(workspace.journal.stream(stream))
            write = Write(stream=stream, expected=revision, events=[(event, workspace.clock.now())])
            workspace.log.record_once(by, [write])
        return stands(one)

    @routes.get("/erasure", responses=described(404))
    def read_erasure(customer_id: CustomerId) -> ErasureAnswer:
        """How far the erasure is; at its end the certificate."""
        return stands(str(customer_id))

    @routes.get(
        "/export",
        response_model=None,
        response_class=StreamingResponse,
        responses={200: {"model": ExportFile}, **described(308, 404)},
    )
    def export_customer(customer_id: CustomerId, caller: CallerOf) -> Response:
        """Everything about one person as one file: identifiers, views, and every event, opened."""
        if not caller.personal:
            return problem(403, "not_allowed", "this key may not see personal values")
        one = str(customer_id)
        survivor(one)
        return StreamingResponse(
            export(workspace, views, one), media_type="application/json",
            headers={"Content-Disposition": f'attachment; filename="customer-{one}.json"'},
        )  # fmt: skip

    return routes
