"""Contacts over HTTP: how one went, leg by leg; and what a person says of it."""

from typing import Annotated, Any, get_args

from fastapi import APIRouter, Path, Response

from events.contact import ContactCallbackAsked, ContactHandedOver, ContactWrappedUp
from events.personal import Clear
from infra.contact.contacts import Contacts, Found
from infra.views import Views
from infra.workspace import Workspace
from models.domain.conversation import Spent
from models.errors import Refused
from models.ports import By
from services.api.commanding import SOURCE, asked, source_id
from services.api.contact_body import (
    CallbackBody,
    ContactAnswer,
    CorrectBody,
    HandoverBody,
    LegPart,
    SaidAnswer,
    Seconds,
    WrapUpBody,
)
from services.api.event import opened
from services.api.parameters import NO_NUL, AsOf, IdempotencyKey, KnownAt, known_id
from services.api.problems import described

ContactId = Annotated[
    str, Path(description="The contact's id.", max_length=200, pattern=NO_NUL, examples=["twilio-1:CA88213"])
]
SAID: dict[str, Any] = {
    "status_code": 202,
    "responses": {
        202: {"description": "Recorded for ever; the views follow in a moment."},
        200: {"model": SaidAnswer, "description": "Said before under this key: nothing new was recorded."},
        **described(404),
    },
}


def router(workspace: Workspace, views: Views) -> APIRouter:
    """The routes of this subject."""
    routes = APIRouter(prefix="/v1/contacts", tags=["contacts"])
    contacts = Contacts(workspace)

    @routes.get("/{contact_id}", responses=described(404))
    def read_contact(contact_id: ContactId, as_of: AsOf = None, known_at: KnownAt = None) -> ContactAnswer:
        """How a contact went, leg by leg, with everything that was said in it."""
        found = contacts.find(contact_id, as_of=as_of or known_at, known_at=known_at)
        return _answer(found, workspace)

    @routes.post("/{contact_id}/wrap-up", **SAID)
    def wrap_up(
        contact_id: ContactId, body: WrapUpBody, response: Response, key: IdempotencyKey = None
    ) -> SaidAnswer:
        """What it was about and how it ended. The last word counts."""
        event = ContactWrappedUp(
            contact_id=contact_id, reason=body.reason, outcome=body.outcome, confirmed=body.confirmed,
            seconds=body.seconds,
        )  # fmt: skip
        return _said(contacts.add(contact_id, event, _by(contact_id, body, key)), event.WIRE, response)

    @routes.post("/{contact_id}/correct", **SAID)
    def correct(
        contact_id: ContactId, body: CorrectBody, response: Response, key: IdempotencyKey = None
    ) -> SaidAnswer:
        """What was recorded was wrong: its reason, how it ended, or whose it was. Every view follows."""
        told = body.model_dump(exclude={"customer", "by"}, exclude_none=True)
        if bool(told) == bool(body.customer):
            raise Refused("contact.one_wanted", "say either what was wrong, or whose contact it was")
        if body.customer:
            recorded = contacts.give_to(
                contact_id, known_id(body.customer, "customer"), _by(contact_id, body, key)
            )
        else:
            recorded = contacts.correct(contact_id, told, _by(contact_id, body, key))
        response.status_code = 202 if recorded else 200
        return SaidAnswer(recorded=recorded)

    @routes.post("/{contact_id}/callback", **SAID)
    def callback(
        contact_id: ContactId, body: CallbackBody, response: Response, key: IdempotencyKey = None
    ) -> SaidAnswer:
        """The customer asked to be called back."""
        event = ContactCallbackAsked(
            contact_id=contact_id, at=body.at, queue=body.queue, agent=body.agent, note=_clear(body.note)
        )
        return _said(contacts.add(contact_id, event, _by(contact_id, body, key)), event.WIRE, response)

    @routes.post("/{contact_id}/handover", **SAID)
    def hand_over(
        contact_id: ContactId, body: HandoverBody, response: Response, key: IdempotencyKey = None
    ) -> SaidAnswer:
        """The conversation goes on elsewhere. Whoever takes over reads the thread at this contact's address."""
        event = ContactHandedOver(
            contact_id=contact_id, to_channel=body.to_channel, to_contact_id=body.to_contact_id,
            to_queue=body.to_queue, to_agent=body.to_agent, note=_clear(body.note),
        )  # fmt: skip
        return _said(contacts.add(contact_id, event, _by(contact_id, body, key)), event.WIRE, response)

    return routes


def _answer(found: Found, workspace: Workspace) -> ContactAnswer:
    contact = found.contact
    told = {name: getattr(contact, name) for name in ContactAnswer.model_fields if hasattr(contact, name)}
    told |= {
        "customer": found.customer,
        "seconds": Seconds(**{name: contact.seconds(name) for name in get_args(Spent)}),
        "legs": [LegPart.model_validate(leg) for leg in contact.legs],
        "thread": opened(workspace.vault, found.events),
    }
    return ContactAnswer(**told)


def _by(contact_id: str, body: WrapUpBody | CorrectBody | CallbackBody | HandoverBody, key: str | None) -> By:
    return By(source=SOURCE, source_id=source_id(key), actor=body.by or SOURCE, asked=asked(body, contact_id))


def _said(new: bool, wire: str, response: Response) -> SaidAnswer:
    response.status_code = 202 if new else 200
    return SaidAnswer(recorded=[wire] if new else [])


def _clear(text: str | None) -> Clear | None:
    return Clear(text) if text is not None else None
