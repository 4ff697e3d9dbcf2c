"""Live events → policies → commands; a policy never acts on history, nor twice on one event."""

from collections.abc import Sequence

from sqlalchemy import Engine, select, text

from events.envelope import Envelope
from infra.database import unavailable
from infra.feeds import Batch
from models.domain import opportunity
from models.domain.rules import Rules
from models.errors import Refused
from models.handling import handle
from models.policies.policy import Policy
from models.ports import By, Log
from models.tables.journal import journal_head
from models.tables.readers import reader_position

READER = "policies"


class PolicyRunner:
    """Feeds batches to the policies and hands their commands on."""

    def __init__(self, engine: Engine, log: Log, policies: Sequence[Policy], rules: Rules) -> None:
        self._engine, self._log, self._policies = engine, log, policies
        self._decider = opportunity.decider(rules.opportunity)

    def begin(self) -> None:
        """At its very first deployment a policy begins at the journal's head: what was, stays as it was."""
        with unavailable(), self._engine.begin() as connection:
            head = connection.execute(select(journal_head.c.position)).scalar_one()
            connection.execute(
                text(
                    'INSERT INTO reader_position (reader, partition, topic_id, "offset", position, holder) '
                    "VALUES (:reader, -1, '', 0, :head, '') ON CONFLICT DO NOTHING"
                ),
                {"reader": READER, "head": head},
            )

    def claim(self, partition: int, topic_id: str) -> int:
        """Where to go on in a partition. A new topic is read from its start; the position says what is done."""
        with unavailable(), self._engine.begin() as connection:
            first = connection.execute(
                select(reader_position.c.position).where(
                    reader_position.c.reader == READER, reader_position.c.partition == -1
                )
            ).scalar_one()
            connection.execute(
                text(
                    'INSERT INTO reader_position (reader, partition, topic_id, "offset", position, holder) '
                    "VALUES (:reader, :partition, :topic, 0, :first, '') ON CONFLICT (reader, partition) DO "
                    'UPDATE SET topic_id = :topic, "offset" = CASE WHEN reader_position.topic_id = :topic '
                    'THEN reader_position."offset" ELSE 0 END'
                ),
                {"reader": READER, "partition": partition, "topic": topic_id, "first": first},
            )
            where = (reader_position.c.reader == READER, reader_position.c.partition == partition)
            return int(connection.execute(select(reader_position.c.offset).where(*where)).scalar_one())

    def react(self, batches: Sequence[Batch]) -> None:
        """Let the policies react to what is live and new, then remember how far they are."""
        for batch in batches:
            done = self._position(batch.partition)
            for envelope in batch.envelopes:
                if envelope.origin == "live" and envelope.position > done:
                    for policy in self._policies:
                        if type(envelope.event) in policy.matches:
                            self._act(policy, envelope)
            highest = max((e.position for e in batch.envelopes), default=done)
            with unavailable(), self._engine.begin() as connection:
                connection.execute(
                    text(
                        "UPDATE reader_position SET \"offset\" = :next, position = greatest(position, :highest) "
                        "WHERE reader = :reader AND partition = :partition"
                    ),
                    {"next": batch.next_offset, "highest": highest, "reader": READER,
                     "partition": batch.partition},
                )  # fmt: skip

    def _act(self, policy: Policy, envelope: Envelope) -> None:
        for number, reaction in enumerate(policy.react(envelope)):
            by = By(
                source=f"policy:{policy.name}", source_id=f"{envelope.event_id}:{number}",
                actor=f"policy:{policy.name}", cause=envelope.event_id, customer=envelope.customer,
            )  # fmt: skip
            try:
                handle(self._log, self._decider, reaction.stream, reaction.command, by)
            except Refused:
                continue  # the world moved on: what the policy wanted is no longer possible

    def _position(self, partition: int) -> int:
        with unavailable(), self._engine.connect() as connection:
            where = (reader_position.c.reader == READER, reader_position.c.partition == partition)
            return int(connection.execute(select(reader_position.c.position).where(*where)).scalar_one())
