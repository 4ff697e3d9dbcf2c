"""Who is whom for training and scoring: customers who were joined or parted, and whom a source brought."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import permutations
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Select, func, select

from events import registry
from events.envelope import Envelope
from events.flattening import LEFT_OUT
from events.identity import CustomersMerged
from infra.database import unavailable
from infra.journal.histories import families, sorted_out
from infra.journal.histories import histories as committed
from models.domain.ownership import edges
from models.tables.identity import customer, identifier
from models.tables.journal import journal


def joined(connection: Connection) -> Iterator[tuple[str, list[Envelope]]]:
    """The histories of customers who were ever joined or parted, each customer's by itself, in fold order.

    As recorded: corrections and retractions are events among the others. Customers who are one today but were not
    always have a history each: that of all of them, in which another's events became known only when the two were
    known to be one. Their merges are in it; whom one of them absorbed is a customer until that was known. Two who were
    joined and separated again count as never joined.
    """
    found = connection.execute(
        select(customer.c.id).where((customer.c.survivor != customer.c.id) | customer.c.tangled)
    )
    for family in families(connection, [str(one) for one in found.scalars()]):
        if len(family.ids) == 1:
            continue
        events = list(committed(connection, family.ids))
        for owner, history in sorted_out(family, events).histories.items():
            yield from _histories(owner, history).items()


def _histories(owner: str, history: Sequence[Envelope]) -> dict[str, list[Envelope]]:
    """One owner's history, or one for each of those who became this owner."""
    merges = [e for e in history if isinstance(e.event, CustomersMerged)]
    told = [e for e in history if registry.of(e.event).family not in LEFT_OUT]
    if not merges:
        return {owner: told}
    return _apart(told, sorted(merges, key=lambda e: (e.known_at, e.position)))


def customers(connection: Connection) -> Iterator[tuple[str, str]]:
    """Every customer id and whom it means now."""
    yield from ((str(one), str(survivor)) for one, survivor in
                connection.execute(select(customer.c.id, customer.c.survivor).order_by(customer.c.since)))  # fmt: skip


def issuers(connection: Connection) -> dict[str, list[str]]:
    """Customer → the issuers whose identifiers name them, for those who have any."""
    found: dict[str, list[str]] = {}
    query = (
        select(customer.c.survivor, identifier.c.issuer)
        .join(identifier, identifier.c.customer == customer.c.id)
        .where(identifier.c.issuer != "").distinct().order_by(identifier.c.issuer)
    )  # fmt: skip
    for one, issuer in connection.execute(query):
        found.setdefault(str(one), []).append(issuer)
    return found


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
