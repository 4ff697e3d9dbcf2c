"""What whoever answers a contact should know of its customer: read for many contacts with a few questions."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, text

from events import codec
from events.envelope import Envelope
from events.personal import Sealed
from events.touch import TouchRecorded
from infra.desk.calls import Start
from infra.desk.proofs import sides_of
from infra.journal import whose
from infra.journal.histories import Moved
from infra.view_store import ViewStore
from infra.views import CustomerView, Views
from infra.workspace import Workspace
from models.domain.conversation import Conversation, counts
from models.domain.verification import Verified
from models.errors import Unavailable
from models.projections.catalogue import projections
from models.projections.timeline import TimelineEntry

SAID = 5
"""So many of the last texts are told."""

LOOKED_THROUGH = 40
"""So many of the newest events are looked through for them."""

TRIES = 3
_WHOLE = ("customer_360", "lifecycle", "pipeline")
_LAST = {"timeline": ("occurred_at", LOOKED_THROUGH), "contact": ("started_at", SAID)}
_ROWS = text(
    " UNION ALL ".join(
        [
            *(
                f"SELECT '{view}', owner, key, state FROM {view} WHERE owner = ANY(:owners)"
                for view in _WHOLE
            ),
            *(
                f"SELECT '{view}', o.owner, t.key, t.state FROM unnest(CAST(:owners AS text[])) AS o(owner) "
                f"CROSS JOIN LATERAL (SELECT key, state FROM {view} WHERE owner = o.owner "
                f"ORDER BY {by} DESC, key DESC LIMIT {most}) AS t"
                for view, (by, most) in _LAST.items()
            ),
        ]
    )
)


class Known(Struct, frozen=True, kw_only=True):
    """What is known of a contact's customer at a moment.

    `view` and what follows are None or empty where nobody is known. `spoken` are the last events with a text, newest
    first; `before` the last contacts, newest first; `recognised_by` the part of the contact that named somebody.
    """

    at: datetime
    view: CustomerView | None = None
    recognised_by: Envelope | None = None
    verified: Verified = Verified()
    spoken: tuple[TimelineEntry, ...] = ()
    before: tuple[Conversation, ...] = ()


class DeskCustomers:
    """Reads; writes nothing and opens nothing."""

    def __init__(self, workspace: Workspace, views: Views) -> None:
        self._views = views
        made = projections(workspace.rules, workspace.settings.zone)
        self._stores = {one.name: ViewStore(one) for one in made if one.name in (*_WHOLE, *_LAST)}

    def known(self, starts: Sequence[Start], now: datetime, behind: Collection[int]) -> list[Known]:
        """What is known of each. Those at the positions `behind` are not in the views yet: they are folded here.

        Raises `Unavailable`.
        """
        for attempt in range(TRIES):
            try:
                return self._known(starts, now, behind)
            except Moved:
                if attempt == TRIES - 1:
                    raise Unavailable("identities keep moving under the reader") from None
        raise AssertionError

    def _known(self, starts: Sequence[Start], now: datetime, behind: Collection[int]) -> list[Known]:
        named = [start.whose for start in starts]
        with self._views.reading() as connection:
            owner = whose.owners(connection, {one.event_id: one.customer for one in named if one})
            owners = sorted(set(owner.values()))
            rows = self._rows(connection, owners) if owners else {}
            sides = sides_of(connection, [one for one in named if one], owner)
        found = []
        for start, part in zip(starts, named, strict=True):
            # A sender's clock may run ahead of ours: the contact that is being served counts all the same.
            at = max(now, start.part.occurred_at)
            customer = owner.get(part.event_id, "") if part else ""
            if part is None or not customer:
                found.append(Known(at=at))
                continue
            theirs = rows[customer]
            spoken: Sequence[TimelineEntry] = [one for one in theirs["timeline"].values() if _has_text(one)]
            view = self._presented(customer, theirs, at)
            if start.part.position in behind:
                view = self._views.customer(customer, at, as_of=at) or view
                spoken = self._views.timeline(customer, wanted=_has_text, limit=SAID, as_of=at, known_at=at)
            before = [
                one for one in theirs["contact"].values()
                if one.contact_id != start.call.contact and counts(one) and one.started_at <= at
            ]  # fmt: skip
            found.append(
                Known(
                    at=at, view=view, recognised_by=part, verified=sides[part.event_id].verified(at),
                    spoken=tuple(spoken[:SAID]), before=tuple(before),
                )
            )  # fmt: skip
        return found

    def _rows(self, connection: Connection, owners: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
        found: dict[str, dict[str, dict[str, Any]]] = {
            owner: {name: {} for name in self._stores} for owner in owners
        }
        for view, owner, key, state in connection.execute(_ROWS, {"owners": list(owners)}):
            found[owner][view][key] = self._stores[view].decode(state)
        return found

    def _presented(self, customer: str, rows: Mapping[str, Mapping[str, Any]], at: datetime) -> CustomerView:
        presented = {
            name: {key: self._stores[name].projection.present(row, at) for key, row in rows[name].items()}
            for name in _WHOLE
        }
        return CustomerView(customer=customer, absorbed=(), rows=presented)


def _has_text(entry: TimelineEntry) -> bool:
    """Is it a touch in which something was said that is kept?"""
    if entry.type != TouchRecorded.WIRE:
        return False
    return isinstance(touch_of(entry).text, Sealed)


def touch_of(entry: TimelineEntry) -> TouchRecorded:
    """The touch that an entry of the timeline is."""
    found = codec.decode(entry.type, entry.schema, bytes(entry.data))
    assert isinstance(found, TouchRecorded)
    return found
