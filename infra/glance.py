"""Everything stored of one customer in one question: who they are, how far they are folded, their rows."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, TextClause, text

from events.envelope import Order
from infra.journal.histories import Joined
from infra.view_store import ViewStore

_order = msgspec.json.Decoder(Order)

_WHO = """
SELECT 'survivor' AS part, survivor::text AS key, NULL::bytea AS state
FROM customer WHERE id = CAST(:one AS uuid)
UNION ALL SELECT 'member', other.id::text, NULL
FROM customer c JOIN customer other ON other.survivor = c.survivor WHERE c.id = CAST(:one AS uuid)
UNION ALL SELECT 'folded', owner, last FROM fold_head WHERE owner = CAST(:one AS text)
"""


class Glance(Struct, frozen=True, kw_only=True):
    """What is stored of a customer: by view, the rows by key; empty for one who was absorbed.

    `last` is the place of the last event that was folded.
    """

    who: Joined
    last: Order | None
    rows: dict[str, dict[str, Any]]

    def ahead_of(self, at: datetime) -> bool:
        """Was anything folded that happens only after this moment?"""
        return self.last is not None and self.last[0] > at


def read(connection: Connection, one: str, stores: Mapping[str, ViewStore]) -> Glance | None:
    """A customer's rows of these views; None for an id that was never given.

    One statement: whatever it finds is of one moment, and the way there and back is made once.
    """
    survivor, members, last = "", [], None
    rows: dict[str, dict[str, Any]] = {name: {} for name in stores}
    for part, key, state in connection.execute(_statement(tuple(stores)), {"one": one}):
        if part == "survivor":
            survivor = key
        elif part == "member":
            members.append(key)
        elif part == "folded":
            last = _order.decode(state) if state is not None else None
        else:
            rows[part][key] = stores[part].decode(state)
    if not survivor:
        return None
    if survivor != one:
        last, rows = None, {}
    absorbed = sorted(member for member in members if member != survivor)
    return Glance(who=Joined(survivor, (survivor, *absorbed)), last=last, rows=rows)


@cache
def _statement(views: tuple[str, ...]) -> TextClause:
    """The names are those of our own tables."""
    rows = (
        f"UNION ALL SELECT '{view}', key, state FROM {view} WHERE owner = CAST(:one AS text)\n"
        for view in views
    )
    return text(_WHO + "".join(rows))
