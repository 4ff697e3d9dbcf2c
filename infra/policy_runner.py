"""Live events → policies → commands; a policy never acts on history, nor twice on one event."""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, func, select, text

from events.envelope import Envelope
from events.topics import PARTITIONS
from infra.database import unavailable
from infra.feeds import JOURNAL, Batch
from infra.process.heart import Heart
from infra.process.watched import WatchedLog
from infra.projector import Fenced
from infra.quarantine import aside
from infra.quarantine.aside import POLICIES
from models.domain import opportunity
from models.domain.rules import Rules
from models.errors import Conflict, Refused, Unavailable
from models.handling import handle
from models.policies.policy import Policy
from models.ports import By, Log
from models.tables.journal import journal_head
from models.tables.readers import reader_position

READER = POLICIES
FLOOR = -1
"""The row of no partition: which feed is read, and the position up to which all is done, whatever the feed."""


def begin(engine: Engine) -> None:
    """At their very first deployment policies begin at the journal's head: what was, stays as it was.

    Done before the first door opens, else what comes in until the first worker is up would be passed over.
    """
    with unavailable(), engine.begin() as connection:
        head = connection.execute(select(journal_head.c.position)).scalar_one()
        connection.execute(
            text(
                'INSERT INTO reader_position (reader, partition, topic_id, "offset", position, holder) '
                "VALUES (:reader, :floor, '', 0, :head, '') ON CONFLICT DO NOTHING"
            ),
            {"reader": READER, "floor": FLOOR, "head": head},
        )


class PolicyRunner:
    """Feeds batches to the policies and hands their commands on."""

    def __init__(
        self, engine: Engine, log: Log, policies: Sequence[Policy], rules: Rules, heart: Heart | None = None
    ) -> None:
        self._engine, self._log, self._policies, self._heart = engine, log, policies, heart or Heart()
        self._decider = opportunity.decider(rules.opportunity)

    def begin(self) -> None:
        """See `begin`."""
        begin(self._engine)

    def claim(self, partition: int, topic_id: str) -> int:
        """Where to go on in a partition. Positions compare within one feed only, so a partition of a feed not
        read before begins at the floor: some events come again, none is left out.
        """
        with unavailable(), self._engine.begin() as connection:
            floor = _floor(connection, topic_id)
            return int(
                connection.execute(
                    text(
                        'INSERT INTO reader_position (reader, partition, topic_id, "offset", position, holder) '
                        "VALUES (:reader, :partition, :topic, :begin, :floor, '') "
                        'ON CONFLICT (reader, partition) DO UPDATE SET topic_id = :topic, "offset" = '
                        'CASE WHEN reader_position.topic_id = :topic THEN reader_position."offset" '
                        "ELSE :begin END, position = CASE WHEN reader_position.topic_id = :topic "
                        'THEN greatest(reader_position.position, :floor) ELSE :floor END RETURNING "offset"'
                    ),
                    {
                        "reader": READER, "partition": partition, "topic": topic_id, "floor": floor,
                        "begin": floor if topic_id == JOURNAL else 0,  # the journal's offsets are positions
                    },
                ).scalar_one()
            )  # fmt: skip

    def react(self, batches: Sequence[Batch]) -> None:
        """Let the policies react to what is live and new, then remember how far they are.

        Raises `Unavailable`, then the batches are to be given again; `Fenced` where another feed is read now.
        """
        for batch in batches:
            done, passed_over = self._position(batch)
            for envelope in batch.envelopes:
                if envelope.position > done and envelope.event_id not in passed_over:
                    self.consider(envelope)
            if batch.next_offset is None:
                continue
            highest = max((e.position for e in batch.envelopes), default=done)
            with unavailable(), self._engine.begin() as connection:
                connection.execute(
                    text(
                        "UPDATE reader_position SET \"offset\" = :next, position = greatest(position, :highest) "
                        "WHERE reader = :reader AND partition = :partition AND topic_id = :topic"
                    ),
                    {"next": batch.next_offset, "highest": highest, "reader": READER,
                     "partition": batch.partition, "topic": batch.topic_id},
                )  # fmt: skip

    def consider(self, envelope: Envelope) -> None:
        """Let every policy that matches react to an event; on history none ever does."""
        for policy in self._policies:
            if envelope.origin == "live" and type(envelope.event) in policy.matches:
                self._act(policy, envelope)
                self._heart.wait()

    def _act(self, policy: Policy, envelope: Envelope) -> None:
        log = WatchedLog(self._log, self._heart, envelope.event_id)
        for number, reaction in enumerate(policy.react(envelope)):
            by = By(
                source=f"policy:{policy.name}", source_id=f"{envelope.event_id}:{number}",
                actor=f"policy:{policy.name}", cause=envelope.event_id, customer=envelope.customer,
            )  # fmt: skip
            try:
                handle(log, self._decider, reaction.stream, reaction.command, by)
            except Refused:
                continue  # the world moved on: what the policy wanted is no longer possible
            except Conflict as error:
                raise Unavailable(f"{reaction.stream} keeps moving on") from error

    def _position(self, batch: Batch) -> tuple[int, frozenset[str]]:
        """Up to where all is done, and what lies aside."""
        with unavailable(), self._engine.connect() as connection:
            found = connection.execute(
                select(reader_position.c.position).where(
                    reader_position.c.reader == READER, reader_position.c.partition == batch.partition,
                    reader_position.c.topic_id == batch.topic_id,
                )
            ).scalar()  # fmt: skip
            if found is None:
                raise Fenced
            return int(found), aside.held(connection, READER)


def _floor(connection: Connection, topic_id: str) -> int:
    """The position up to which every event is done; it rises when another feed is read than before."""
    mine, partition = reader_position.c.reader == READER, reader_position.c.partition
    held = connection.execute(select(reader_position).where(mine, partition == FLOOR).with_for_update()).one()
    if held.topic_id == topic_id:
        return int(held.position)
    count, lowest = connection.execute(
        select(func.count(), func.min(reader_position.c.position)).where(
            mine, partition != FLOOR, reader_position.c.topic_id == held.topic_id
        )
    ).one()
    # A partition that was never claimed has done nothing beyond the floor.
    complete = count >= (1 if held.topic_id == JOURNAL else PARTITIONS)
    floor = max(held.position, lowest) if complete else held.position
    connection.execute(
        reader_position.update().where(mine, partition == FLOOR).values(topic_id=topic_id, position=floor)
    )
    return int(floor)
