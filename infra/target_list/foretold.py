"""What lists read of predictions and draws: scores, effects that hold-outs have shown, values to come, who is held out.

All of it is events, so a list finds it again as it stood. Each is read by customer, some at a time, as known at
a moment and, where a position is given, recorded up to it.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from sqlalchemy import Connection, true

from events.campaign import CampaignAssigned
from events.envelope import Envelope, Event
from events.prediction import ChurnScored, UpliftScored, ValueForetold
from infra.database import among
from infra.journal.stored import read
from infra.standing import CHUNK
from models.domain.worth import MONTH_DAYS
from models.projections.customer_360 import Foretold
from models.tables.journal import journal


class Known(Struct, frozen=True, kw_only=True):
    """Up to when predictions count: made by the moment, and recorded up to the position, if there is one."""

    connection: Connection
    moment: datetime
    position: int | None = None

    def told(self, customers: Collection[str], kind: type[Event]) -> Iterator[Envelope]:
        """The predictions of a kind about these customers, each customer's in order."""
        return (e for e in self.read(customers, kind) if e.event.as_of <= self.moment)

    def read(self, customers: Collection[str], kind: type[Event]) -> Iterator[Envelope]:
        """The events of a kind about these customers, each customer's in order."""
        ids = sorted(customers)
        before = true() if self.position is None else journal.c.position <= self.position
        for start in range(0, len(ids), CHUNK):
            found = read(
                self.connection, among(journal.c.customer, ids[start : start + CHUNK]), journal.c.type == kind.WIRE,
                journal.c.occurred_at <= self.moment, journal.c.known_at <= self.moment, before,
            )  # fmt: skip
            yield from sorted(found, key=lambda e: e.order)


def held_out(known: Known, customers: Collection[str], purpose: str) -> frozenset[str]:
    """Those whom chance held out of a list or campaign for this purpose whose time is not over yet."""
    return frozenset(
        e.customer
        for e in known.read(customers, CampaignAssigned)
        if e.event.held_out and e.event.purpose == purpose and e.event.until and e.event.until > known.moment
    )


def scores(known: Known, customers: Collection[str], artifact: str) -> dict[str, Foretold]:
    """Customer → the last score that this artifact gave."""
    found = {}
    for e in known.told(customers, ChurnScored):
        if e.event.artifact == artifact:
            found[e.customer] = Foretold(
                event_id=e.event_id, as_of=e.event.as_of, horizon_days=e.event.horizon_days,
                probability=e.event.probability, rank=e.event.rank, of=e.event.of, artifact=e.event.artifact,
                reasons=e.event.reasons,
            )  # fmt: skip
    return found


def effects(
    known: Known, customers: Collection[str], purpose: str, offers: Mapping[str, str]
) -> dict[str, Mapping[str, float]]:
    """Customer → offer → the share more that it was last told to keep, or to bring back; `offers` by treatment."""
    found: dict[str, dict[str, float]] = {}
    for e in known.told(customers, UpliftScored):
        if e.event.purpose == purpose and e.event.treatment in offers:
            found.setdefault(e.customer, {})[offers[e.event.treatment]] = e.event.effect
    return dict(found)


def values(known: Known, customers: Collection[str], purpose: str) -> dict[str, dict[str, Decimal]]:
    """Customer → currency → the last amount foretold.

    Nothing is to come of a contract that has ended; to win its holder back is worth what it used to bring.
    """
    found: dict[str, dict[str, Decimal]] = {}
    for e in known.told(customers, ValueForetold):
        amount, monthly = e.event.amount, e.event.monthly
        if purpose == "win_back" and monthly is not None and not amount:
            amount = monthly * e.event.horizon_days / MONTH_DAYS
        found.setdefault(e.customer, {})[e.event.currency] = amount
    return found
