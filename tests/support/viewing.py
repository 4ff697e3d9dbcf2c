"""What the views should say, by a plain fold of the journal, beside what their tables do say."""

from typing import Any

import msgspec
from sqlalchemy import select

from events.envelope import Envelope
from events.identity import EventAssigned
from infra.journal.histories import families
from infra.view_store import ViewStore
from infra.workspace import Workspace
from models.domain.history import effective
from models.domain.ownership import owned
from models.projections.catalogue import projections
from models.projections.projection import play
from models.tables.journal import journal
from tests.support.performing import decoded

Views = dict[str, dict[str, Any]]


def recorded(workspace: Workspace, after: int = 0) -> list[Envelope]:
    """The events beyond a position."""
    return workspace.journal.read(journal.c.position > after)


def keys(envelope: Envelope) -> list[str]:
    """Under which keys the relay sends an event: what joins or parts two goes under both."""
    other = getattr(envelope.event, "absorbed", "") or getattr(envelope.event, "restored", "")
    return [envelope.customer or envelope.stream or envelope.event_id, *([other] if other else [])]


def expected(workspace: Workspace, envelopes: list[Envelope]) -> Views:
    """Every view by a plain refold: whose each event is now, corrected, in order, from nothing."""
    given = {
        one.event.event_or_stream: one.event.customer
        for one in envelopes
        if isinstance(one.event, EventAssigned)
    }
    for at, one in enumerate(envelopes):
        subjects = (one.event_id, f"contact-{getattr(one.event, 'contact_id', '')}")
        if not one.customer and (whose := next((given[name] for name in subjects if name in given), "")):
            envelopes = [*envelopes[:at], msgspec.structs.replace(one, customer=whose), *envelopes[at + 1 :]]
    with workspace.engine.connect() as connection:
        everybody = families(connection, {one.customer for one in envelopes if one.customer})
    histories = {}
    for family in everybody:
        histories |= owned([one for one in envelopes if one.customer in family.ids]).histories
    for one in envelopes:
        if not one.customer and one.stream:
            histories.setdefault(one.stream, []).append(one)
    told = {owner: effective(history) for owner, history in histories.items()}
    return {
        projection.name: {
            key: (owner, decoded(row))
            for owner, history in told.items()
            for key, row in play(projection, history, owner).items()
        }
        for projection in projections(workspace.rules)
    }


def actual(workspace: Workspace, envelopes: list[Envelope]) -> Views:
    """What the tables say of anybody who was ever named in these events."""
    owners = {name for one in envelopes for name in (one.customer, one.stream) if name}
    found = {}
    with workspace.engine.connect() as connection:
        owners |= {one for family in families(connection, owners) for one in family.ids}
        for projection in projections(workspace.rules):
            store = ViewStore(projection)
            rows = connection.execute(select(store.table).where(store.table.c.owner.in_(owners))).all()
            found[projection.name] = {row.key: (row.owner, store.decode(row.state)) for row in rows}
    return found
