"""Many customers at once: whole histories for training and scoring, and whom a source brought."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import permutations
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Select, func, select

from events import registry
from events.envelope import Envelope
from events.identity import CustomersMerged
from infra.database import unavailable
from infra.journal.histories import families, sorted_out
from infra.journal.histories import histories as committed
from infra.journal.stored import envelope
from models.domain.ownership import edges
from models.tables.identity import customer, identifier
from models.tables.journal import COLUMNS, journal

FETCH = 20_000
OWN_OUTPUT = ("prediction", "target-list", "lifecycle", "identity")
"""What we derived ourselves is no evidence of what a customer will do."""


def histories(engine: Engine, issuer: str | None = None) -> dict[str, list[Envelope]]:
    """Customer → events in fold order, for everyone, or for those whom an issuer's identifiers name now.

    As recorded: corrections and retractions are events among the others, for the reader to apply as
    known at the moment asked about. Customers who are one today but were not always have a history
    each: that of all of them, in which another's events became known only when the two were known to
    be one. Their merges are in it; whom one of them absorbed is a customer until that was known.
    Two who were joined and separated again count as never joined.
    """
    with unavailable(), engine.connect() as connection:
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
        survivors = _survivors(connection, issuer)
        joined = connection.execute(
            _population(select(customer.c.id), issuer).where(
                (customer.c.survivor != customer.c.id) | customer.c.tangled
            )
        )
        groups = [
            one for one in families(connection, [str(one) for one in joined.scalars()]) if len(one.ids) > 1
        ]
        apart = {one for family in groups for one in family.ids}
        found: dict[str, list[Envelope]] = {}
        for one in _events(connection, issuer):
            if one.customer not in apart:
                found.setdefault(one.customer, []).append(one)
        for family in groups:
            events = list(committed(connection, family.ids))
            sorted_ = sorted_out(family, events)
            for owner, history in sorted_.histories.items():
                if owner in survivors:
                    found |= _histories(owner, history)
    for history in found.values():
        history.sort(key=lambda e: e.order)
    return found


def _histories(owner: str, history: Sequence[Envelope]) -> dict[str, list[Envelope]]:
    """One owner's history, or one for each of those who became this owner."""
    merges = [e for e in history if isinstance(e.event, CustomersMerged)]
    told = [e for e in history if registry.of(e.event).family not in OWN_OUTPUT]
    if not merges:
        return {owner: told}
    return _apart(told, sorted(merges, key=lambda e: (e.known_at, e.position)))


def customers_of(engine: Engine, issuer: str) -> set[str]:
    """The customers whom an issuer's identifiers name."""
    with unavailable(), engine.connect() as connection:
        return {str(one) for one in connection.execute(_named_by(issuer)).scalars()}


def span(engine: Engine, source: str) -> tuple[datetime, datetime] | None:
    """When the first and the last event of a source occurred; None where there is none."""
    with unavailable(), engine.connect() as connection:
        first, last = connection.execute(
            select(func.min(journal.c.occurred_at), func.max(journal.c.occurred_at)).where(
                journal.c.source == source
            )
        ).one()
    return None if first is None else (first, last)


def _named_by(issuer: str) -> Select[Any]:
    return (
        select(customer.c.survivor)
        .join(identifier, identifier.c.customer == customer.c.id)
        .where(identifier.c.issuer == issuer)
        .distinct()
    )


def _population(columns: Select[Any], issuer: str | None) -> Select[Any]:
    return columns if issuer is None else columns.where(customer.c.survivor.in_(_named_by(issuer)))


def _survivors(connection: Connection, issuer: str | None) -> dict[str, str]:
    rows = connection.execute(_population(select(customer.c.id, customer.c.survivor), issuer))
    return {str(one): str(survivor) for one, survivor in rows}


def _events(connection: Connection, issuer: str | None) -> Iterator[Envelope]:
    query = (
        select(*(journal.c[name] for name in COLUMNS))
        .join(customer, customer.c.id == journal.c.customer)
        .where(*(journal.c.type.not_like(f"{one.replace('-', '_')}.%") for one in OWN_OUTPUT))
    )
    for row in connection.execution_options(yield_per=FETCH).execute(_population(query, issuer)):
        yield envelope(row)


def _apart(history: Sequence[Envelope], merges: Sequence[Envelope]) -> dict[str, list[Envelope]]:
    """A history for each of those who are one customer today."""
    members = sorted({one for e in merges for one in (e.event.survivor, e.event.absorbed)})
    together: dict[tuple[str, str], datetime] = {}
    for count, merge in enumerate(merges, start=1):
        known = edges(merges[:count])
        for pair in permutations(members, 2):
            if known.root(pair[0]) == known.root(pair[1]):
                together.setdefault(pair, merge.known_at)
    return {one: [*(_known_to(one, e, together) for e in history), *merges] for one in members}


def _known_to(one: str, e: Envelope, together: Mapping[tuple[str, str], datetime]) -> Envelope:
    since = together.get((one, e.customer))
    if since is None or since <= e.known_at:
        return e
    return msgspec.structs.replace(e, known_at=since)
