"""From what is known of a contact's customer to the prompt as it is told."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import structlog

from infra.desk.calls import Start
from infra.desk.customers import DeskCustomers, Known, touch_of
from infra.desk.desks import Prompt
from infra.personal import opening
from infra.personal.opening import Published, open_events
from infra.views import CustomerView
from infra.workspace import Workspace
from models.domain.conversation import Conversation, of
from models.errors import Unavailable
from models.projections.customer_360 import Contact, Customer360Row, HeldIdentifier, zone_of
from models.projections.timeline import TimelineEntry
from services.api.customer_answer import answer, row_of
from services.api.customer_parts import ProofPart, StagePart
from services.api.prompt_parts import (
    FailurePart,
    PromptAnswer,
    RecognisedPart,
    SaidPart,
    StartedPart,
)

log = structlog.get_logger()
NOBODY = "nobody knows yet who this is"
FAILED = "who this is could not be told: look it up by the contact"


class Prompts:
    """Tells of contacts, many at once. Calls may raise `Unavailable`."""

    def __init__(self, workspace: Workspace, customers: DeskCustomers) -> None:
        self._workspace, self._customers = workspace, customers

    def __call__(self, starts: Sequence[Start], behind: Collection[int], personal: bool) -> Sequence[Prompt]:
        """A prompt of each. One that cannot be told says so, and keeps none of the others from being told."""
        try:
            return self._told(starts, behind, personal)
        except Unavailable:
            raise
        except Exception as error:
            if len(starts) > 1:
                return [self([one], behind, personal)[0] for one in starts]
            log.error("prompt failed", event_id=starts[0].part.event_id, error=type(error).__name__)
            told = _nobody(starts[0], self._workspace.clock.now(), FAILED).model_dump_json()
            return [Prompt(told, told)]

    def _told(self, starts: Sequence[Start], behind: Collection[int], personal: bool) -> list[Prompt]:
        known = self._customers.known(starts, self._workspace.clock.now(), behind)
        texts = self._texts([entry for one in known for entry in one.spoken]) if personal else {}
        prompts = []
        for start, one in zip(starts, known, strict=True):
            plain = _answer(start, one, self._workspace.settings.zone)
            said = [part.model_copy(update={"text": texts.get(part.event_id)}) for part in plain.said]
            opened = plain.model_copy(update={"said": said})
            prompts.append(Prompt(opened.model_dump_json(), plain.model_dump_json()))
        return prompts

    def _texts(self, entries: Sequence[TimelineEntry]) -> dict[str, str]:
        """Event id → its text. Whose stream caused this task says nothing of who is told."""
        once = list({one.event_id: one for one in entries}.values())
        page = [Published(one.event_id, one.type, one.data) for one in once]
        with opening.seeing(personal=True):
            opened = open_events(self._workspace.vault, page)
        return {one.event_id: data["text"] for one, data in zip(once, opened, strict=True)}


def _answer(start: Start, known: Known, zone: str) -> PromptAnswer:
    """The prompt without texts."""
    view = known.view
    if view is None:
        return _nobody(start, known.at, NOBODY)
    serving = _serving(view, start, known, zone)
    told = answer(serving, {}, at=known.at, as_of=None, known_at=None, zone=zone, during=start.call.contact)
    stage = told.lifecycle and StagePart.model_validate(told.lifecycle.model_dump(exclude={"log"}))
    return _nobody(start, known.at, told.contacts.says).model_copy(
        update={
            "customer": view.customer, "recognised": _recognised(row_of(view), known),
            "nth_today": told.contacts.today, "zone": told.contacts.zone, "last": told.contacts.last,
            "said": [_said(one) for one in known.spoken], "cases": told.cases,
            "opportunities": told.opportunities, "stage": stage, "value": told.value, "consent": told.consent,
        }
    )  # fmt: skip


def _nobody(start: Start, at: datetime, says: str) -> PromptAnswer:
    """A prompt of a contact whose customer is not known."""
    return PromptAnswer(
        desk=start.call.desk, because=start.part.type, at=at, contact=_started(start), customer=None,
        says=says, recognised=None, nth_today=None, zone=None, last=None, said=[], cases=[], opportunities=[],
        stage=None, value=None, consent=None, next_best=None,
    )  # fmt: skip


def _started(start: Start) -> StartedPart:
    contact = of(start.parts).get(start.call.contact)
    return StartedPart(
        contact_id=start.call.contact, at=contact.started_at if contact else start.part.occurred_at,
        channel=contact.channel if contact else "unknown",
        direction=contact.direction if contact else "unknown",
    )  # fmt: skip


def _serving(view: CustomerView, start: Start, known: Known, zone: str) -> CustomerView:
    """The customer's view as it is while this contact is served.

    It counts as one of its day, whichever of its parts have come and whenever it began; what began after it came to
    the desk does not, so that a prompt that is told late says the same. A last contact that is too long ago for the
    view to hold is put back.
    """
    row, came_at = row_of(view), start.part.occurred_at
    others = tuple(one for one in row.contacts if one.contact_id != start.call.contact and one.at <= came_at)
    if not others:
        others = tuple(_contact(one) for one in known.before if one.started_at <= came_at)[:1]
    theirs = ZoneInfo(zone_of(row, zone))
    today = came_at.astimezone(theirs).date()
    count = 1 + sum(one.at.astimezone(theirs).date() == today for one in others)
    serving = msgspec.structs.replace(row, contacts=others, contacts_today=count)
    rows: dict[str, dict[str, Any]] = {**view.rows, "customer_360": {view.customer: serving}}
    return msgspec.structs.replace(view, rows=rows)


def _contact(one: Conversation) -> Contact:
    return Contact(
        contact_id=one.contact_id, at=one.started_at, channel=one.channel, reason=one.reason,
        outcome=one.outcome, confirmed=one.confirmed,
    )  # fmt: skip


def _recognised(row: Customer360Row, known: Known) -> RecognisedPart:
    """The contact's strongest identifier that still says who somebody is."""
    assert known.recognised_by is not None
    held: dict[tuple[str, str, str], HeldIdentifier] = {one.key: one for one in row.identifiers}
    named = [ref for ref in known.recognised_by.identifiers if ref.key in held and not held[ref.key].blocked]
    by = named[0] if named else None
    proof = known.verified.proof
    return RecognisedPart(
        by=by.kind if by else None, issuer=by.issuer if by else "", since=held[by.key].since if by else None,
        verified=ProofPart.model_validate(proof) if proof else None,
        failed=[FailurePart.model_validate(one) for one in known.verified.failed],
    )  # fmt: skip


def _said(entry: TimelineEntry) -> SaidPart:
    touch = touch_of(entry)
    return SaidPart(
        at=entry.occurred_at, channel=touch.channel, direction=touch.direction, text=None,
        event_id=entry.event_id,
    )  # fmt: skip
