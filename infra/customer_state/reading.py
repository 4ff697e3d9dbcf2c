"""Where customers stand, as the compacted topic says it: their stored views, true at a position of the journal."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select, text

from events.customer import CustomerErased
from events.customer_state import (
    CaseState,
    ChurnState,
    ConsentPart,
    CustomerState,
    HoldingState,
    OpportunityState,
    StageState,
    ValueState,
)
from infra.database import among
from infra.journal.histories import Family, families
from infra.quarantine.aside import PROJECTOR
from infra.refolding import MOVING
from infra.view_store import ViewStore
from models.domain.lifecycle import Lifecycle
from models.domain.rules import Rules
from models.projections.catalogue import projections
from models.projections.customer_360 import Customer360, Customer360Row
from models.projections.lifecycle import LifecycleView
from models.tables.journal import journal

_encode = msgspec.json.Encoder().encode
_ERASURES = "customer-"
MOVING_WIRES = frozenset({*(cls.WIRE for cls in MOVING), CustomerErased.WIRE})
"""Types after which the whole family is written anew: they change whose events are whose."""
SETTLED = (
    "(EXISTS (SELECT FROM ledger l WHERE l.position = j.position) OR EXISTS (SELECT FROM set_aside s "
    f"WHERE s.reader = '{PROJECTOR}' AND s.event_id = j.event_id))"
)
"""SQL on a row `j` of the journal: the views hold the event, or never will before somebody mends it."""
_LAST = text(
    "SELECT k.id, (SELECT max(j.position) FROM journal j WHERE j.customer = CAST(k.id AS uuid) "
    "AND j.position <= :upto) AS position FROM unnest(CAST(:ids AS text[])) AS k(id)"
)
_SINCE = text(
    f"SELECT j.customer::text AS id, j.position, j.type, {SETTLED} AS settled FROM journal j "
    "WHERE j.customer = ANY(CAST(:ids AS uuid[])) AND j.position > :upto"
)


class Stand(NamedTuple):
    """What is to be said of a customer's id; without a value there is no such customer any more."""

    customer: str
    position: int
    value: bytes | None


class States:
    """Reads the views of customers. `read` wants a connection on which everything is of one moment."""

    def __init__(self, rules: Rules, zone: str) -> None:
        stores = {one.name: ViewStore(one) for one in projections(rules, zone)}
        self._glance, self._stages = stores[Customer360.name], stores[LifecycleView.name]

    def read(self, connection: Connection, ids: Collection[str], upto: int, now: datetime) -> list[Stand]:
        """Where these ids stand. All of the journal up to `upto` must be settled.

        Left out is whoever the projector has in hand: an event of theirs is folded and one before it is not.
        That one comes later, and the customer with it.
        """
        found = families(connection, ids)
        places = _places(connection, found, upto)
        settled = [family for family in found if family.name in places]
        owners = {one for family in settled for one in family.owners if one in ids}
        glances, stages = self._glance.load(connection, owners), self._stages.load(connection, owners)
        erased = _erased(connection, owners)
        stands = []
        for family in settled:
            position = places[family.name]
            for one in sorted(family.ids):
                if one not in ids:
                    continue
                if one not in owners or one in erased:
                    stands.append(Stand(one, position, None))
                elif one in glances:  # else nothing of theirs is folded yet
                    glance = self._glance.projection.present(glances[one], now)
                    stage = stages.get(one)
                    if stage is not None:
                        stage = self._stages.projection.present(stage, now)
                    others = tuple(sorted(id for id, home in family.survivors.items() if home == one != id))
                    state = document(one, others, glance, stage, position, now)
                    stands.append(Stand(one, position, _encode(state)))
        return stands


def concerned(connection: Connection, changed: Mapping[str, bool]) -> set[str]:
    """Of whom something is to be said anew: customers of whom events came → did one move events of others."""
    found: set[str] = set()
    for family in families(connection, changed):
        here = [one for one in family.ids if one in changed]
        if any(changed[one] for one in here):
            found.update(family.ids)
        elif family.tangled:
            found.update(family.owners)
        else:
            found.update(family.survivors[one] for one in here)
    return found


def _places(connection: Connection, found: Sequence[Family], upto: int) -> dict[str, int]:
    """Family → the position that its views are true at; those that the projector has in hand are left out."""
    home = {one: family.name for family in found for one in family.ids}
    asked = {"ids": list(home), "upto": upto}
    places: dict[str, int] = {}
    for one, position in connection.execute(_LAST, asked):
        if position is not None:
            places[home[one]] = max(position, places.get(home[one], 0))
    waiting: dict[str, int] = {}
    moving: set[str] = set()
    for one, position, wire, settled in connection.execute(_SINCE, asked):
        name = home[one]
        if settled:
            places[name] = max(position, places.get(name, 0))
        else:
            waiting[name] = min(position, waiting.get(name, position))
            if wire in MOVING_WIRES:
                moving.add(name)
    return {
        name: place
        for name, place in places.items()
        if name not in moving and place < waiting.get(name, place + 1)
    }


def _erased(connection: Connection, customers: Iterable[str]) -> set[str]:
    streams = [f"{_ERASURES}{one}" for one in customers]
    said = (among(journal.c.stream, streams), journal.c.type == CustomerErased.WIRE)
    rows = connection.execute(select(journal.c.stream).where(*said))
    return {stream.removeprefix(_ERASURES) for stream in rows.scalars()}


def document(
    customer: str, absorbed: tuple[str, ...], row: Customer360Row, stage: Lifecycle | None, position: int,
    at: datetime,
) -> CustomerState:  # fmt: skip
    """What the views say of a customer, without what is personal."""
    now = stage.now if stage is not None else None
    return CustomerState(
        customer=customer, position=position, at=at, absorbed=absorbed, first_at=row.first_at,
        last_at=row.last_at,
        stage=StageState(stage=now.stage, since=now.since, rule=now.rule, because=now.because) if now else None,
        value=tuple(
            ValueState(currency=currency, **msgspec.structs.asdict(one))
            for currency, one in sorted(row.value.items())
        ),
        holdings=tuple(HoldingState(**msgspec.structs.asdict(one)) for one in row.holdings.values()),
        open_cases=tuple(CaseState(case_id=one, reason=why) for one, why in row.open_cases.items()),
        open_opportunities=tuple(
            OpportunityState(opportunity_id=one, stage=where) for one, where in row.open_opportunities.items()
        ),
        contacts_ever=row.contacts_ever,
        consents=tuple(
            ConsentPart(**{name: getattr(one, name) for name in ConsentPart.__struct_fields__})
            for one in row.consents.values()
        ),
        churn=ChurnState(**{name: getattr(row.churn, name) for name in ChurnState.__struct_fields__})
        if row.churn
        else None,
    )  # fmt: skip
