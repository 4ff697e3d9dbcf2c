"""Where a person decides who is who: a look at what would change, and the decision itself."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, select

from events import registry
from events.envelope import Envelope, Event
from events.identity import CustomersMerged
from infra.database import among
from infra.identity.preview import Consequences, consequences
from infra.item import EVENT_ID
from infra.journal.histories import Family, families, histories
from infra.workspace import Workspace
from models.domain.identity_decision import Assign, Command, Decline, Identities, Merge, decide, subject
from models.domain.ownership import edges
from models.errors import Conflict, Refused
from models.ports import By, Write
from models.projections.catalogue import projections
from models.tables.erasure import erasure
from models.tables.identity import customer
from models.tables.journal import journal

TRIES = 3
UNKNOWN = Refused("customer.unknown", "no customer has this id")


class _Look(Struct, frozen=True):
    """What a decision is made on: the families it touches, all their events, and how old each customer is."""

    groups: list[Family]
    events: list[Envelope]
    since: dict[str, int]
    erased: dict[str, bool]
    """Who asked to be forgotten, and whether that is done."""
    had: Sequence[str]

    @property
    def state(self) -> Identities:
        """For the decider."""
        known = edges(self.events)
        merges = [e.event for e in self.events if isinstance(e.event, CustomersMerged) and known.stands(e)]
        forgotten = [one for one, finished in self.erased.items() if finished]
        told = sorted((e for e in self.events if e.identifiers), key=lambda e: e.position)
        shown = [[ref.key for ref in e.identifiers] for e in told]
        return Identities(known, self.since, merges, shown, self.erased, forgotten, self.had)


class IdentityDesk:
    """Previews and records decisions about identities. Raises `Refused`, `Conflict`, `Unavailable`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def preview(self, command: Command, now: datetime) -> Consequences:
        """What the decision would change, for whom; nothing is recorded."""
        look = self._look(command)
        decided = decide(look.state, command)
        settings = self._workspace.settings
        views = projections(self._workspace.rules, settings.zone)
        with self._workspace.engine.connect() as connection:
            return consequences(connection, views, look.groups, look.events, decided, now)

    def give(self, command: Command, by: By) -> list[Event]:
        """Record the decision; the events that were new, none where it was so already.

        Where `by` tells what was asked, that comes first: an id that was used for something else is refused.
        """
        if by.asked and self._workspace.log.known(by):
            return []
        for attempt in range(TRIES):
            look = self._look(command)
            decided = decide(look.state, command)
            if not decided:
                return []
            now = self._workspace.clock.now()
            whose = subject(decided[0]) or look.state.edges.root(command.customer)
            streams: dict[str, list[Event]] = {}
            for event in decided:
                streams.setdefault(registry.of(event).stream(event), []).append(event)
            writes = [
                Write(stream=name, expected=self._revision(name), events=[(one, now) for one in events])
                for name, events in streams.items()
            ]
            try:
                mine = msgspec.structs.replace(by, customer=whose)
                return decided if self._workspace.log.record_once(mine, writes) else []
            except Conflict:
                if attempt == TRIES - 1:
                    raise
        raise AssertionError("a try returns or raises")

    def _revision(self, stream: str) -> int:
        return len(self._workspace.journal.stream(stream))

    def _look(self, command: Command) -> _Look:
        named, had = [command.customer], list[str]()
        if isinstance(command, (Merge, Decline)):
            named.append(command.other)
        with self._workspace.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
            if isinstance(command, Assign):
                had = _had(connection, command.event_or_stream)
                named += had
            groups = families(connection, named)
            ids = [one for family in groups for one in family.ids]
            rows = connection.execute(
                select(customer.c.id, customer.c.since).where(among(customer.c.id, ids))
            )
            since = {str(one): position for one, position in rows}
            if not set(named) <= since.keys():
                raise UNKNOWN
            asked = select(erasure.c.customer, erasure.c.finished_at).where(among(erasure.c.customer, ids))
            erased = {str(one): finished is not None for one, finished in connection.execute(asked)}
            return _Look(groups, list(histories(connection, ids)), since, erased, had)


def _about(subject: str) -> ColumnElement[bool]:
    """The events that a person speaks of: one, those of a stream, or those of a conversation."""
    if EVENT_ID.fullmatch(subject):
        return journal.c.event_id == subject
    if subject.startswith("contact-"):
        return journal.c.contact == subject.removeprefix("contact-")
    return journal.c.stream == subject


def _had(connection: Connection, subject: str) -> list[str]:
    """Whose an event or a stream was taken to be. Raises `Refused` for none of ours."""
    rows = connection.execute(select(journal.c.customer).where(_about(subject)).distinct()).scalars().all()
    if not rows:
        raise Refused("event.unknown", "no event and no stream has this name")
    return [str(one) for one in rows if one is not None]
