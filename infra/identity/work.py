"""What waits for a person: proposals that two customers are one, and what an un-merge left open."""

from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, text

MOST = 500
"""Of either kind; the oldest come first."""


class Proposal(Struct, frozen=True, kw_only=True):
    """Two customers who may be one, and why they were not joined."""

    one: str
    other: str
    why: str
    event_id: str
    occurred_at: datetime


class Open(Struct, frozen=True, kw_only=True):
    """An event or a stream, and the customers it may belong to."""

    subject: str
    type: str
    event_id: str
    occurred_at: datetime
    between: list[str]


def work(connection: Connection) -> tuple[list[Proposal], list[Open]]:
    """What is open. A proposal about two who are one by now, or were parted, is open no more."""
    proposals = connection.execute(
        text(
            "SELECT DISTINCT ON (p.occurred_at, a.survivor, b.survivor) a.survivor::text AS one, "
            "b.survivor::text AS other, p.why, p.event_id::text AS event_id, p.occurred_at "
            "FROM identity_proposal p JOIN customer a ON a.id = p.one JOIN customer b ON b.id = p.other "
            "WHERE p.settled IS NULL AND a.survivor <> b.survivor "
            "AND NOT EXISTS (SELECT FROM identity_veto v WHERE v.one = p.one AND v.other = p.other) "
            "ORDER BY p.occurred_at, a.survivor, b.survivor LIMIT :most"
        ),
        {"most": MOST},
    )
    open_ = connection.execute(
        text(
            "SELECT u.subject, u.type, u.event_id::text AS event_id, u.occurred_at, "
            "(SELECT array_agg(DISTINCT c.survivor::text) FROM customer c "
            "WHERE c.id = u.family OR c.family = u.family) AS between FROM unassigned u "
            "ORDER BY u.occurred_at, u.subject LIMIT :most"
        ),
        {"most": MOST},
    )
    return [Proposal(**row) for row in proposals.mappings()], [Open(**row) for row in open_.mappings()]
