"""Events → read models, one transaction a batch: in order a step, else the owner's history anew."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import Counter
from sqlalchemy import Connection, Engine, select, text

from events.envelope import Envelope
from events.identity import CustomersMerged, CustomersUnmerged
from infra import aside, generations, histories, identity_store, ledger
from infra.aside import PROJECTOR
from infra.database import unavailable
from infra.feeds import Batch
from infra.folding import Fold
from infra.heart import Heart
from infra.histories import owner_now
from infra.view_store import ViewStore
from models.domain.history import CHANGING, effective
from models.errors import Unavailable
from models.projections.projection import Projection
from models.tables.readers import reader_position

READER = PROJECTOR
FOLDED = Counter("touchstone_folded_total", "Events folded into the views", ["how"])
TRIES = 20
SLICE = 200
"""Owners whose histories are in memory at once."""
HELD = 20_000
"""Events that are in memory at once, unless a single owner has more."""

MOVING = (*CHANGING, CustomersMerged, CustomersUnmerged)
"""Events that change what others mean, or whose they are."""


class Fenced(Exception):
    """Another worker holds this partition now; what was read is not ours to write."""


class Moved(Exception):
    """An identity changed between looking and locking: look again."""


@dataclass(slots=True)
class _Plan:
    """What one owner's new events ask for."""

    owner: str
    new: list[Envelope] = field(default_factory=list)
    moving: bool = False


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
        survivors = _survivors(connection, envelopes)
        absorbed = {e.event.absorbed for e in envelopes if isinstance(e.event, CustomersMerged)}
        owners = {owner for e in envelopes if (owner := owner_now(e, survivors))}
        heads = ledger.lock(connection, absorbed | owners)
        if _survivors(connection, envelopes) != survivors:
            raise Moved
        new = ledger.enter(connection, delivered)
        plans: dict[str, _Plan] = {}
        for one in envelopes:
            owner = owner_now(one, survivors)  # an event of nobody has none
            if one.position in new and owner:
                if (plan := plans.get(owner)) is None:
                    plan = plans[owner] = _Plan(owner)
                plan.new.append(one)
                plan.moving = plan.moving or isinstance(one.event, MOVING)
        steps: list[_Plan] = []
        anew: dict[str, set[int] | None] = {}
        for plan in plans.values():
            plan.new.sort(key=lambda e: e.order)
            last = heads.get(plan.owner)
            if plan.moving:
                anew[plan.owner] = None
            elif last is not None and plan.new[0].order <= last:
                anew[plan.owner] = {e.position for e in plan.new}
            else:
                steps.append(plan)
        self._step(connection, steps)
        self._anew(connection, anew, passed_over)
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
        survivors = _survivors(connection, [event])
        owners = [owner] if (owner := owner_now(event, survivors)) else []
        ledger.lock(connection, owners)
        if _survivors(connection, [event]) != survivors:
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
        folds = [Fold(store, self._standing(connection, store, plans)) for store in self._stores]
        for plan in plans:
            for event in self._heart.watch(plan.new):
                for fold in folds:
                    fold.take(event, plan.owner)
        for fold in folds:
            fold.end()
            fold.write(connection, fresh=fold.store.projection.row_per_event)
        FOLDED.labels("step").inc(sum(len(plan.new) for plan in plans))
        ledger.set_heads(connection, {plan.owner: plan.new[-1].order for plan in plans})

    def _standing(self, connection: Connection, store: ViewStore, plans: Sequence[_Plan]) -> dict[str, Any]:
        """The rows that these events may change."""
        projection = store.projection
        if projection.row_per_event:
            return {}
        keys = {projection.key(e, plan.owner) for plan in plans for e in plan.new if projection.wants(e)}
        return store.load(connection, keys)

    def refold(self, connection: Connection, owners: Collection[str]) -> None:
        """Fold these owners' whole committed histories anew. Their rows in `fold_head` must be locked."""
        self._anew(connection, dict.fromkeys(owners), frozenset())

    def _anew(
        self, connection: Connection, owners: Mapping[str, set[int] | None], passed_over: Collection[str]
    ) -> None:
        """Fold owners' histories anew: owner → its late events, or None where more than lateness asks for it.

        Of those that are only late, the rows of single events stand: just the new ones are written. Histories
        are read a slice of owners at a time: whole ones, but not all at once.
        """
        wanted = sorted(owners)
        for start in range(0, len(wanted), SLICE):
            part = wanted[start : start + SLICE]
            self._fold_anew(connection, {owner: owners[owner] for owner in part}, passed_over)

    def _fold_anew(
        self, connection: Connection, owners: Mapping[str, set[int] | None], passed_over: Collection[str]
    ) -> None:
        """One slice. It reads ahead of the feed, so it enters in the ledger everything that it has read."""
        joined = histories.groups(connection, owners)
        survivor = histories.owners(joined)
        streams = [owner for owner in owners if histories.is_stream(owner)]
        found: dict[str, list[Envelope]] = defaultdict(list)
        alone = len(owners) == 1
        for one in histories.histories(connection, survivor, streams, most=None if alone else HELD):
            found[owner_now(one, survivor)].append(one)
        if not alone and sum(map(len, found.values())) > HELD:
            del found
            for half in _halves(owners):
                self._fold_anew(connection, half, passed_over)
            return
        ahead = ledger.enter(connection, [e.position for history in found.values() for e in history])
        standing = {
            owner: late | ahead
            for owner, late in owners.items()
            if late is not None and _stands(joined.get(owner, [owner]), found[owner], ahead)
        }
        self._take_away(connection, {*survivor, *owners}, standing, passed_over)
        played = {owner: effective(found.pop(owner, [])) for owner in owners}
        folds = [Fold(store) for store in self._stores]
        changing = [fold for fold in folds if not fold.store.projection.row_per_event]
        for owner, history in played.items():
            unwritten = standing.get(owner)
            for event in self._heart.watch(history):
                for fold in folds if unwritten is None or event.position in unwritten else changing:
                    fold.take(event, owner)
            for fold in folds:
                fold.end()
        for fold in folds:
            fold.write(connection, fresh=True)
        FOLDED.labels("refold").inc(sum(len(history) for history in played.values()))
        ledger.set_heads(
            connection, {owner: history[-1].order for owner, history in played.items() if history}
        )

    def _take_away(
        self,
        connection: Connection,
        owners: set[str],
        standing: Collection[str],
        passed_over: Collection[str],
    ) -> None:
        """Their rows; where those of single events stand, only what lies aside by now."""
        for store in self._stores:
            if not store.projection.row_per_event:
                store.delete_owners(connection, owners)
                continue
            store.delete_owners(connection, owners.difference(standing))
            if passed_over and standing:
                store.delete_keys(connection, passed_over, of=standing)


def _halves(owners: Mapping[str, set[int] | None]) -> Iterator[dict[str, set[int] | None]]:
    names, middle = list(owners), len(owners) // 2
    for part in (names[:middle], names[middle:]):
        yield {owner: owners[owner] for owner in part}


def _stands(members: Sequence[str], history: Iterable[Envelope], ahead: Collection[int]) -> bool:
    """Do the rows of an owner's single events stand, but for those that are new to the ledger?

    Not where some may be another's, or where what was read ahead says that an earlier event was otherwise.
    """
    return len(members) == 1 and not any(e.position in ahead and isinstance(e.event, MOVING) for e in history)


def _survivors(connection: Connection, envelopes: Iterable[Envelope]) -> dict[str, str]:
    """Whom each of the customers these events were recorded for is now."""
    return identity_store.survivors(connection, {e.customer for e in envelopes if e.customer})
