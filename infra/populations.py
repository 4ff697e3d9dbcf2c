"""Many customers at once: whole histories for training and scoring, and whom a source brought."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Engine, func, select

from events.envelope import Envelope
from infra.database import unavailable
from infra.journal import envelope
from models.domain.history import effective
from models.tables.identity import customer, identifier
from models.tables.journal import COLUMNS, journal

FETCH = 20_000
OWN_OUTPUT = ("prediction.%", "target_list.%", "lifecycle.%", "identity.%")
"""What we derived ourselves is no evidence of what a customer will do."""


def histories(engine: Engine, issuer: str | None = None) -> dict[str, list[Envelope]]:
    """Customer → events in fold order, for everyone, or for those whom an issuer's identifiers name.

    Corrections and retractions are applied as known now.
    """
    found: dict[str, list[Envelope]] = {}
    for owner, one in _rows(engine, issuer):
        found.setdefault(owner, []).append(one)
    return {owner: effective(history) for owner, history in found.items()}


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


def _named_by(issuer: str):  # type: ignore[no-untyped-def]
    return (
        select(customer.c.survivor)
        .join(identifier, identifier.c.customer == customer.c.id)
        .where(identifier.c.issuer == issuer)
        .distinct()
    )


def _rows(engine: Engine, issuer: str | None) -> Iterator[tuple[str, Envelope]]:
    query = (
        select(customer.c.survivor, *(journal.c[name] for name in COLUMNS))
        .join(customer, customer.c.id == journal.c.customer)
        .where(*(journal.c.type.not_like(pattern) for pattern in OWN_OUTPUT))
    )
    if issuer is not None:
        query = query.where(customer.c.survivor.in_(_named_by(issuer)))
    with unavailable(), engine.connect() as connection:
        for row in connection.execution_options(yield_per=FETCH).execute(query):
            yield str(row[0]), envelope(row[1:])
