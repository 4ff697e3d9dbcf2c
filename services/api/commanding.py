"""From a request to the one command path: whose it is, under which id a repeat is known, what came of it."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

from pydantic import BaseModel

from events.envelope import Envelope, Event
from events.opportunity import FollowUpMissed
from infra.ids import derived_id, new_id
from infra.intake import InboundIdentifier
from infra.journal.recording import REUSED, Recorder
from infra.views import Views
from infra.workspace import Workspace
from models.domain.opportunity import CaptureOpportunity, Command, Opportunity, decider
from models.errors import Refused
from models.handling import handle
from models.ports import By
from services.api.opportunity_body import CaptureBody, CommandAnswer, Recorded, stands
from services.api.parameters import known_id

SOURCE = "api"
UNKNOWN = Refused("opportunity.unknown", "no opportunity has this id")


class Commands:
    """Gives commands to opportunities on behalf of HTTP callers."""

    def __init__(self, workspace: Workspace, views: Views) -> None:
        self._workspace, self._views = workspace, views
        self._decider = decider(workspace.rules.opportunity)

    def capture(self, body: CaptureBody, key: str | None) -> CommandAnswer:
        """A new opportunity; the same key gives the same id, and so the same opportunity."""
        one = derived_id("opportunity", key) if key else new_id()
        log, customer, cause = self._workspace.log, "", ""
        if body.identifiers:
            given = [InboundIdentifier(i.kind, i.value, i.issuer) for i in body.identifiers]
            log = log.about(self._workspace.intake.identify(given))
        elif body.touch_id:
            customer, cause = self._touched(body.touch_id)
        elif body.customer:
            customer = self._known(body.customer)
        command = CaptureOpportunity(
            opportunity_id=one, now=self._workspace.clock.now(), subject=body.subject, value=body.value,
            currency=body.currency, note=body.note, captured_by=body.captured_by,
        )  # fmt: skip
        by = By(
            source=SOURCE, source_id=source_id(key), actor=body.captured_by or SOURCE, customer=customer,
            cause=cause,
        )  # fmt: skip
        said = body.model_dump(include={"subject", "value", "currency", "captured_by"})
        self._refuse_another_person(one, customer, body)
        return self._give(command, by, "opportunity.captured", said, log)

    def give(
        self, command: Command, event: type[Event], key: str | None, said: dict[str, Any]
    ) -> CommandAnswer:
        """A command to one that exists. `event` is what it records, `said` the fields the caller gave."""
        history = self._workspace.log.stream(_stream(command.opportunity_id))
        if not history:
            raise UNKNOWN
        by = By(source=SOURCE, source_id=source_id(key), actor=SOURCE, customer=history[0].customer)
        return self._give(command, by, event.WIRE, said, self._workspace.log)

    def look(self, opportunity_id: str) -> tuple[dict[str, Any], list[Envelope]]:
        """An opportunity's answer, and the events it follows from."""
        history = self._workspace.log.stream(_stream(opportunity_id))
        if not history:
            raise UNKNOWN
        state: Opportunity = reduce(self._decider.evolve, history, self._decider.initial)
        customer = self._views.survivor(history[0].customer) if history[0].customer else None
        return stands(state, customer, len(history), self._workspace.clock.now()), history

    def _give(
        self, command: Command, by: By, wire: str, said: dict[str, Any], log: Recorder
    ) -> CommandAnswer:
        stream = _stream(command.opportunity_id)
        _refuse_reuse(self._views.recorded(by.source, by.source_id), stream, wire, said)
        handle(log, self._decider, stream, command, by)
        answer, history = self.look(command.opportunity_id)
        recorded = [
            Recorded(event_id=e.event_id, type=e.type)
            for e in history
            if e.source == by.source and e.source_id.partition(":")[0] == by.source_id
        ]
        return CommandAnswer(**answer, recorded=recorded)

    def _refuse_another_person(self, opportunity_id: str, customer: str, body: CaptureBody) -> None:
        """A used key with another person behind it is a second lead, not a repeat: it must not vanish."""
        history = self._workspace.log.stream(_stream(opportunity_id))
        if not history:
            return
        whose = self._views.survivor(history[0].customer) if history[0].customer else ""
        if body.identifiers:
            refs = self._workspace.intake.identify(
                [InboundIdentifier(one.kind, one.value, one.issuer) for one in body.identifiers]
            )
            same = whose in {found.customer for found in self._views.find([one.ref.key for one in refs])}
        else:
            same = (self._views.survivor(customer) if customer else "") == whose
        if not same:
            raise REUSED

    def _touched(self, touch_id: str) -> tuple[str, str]:
        """Whose touch it was, and its id as the cause."""
        touch = self._views.event(known_id(touch_id, "touch"))
        if touch is None:
            raise Refused("touch.unknown", "no touch has this id")
        return touch.customer, touch.event_id

    def _known(self, customer: str) -> str:
        survivor = self._views.survivor(known_id(customer, "customer"))
        if survivor is None:
            raise Refused("customer.unknown", "no customer has this id")
        return survivor


def _stream(opportunity_id: str) -> str:
    return f"opportunity-{opportunity_id}"


def source_id(key: str | None) -> str:
    """The id of what a command records: its key, or a fresh one.

    Colons are escaped: behind a colon stands the number of an event within one command.
    """
    return key.replace("%", "%25").replace(":", "%3A") if key else new_id()


def asked(body: BaseModel, *about: str) -> str:
    """What a request wants, to tell a repeat from something else under its key."""
    return " ".join([type(body).__name__, *about, body.model_dump_json()])


def _refuse_reuse(recorded: Sequence[Envelope], stream: str, wire: str, said: dict[str, Any]) -> None:
    """A repeat is the same command again; anything else under its key is a mistake that must be heard."""
    for one in recorded:
        if one.stream != stream:
            raise REUSED
        if not isinstance(one.event, FollowUpMissed) and not _says(one, wire, said):
            raise REUSED


def _says(one: Envelope, wire: str, said: dict[str, Any]) -> bool:
    """Is this the event that such a command records?"""
    return one.type == wire and all(
        value is None or getattr(one.event, name) == value for name, value in said.items()
    )
