"""Who is joined with whom, in the tables: read for a batch, changed under the journal's lock."""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, Row, select, text

from events.identity import CustomersMerged, CustomersUnmerged
from infra.database import among
from infra.journal.stored import read
from models.domain.ownership import edges
from models.tables.identity import customer, identity_veto
from models.tables.journal import journal

MERGING = (CustomersMerged.WIRE, CustomersUnmerged.WIRE)
"""What changes who is whom, by joining and parting."""


def places(connection: Connection, customers: Collection[str]) -> dict[str, Row[Any, Any, Any]]:
    """Whom those of these customers are now who were ever joined or parted, and whether their family is tangled."""
    if not customers:
        return {}
    rows = connection.execute(
        select(customer.c.id, customer.c.survivor, customer.c.tangled).where(
            among(customer.c.id, customers), (customer.c.survivor != customer.c.id) | customer.c.tangled
        )
    )
    return {str(row.id): row for row in rows}


def survivors(connection: Connection, customers: Iterable[str]) -> dict[str, str]:
    """Whom those of these customers are now that were absorbed by others; the rest are who they were."""
    wanted = list(customers)
    if not wanted:
        return {}
    rows = connection.execute(
        select(customer.c.id, customer.c.survivor).where(
            among(customer.c.id, wanted), customer.c.survivor != customer.c.id
        )
    )
    return {str(one): str(survivor) for one, survivor in rows}


def vetoes(connection: Connection, customers: Collection[str]) -> set[frozenset[str]]:
    """The pairs that only a person may join, as far as these customers are part of them."""
    rows = connection.execute(
        select(identity_veto).where(
            among(identity_veto.c.one, customers) | among(identity_veto.c.other, customers)
        )
    )
    return {frozenset((str(one), str(other))) for one, other in rows}


def standing_merges(connection: Connection, customers: Collection[str]) -> list[CustomersMerged]:
    """The merges among these customers that hold still."""
    told = read(connection, among(journal.c.customer, customers), journal.c.type.in_(MERGING))
    known = edges(told)
    return [e.event for e in told if isinstance(e.event, CustomersMerged) and known.stands(e)]


def join(connection: Connection, survivor: str, absorbed: str) -> None:
    """One customer is another from now on, with everybody who was that one already."""
    for statement in (
        "UPDATE customer SET survivor = :survivor WHERE survivor = :absorbed",
        "UPDATE customer SET family = of.family, tangled = of.tangled FROM ("
        "SELECT s.family, s.tangled OR a.tangled AS tangled, a.family AS other FROM customer s, customer a "
        "WHERE s.id = :survivor AND a.id = :absorbed) AS of "
        "WHERE customer.id IN (of.other, of.family) OR customer.family IN (of.other, of.family)",
    ):
        connection.execute(text(statement), {"survivor": survivor, "absorbed": absorbed})


def part(connection: Connection, restored: str, members: Collection[str]) -> None:
    """A customer is one of their own again, with everybody who is them; their family is read as one ever after."""
    connection.execute(
        text("UPDATE customer SET survivor = :restored WHERE id = ANY(CAST(:members AS uuid[]))"),
        {"restored": restored, "members": list(members)},
    )
    tangle(connection, restored)


def tangle(connection: Connection, one: str) -> None:
    """From now on, whose an event of this family is has to be asked of its history."""
    connection.execute(
        text(
            "UPDATE customer SET tangled = true FROM (SELECT family FROM customer WHERE id = :one) AS of "
            "WHERE customer.id = of.family OR customer.family = of.family"
        ),
        {"one": one},
    )
