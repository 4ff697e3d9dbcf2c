"""What a person decided about identities, written into the tables in the append transaction, under its lock."""

from collections.abc import Iterable

from sqlalchemy import Connection, text

from events import codec
from events.customer import CustomerErased
from events.envelope import Event, IdentifierRef
from events.identity import (
    CustomersMerged,
    CustomerSplit,
    CustomersUnmerged,
    EventAssigned,
    IdentifierBlocked,
    MergeDeclined,
    MergeProposed,
)
from infra.identity.families import join, part, standing_merges, tangle
from infra.item import EVENT_ID, Draft, Item
from models.domain.identity import below

DECISIONS = {
    event.WIRE: event
    for event in (
        CustomersMerged, CustomersUnmerged, CustomerSplit, EventAssigned, IdentifierBlocked, MergeDeclined,
        CustomerErased, MergeProposed,
    )
}  # fmt: skip


def is_decision(item: Item) -> bool:
    """Does this item change who is whom by somebody's word, rather than by what a touch shows?"""
    return any(draft.type in DECISIONS for draft in item.drafts)


def apply(connection: Connection, drafts: Iterable[Draft], position: int) -> None:
    """Make the tables say what these events say; they are in the journal up to `position`."""
    for draft in drafts:
        if draft.type in DECISIONS:
            event = codec.decode(draft.type, draft.schema, draft.data)
            if isinstance(event, MergeProposed):
                propose(connection, event.customer, event.other, event.why, draft)
            elif isinstance(event, CustomerErased):
                _forget(connection, event, draft)
            else:
                _apply(connection, event, position)


def _apply(connection: Connection, event: Event, position: int) -> None:
    match event:
        case CustomersMerged(survivor=survivor, absorbed=absorbed):
            _forget_veto(connection, survivor, absorbed)
            join(connection, survivor, absorbed)
            settle(connection, survivor, absorbed, "merged")
        case CustomersUnmerged(survivor=survivor, restored=restored, veto=veto):
            merges = standing_merges(connection, _family(connection, restored))
            part(connection, restored, below(merges, restored))
            if veto:
                keep_apart(connection, survivor, restored)
        case CustomerSplit(customer=one, restored=restored, identifiers=refs, veto=veto):
            _split(connection, one, restored, refs, position)
            if veto:
                keep_apart(connection, one, restored)
        case EventAssigned(event_or_stream=subject, customer=one):
            _give(connection, subject, one)
        case IdentifierBlocked(identifier=ref):
            connection.execute(
                text(
                    "UPDATE identifier SET blocked = true WHERE kind = :kind AND issuer = :issuer AND hash = :hash"
                ),
                {"kind": ref.kind, "issuer": ref.issuer, "hash": ref.hash},
            )
        case MergeDeclined(customer=one, other=other):
            keep_apart(connection, one, other)
            settle(connection, one, other, "declined")


def _forget(connection: Connection, event: CustomerErased, draft: Draft) -> None:
    """Somebody asked to be forgotten: a job sees to it."""
    connection.execute(
        text(
            "INSERT INTO erasure (customer, event_id, requested_at, upto, runs, waiting) "
            "VALUES (:customer, :event, :at, 0, 0, '') ON CONFLICT (customer) DO UPDATE SET finished_at = NULL"
        ),
        {"customer": event.customer, "event": draft.event_id, "at": draft.occurred_at},
    )


def keep_apart(connection: Connection, one: str, other: str) -> None:
    """Only a person may join these two."""
    connection.execute(
        text("INSERT INTO identity_veto (one, other) VALUES (:one, :other) ON CONFLICT DO NOTHING"),
        _pair(one, other),
    )


def settle(connection: Connection, one: str, other: str, how: str) -> None:
    """A person has answered the question whether these two are one."""
    connection.execute(
        text("UPDATE identity_proposal SET settled = :how WHERE one = :one AND other = :other"),
        {**_pair(one, other), "how": how},
    )


def propose(connection: Connection, one: str, other: str, why: str, draft: Draft) -> None:
    """Ask a person whether these two are one, unless they were asked before."""
    connection.execute(
        text(
            "INSERT INTO identity_proposal (one, other, why, event_id, occurred_at) "
            "VALUES (:one, :other, :why, :event, :at) ON CONFLICT DO NOTHING"
        ),
        {**_pair(one, other), "why": why, "event": draft.event_id, "at": draft.occurred_at},
    )


def _pair(one: str, other: str) -> dict[str, str]:
    first, second = sorted((one, other))
    return {"one": first, "other": second}


def _family(connection: Connection, one: str) -> list[str]:
    rows = connection.execute(
        text(
            "SELECT c.id FROM customer o JOIN customer c ON c.id = o.family OR c.family = o.family WHERE o.id = :one"
        ),
        {"one": one},
    )
    return [str(each) for each in rows.scalars()]


def _forget_veto(connection: Connection, survivor: str, absorbed: str) -> None:
    """A person's word lifts what kept these two, and everybody who is either of them, apart."""
    connection.execute(
        text(
            "DELETE FROM identity_veto v USING customer a, customer b WHERE a.survivor = :survivor "
            "AND b.survivor = :absorbed AND ((v.one, v.other) = (a.id, b.id) OR (v.one, v.other) = (b.id, a.id))"
        ),
        {"survivor": survivor, "absorbed": absorbed},
    )


def _split(
    connection: Connection, one: str, restored: str, refs: Iterable[IdentifierRef], position: int
) -> None:
    """A new customer of the same family, to whom these identifiers lead."""
    connection.execute(
        text(
            "INSERT INTO customer (id, survivor, family, tangled, since, revision) "
            "SELECT :restored, :restored, family, true, :position, 0 FROM customer WHERE id = :one"
        ),
        {"one": one, "restored": restored, "position": position},
    )
    for ref in refs:
        connection.execute(
            text(
                "UPDATE identifier SET customer = :restored "
                "WHERE kind = :kind AND issuer = :issuer AND hash = :hash AND customer IN (SELECT m.id FROM customer m "
                "JOIN customer t ON t.id = :one WHERE m.id = t.family OR m.family = t.family)"
            ),
            {"one": one, "restored": restored, "kind": ref.kind, "issuer": ref.issuer, "hash": ref.hash},
        )
    tangle(connection, restored)


def _give(connection: Connection, subject: str, one: str) -> None:
    """Whoever had the event, and whoever has it now, are read together from now on."""
    about = {
        "subject": subject, "event": subject if EVENT_ID.fullmatch(subject) else None,
        "contact": subject.removeprefix("contact-") if subject.startswith("contact-") else None,
    }  # fmt: skip
    connection.execute(
        text(
            "INSERT INTO given (event_id, customer) SELECT event_id, :one FROM journal WHERE customer IS NULL AND "
            "(event_id = CAST(:event AS uuid) OR contact = :contact) ON CONFLICT (event_id) "
            "DO UPDATE SET customer = excluded.customer"
        ),
        {**about, "one": one},
    )
    had = connection.execute(
        text(
            "SELECT DISTINCT customer FROM journal WHERE customer IS NOT NULL AND "
            "((stream = :subject AND stream <> '') OR event_id = CAST(:event AS uuid) OR contact = :contact)"
        ),
        about,
    )
    for other in [str(each) for each in had.scalars()]:
        connection.execute(
            text(
                "UPDATE customer SET family = of.family FROM (SELECT m.family, t.family AS other FROM customer m, "
                "customer t WHERE m.id = :one AND t.id = :other) AS of "
                "WHERE customer.id = of.other OR customer.family = of.other"
            ),
            {"one": one, "other": other},
        )
    tangle(connection, one)
