"""Events → read models, one transaction a batch: in order a step, else the owner's history anew."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from prometheus_client import Counter
from sqlalchemy import Connection, Engine, select, text

from events.envelope import Envelope, Order
from events.identity import CustomersMerged, CustomersUnmerged
from infra import aside, generations, histories, identity_store
from infra.aside import PROJECTOR
from infra.database import unavailable
from infra.feeds import Batch
from infra.heart import Heart
from infra.histories import owner_now
from infra.view_store import ViewStore
from models.domain.history import CHANGING, effective
from models.errors import Unavailable
from models.projections.projection import Projection, play
from models.tables.readers import reader_position

READER = PROJECTOR
FOLDED = Counter("touchstone_folded_total", "Events folded into the views", ["how"])
TRIES = 20
SLICE = 200
"""Owners whose histories are in memory at once."""

_order = msgspec.json.Decoder(Order)
_encode = msgspec.json.Encoder().encode


class Fenced(Exception):
    """Another worker holds this partition now; what was read is not ours to write."""


class Moved(Exception):
    """An identity changed between looking and locking: look again."""


@dataclass(slots=True)
class _Plan:
    """What one owner's new events ask for."""

    owner: str
    new: list[Envelope] = field(default_factory=list)
    anew: bool = False


class Projector:
    """Folds batches. `holder` names this process; the last to claim a partition is its only writer.

    `heart` is told of every event before it is folded, so that one that holds us up is known by its id.
    """

    def __init__(
        self, engine: Engine, projections: Sequence[Projection[Any]], holder: str, heart: Heart | None = None
    ) -> None:
        self._engine, self._holder, self._heart = engine, holder, heart or Heart()
        self._projections = projections
        self._stores = [ViewStore(projection) for projection in projections]

    def claim(self, partition: int, topic_id: str) -> int:
        """Become the writer of a partition; the offset to begin at (0 on a topic not seen before)."""
        with unavailable(), self._engine.begin() as connection:
            connection.execute(
                text(
                    'INSERT INTO reader_position (reader, partition, topic_id, "offset", position, holder) '
                    "VALUES (:reader, :partition, :topic, 0, 0, :holder) ON CONFLICT (reader, partition) DO "
                    'UPDATE SET holder = :holder, topic_id = :topic, "offset" = CASE WHEN '
                    'reader_position.topic_id = :topic THEN reader_position."offset" ELSE 0 END'
                ),
                {"reader": READER, "partition": partition, "topic": topic_id, "holder": self._holder},
            )
            where = (reader_position.c.reader == READER, reader_position.c.partition == partition)
            return int(connection.execute(select(reader_position.c.offset).where(*where)).scalar_one())

    def fold(self, batches: Sequence[Batch]) -> None:
        """Fold batches in one transaction. Raises `Fenced` or `Unavailable`; then nothing was written."""
        for attempt in range(TRIES):
            try:
                with unavailable(), self._engine.begin() as connection:
                    self._fold(connection, batches)
                return
            except Moved:
                if attempt == TRIES - 1:
                    raise Unavailable("identities keep moving under the fold") from None

    def _fold(self, connection: Connection, batches: Sequence[Batch]) -> None:
        generations.expect(connection, self._projections)
        self._hold(connection, batches)
        passed_over = aside.held(connection, READER)
        delivered = {e.position: e for batch in batches for e in batch.envelopes}
        envelopes = [e for e in delivered.values() if e.event_id not in passed_over]
        owners = _owners(connection, envelopes)
        absorbed = {e.event.absorbed for e in envelopes if isinstance(e.event, CustomersMerged)}
        heads = _lock(connection, absorbed | {owner for found in owners.values() for owner in found})
        if _owners(connection, envelopes) != owners:
            raise Moved
        new = _enter(connection, delivered)
        plans: dict[str, _Plan] = {}
        for one in envelopes:
            if one.position in new:
                for owner in owners[one.position]:
                    plan = plans.setdefault(owner, _Plan(owner))
                    plan.new.append(one)
                    plan.anew = plan.anew or isinstance(
                        one.event, (*CHANGING, CustomersMerged, CustomersUnmerged)
                    )
        for plan in plans.values():
            plan.new.sort(key=lambda e: e.order)
            last = heads.get(plan.owner)
            plan.anew = plan.anew or (last is not None and plan.new[0].order <= last)
        self._step(connection, [plan for plan in plans.values() if not plan.anew])
        self.refold(connection, [plan.owner for plan in plans.values() if plan.anew])
        self._advance(connection, batches)

    def _hold(self, connection: Connection, batches: Sequence[Batch]) -> None:
        """Lock the position rows; if another holds one, this process is a zombie and writes nothing."""
        partitions = sorted(batch.partition for batch in batches)
        held = connection.execute(
            select(reader_position.c.partition, reader_position.c.holder)
            .where(reader_position.c.reader == READER, reader_position.c.partition.in_(partitions))
            .order_by(reader_position.c.partition)
            .with_for_update()
        ).all()
        if [(partition, self._holder) for partition in partitions] != [tuple(row) for row in held]:
            raise Fenced

    def take_back(self, connection: Connection, event: Envelope) -> None:
        """Fold an event that was set aside, as if it had never been late: its owner's history anew."""
        generations.expect(connection, self._projections)
        aside.take_back(connection, READER, event.event_id)
        owners = _owners(connection, [event])[event.position]
        _lock(connection, owners)
        if _owners(connection, [event])[event.position] != owners:
            raise Moved
        self.refold(connection, owners)

    def _advance(self, connection: Connection, batches: Sequence[Batch]) -> None:
        for batch in batches:
            if batch.next_offset is None:
                continue
            highest = max((e.position for e in batch.envelopes), default=0)
            connection.execute(
                text(
                    'UPDATE reader_position SET "offset" = :next, position = greatest(position, :highest) '
                    "WHERE reader = :reader AND partition = :partition"
                ),
                {
                    "next": batch.next_offset,
                    "highest": highest,
                    "reader": READER,
                    "partition": batch.partition,
                },
            )

    def _step(self, connection: Connection, plans: Sequence[_Plan]) -> None:
        """Fold new events onto the rows as they stand; they come after everything folded before."""
        for store in self._stores:
            projection = store.projection
            wanted = [(plan.owner, e) for plan in plans for e in plan.new if projection.wants(e)]
            fresh = projection.row_per_event
            keys = {projection.key(e, owner) for owner, e in wanted}
            rows = {} if fresh else store.load(connection, keys)
            changed: dict[str, tuple[str, Any]] = {}
            for owner, e in wanted:
                self._heart.handle(e.event_id)
                key = projection.key(e, owner)
                rows[key] = projection.apply(rows.get(key), e, owner)
                changed[key] = (owner, rows[key])
            self._heart.wait()
            store.write(connection, changed, fresh=fresh)
        FOLDED.labels("step").inc(sum(len(plan.new) for plan in plans))
        _set_heads(connection, {plan.owner: plan.new[-1].order for plan in plans})

    def refold(self, connection: Connection, owners: Collection[str]) -> None:
        """Fold these owners' whole committed histories anew. Their rows in `fold_head` must be locked.

        A refold reads ahead of the feed, so it enters in the ledger everything that it has read. Histories
        are read a slice of owners at a time: whole ones, but not all at once.
        """
        wanted = sorted(owners)
        for start in range(0, len(wanted), SLICE):
            self._refold(connection, wanted[start : start + SLICE])

    def _refold(self, connection: Connection, owners: Sequence[str]) -> None:
        survivor = histories.owners(histories.groups(connection, owners))
        streams = [owner for owner in owners if histories.is_stream(owner)]
        found: dict[str, list[Envelope]] = defaultdict(list)
        for one in histories.histories(connection, survivor, streams):
            found[owner_now(one, survivor)].append(one)
        _enter(connection, [e.position for history in found.values() for e in history])
        everyone = [*survivor, *owners]
        played = {owner: effective(found[owner]) for owner in owners}
        for store in self._stores:
            store.delete_owners(connection, everyone)
            rows = {
                key: (owner, row)
                for owner, history in played.items()
                for key, row in play(store.projection, self._heart.watch(history), owner).items()
            }
            store.write(connection, rows, fresh=True)
        FOLDED.labels("refold").inc(sum(len(history) for history in played.values()))
        _set_heads(connection, {owner: history[-1].order for owner, history in played.items() if history})


def _owners(connection: Connection, envelopes: Iterable[Envelope]) -> dict[int, tuple[str, ...]]:
    """Position → owners. An event of nobody has none; a merge concerns whoever survived it."""
    envelopes = list(envelopes)
    named = {e.customer for e in envelopes if e.customer}
    survivors = identity_store.survivors(connection, named)
    found: dict[int, tuple[str, ...]] = {}
    for e in envelopes:
        owner = owner_now(e, survivors)
        found[e.position] = (owner,) if owner else ()
    return found


def _lock(connection: Connection, owners: Collection[str]) -> dict[str, Order]:
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


def _enter(connection: Connection, positions: Collection[int]) -> set[int]:
    """Enter events in the ledger; those that were really new."""
    if not positions:
        return set()
    rows = connection.execute(
        text(
            "INSERT INTO ledger (position) SELECT unnest(CAST(:positions AS bigint[])) "
            "ON CONFLICT DO NOTHING RETURNING position"
        ),
        {"positions": sorted(set(positions))},
    )
    return {position for (position,) in rows.all()}


def _set_heads(connection: Connection, heads: dict[str, Order]) -> None:
    if heads:
        connection.execute(
            text(
                "UPDATE fold_head SET last = k.last FROM unnest(CAST(:owners AS text[]), CAST(:lasts AS bytea[])) "
                "AS k(owner, last) WHERE fold_head.owner = k.owner"
            ),
            {"owners": list(heads), "lasts": [_encode(order) for order in heads.values()]},
        )
