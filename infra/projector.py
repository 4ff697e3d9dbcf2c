"""Events → read models, one transaction a batch: in order a step, else the owner's history anew."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Row, select, text

from events.envelope import Envelope
from infra import ledger
from infra.database import unavailable
from infra.feeds import Batch
from infra.folding import Fold
from infra.identity import families
from infra.journal import histories
from infra.journal.histories import Family, Moved
from infra.process.heart import Heart
from infra.quarantine import aside
from infra.quarantine.aside import PROJECTOR
from infra.rebuilding import generations
from infra.refolding import FOLDED, MOVING, Refolding
from infra.view_store import ViewStore
from models.errors import Unavailable
from models.projections.projection import Projection
from models.tables.readers import reader_position

READER = PROJECTOR
TRIES = 20


class Fenced(Exception):
    """Another worker holds this partition now; what was read is not ours to write."""


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
        self._refolding = Refolding(self._stores, self._heart)

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
        places = _places(connection, envelopes)
        several = _families(connection, envelopes, places)
        owners = {owner for e in envelopes if (owner := _owner(e, places))}
        heads = ledger.lock(connection, owners.union(*(family.ids for family in several.values())))
        if _places(connection, envelopes) != places or _families(connection, envelopes, places) != several:
            raise Moved
        new = ledger.enter(connection, delivered)
        plans: dict[str, _Plan] = {}
        for one in envelopes:
            owner = _owner(one, places)  # an event of nobody has none
            if one.position in new and owner:
                if (plan := plans.get(owner)) is None:
                    plan = plans[owner] = _Plan(owner)
                plan.new.append(one)
                plan.moving = plan.moving or isinstance(one.event, MOVING) or owner in several
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
        self._refolding.anew(connection, anew, passed_over)
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
        places = _places(connection, [event])
        owners = {owner} if (owner := _owner(event, places)) else set()
        several = histories.families(connection, owners)
        ledger.lock(connection, owners.union(*(family.ids for family in several)))
        if _places(connection, [event]) != places:
            raise Moved
        self.refold(connection, owners)

    def refold(self, connection: Connection, owners: Collection[str]) -> None:
        """Fold these owners' whole committed histories anew. Their rows in `fold_head` must be locked."""
        self._refolding.anew(connection, dict.fromkeys(owners), frozenset())

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


def _places(connection: Connection, envelopes: Iterable[Envelope]) -> dict[str, Row[Any, Any, Any]]:
    """Where those of these events' customers stand who were ever joined with others."""
    return families.places(connection, {e.customer for e in envelopes if e.customer})


def _owner(e: Envelope, places: Mapping[str, Row[Any, Any, Any]]) -> str:
    """Whose an event is at first sight; empty for what is nobody's."""
    if not e.customer:
        return e.stream
    return str(places[e.customer].survivor) if e.customer in places else e.customer


def _families(
    connection: Connection, envelopes: Iterable[Envelope], places: Mapping[str, Row[Any, Any, Any]]
) -> dict[str, Family]:
    """Owner → their family, where it has to be folded whole: it is tangled, or an event changes who is whom."""
    asked = {
        e.customer for e in envelopes
        if e.customer and (isinstance(e.event, MOVING) or (e.customer in places and places[e.customer].tangled))
    }  # fmt: skip
    found = histories.families(connection, asked)
    return {owner: family for family in found if len(family.ids) > 1 for owner in family.owners}
