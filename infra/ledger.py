"""What folding knows of events and owners: which events are folded, and how far each owner's fold has come.

An owner's row in `fold_head` is the lock that every fold of that owner takes.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec
from sqlalchemy import Connection, text

from events.envelope import Order
from infra.database import driver

_order = msgspec.json.Decoder(Order)
_encode = msgspec.json.Encoder().encode


def entered(connection: Connection, positions: Iterable[int]) -> set[int]:
    """Which of these positions are in it."""
    found = driver(connection).execute(
        "SELECT position FROM ledger WHERE position = ANY(%s::bigint[])", [array(positions)]
    )
    return {position for (position,) in found}


def enter(connection: Connection, positions: Collection[int]) -> set[int]:
    """Enter events in the ledger; those that were really new."""
    if not positions:
        return set()
    rows = driver(connection).execute(
        "INSERT INTO ledger (position) SELECT unnest(%s::bigint[]) ON CONFLICT DO NOTHING RETURNING position",
        [array(sorted(set(positions)))],
    )
    return {position for (position,) in rows.fetchall()}


def lock(connection: Connection, owners: Collection[str]) -> dict[str, Order]:
    """Make and lock the owners' rows, in one order for everybody; what each has folded last."""
    if not owners:
        return {}
    wanted = sorted(owners)
    connection.execute(
        text(
            "INSERT INTO fold_head (owner) SELECT unnest(CAST(:owners AS text[])) AS owner ORDER BY owner "
            "ON CONFLICT (owner) DO NOTHING"
        ),
        {"owners": wanted},
    )
    rows = connection.execute(
        text("SELECT owner, last FROM fold_head WHERE owner = ANY(:owners) ORDER BY owner FOR UPDATE"),
        {"owners": wanted},
    )
    return {owner: _order.decode(last) for owner, last in rows.all() if last is not None}


def set_heads(connection: Connection, heads: Mapping[str, Order]) -> None:
    """What each of these owners has folded last. Their rows must be locked."""
    if heads:
        connection.execute(
            text(
                "UPDATE fold_head SET last = k.last FROM unnest(CAST(:owners AS text[]), CAST(:lasts AS bytea[])) "
                "AS k(owner, last) WHERE fold_head.owner = k.owner"
            ),
            {"owners": list(heads), "lasts": [_encode(order) for order in heads.values()]},
        )


def array(numbers: Iterable[int]) -> str:
    """An array as PostgreSQL reads it: the driver would look at each of thousands of numbers for itself."""
    return f"{{{','.join(map(str, numbers))}}}"
