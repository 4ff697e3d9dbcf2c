"""Views → the compacted topic with each customer's state, behind the projector, customer by customer."""

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

import structlog
from confluent_kafka import KafkaException, Producer
from prometheus_client import Counter
from sqlalchemy import Connection, Engine, Row, select, text, update

from events import customer_state
from events.schema import dataschema
from events.topics import state_topic
from infra.clock import Clock
from infra.customer_state.reading import MOVING_WIRES, SETTLED, Stand, States, concerned
from infra.database import unavailable
from infra.process.heart import Heart
from infra.relay import SETTLE_SECONDS
from infra.telemetry import LAG
from infra.topics_admin import PROMPT, topic_id
from models.domain.rules import Rules
from models.errors import Unavailable
from models.tables.customer_state import state_checkpoint
from models.tables.identity import customer
from models.tables.journal import journal_head

log = structlog.get_logger()
BATCH = 2_000
"""Events of the journal that are looked at in a step."""
PAGE = 500
"""Customers that are written in a step while the topic is filled."""
PATIENCE_SECONDS = 30.0
IDLE_SECONDS = 0.2
WAIT_SECONDS = 1.0
LOOK_SECONDS = 2.0
"""Between two looks whether the topic is still the one that was filled."""
WRITTEN = Counter("touchstone_states_total", "Customers' states written to their topic")
_SOURCE = b"touchstone"
_ROWS = text(
    f"SELECT j.position, j.customer::text AS customer, j.type, {SETTLED} AS settled FROM journal j "
    "WHERE j.position > :after ORDER BY j.position LIMIT :most"
)
_SETTLED_UPTO = text(
    "SELECT coalesce((SELECT min(j.position) - 1 FROM journal j "
    f"WHERE NOT {SETTLED}), (SELECT position FROM journal_head))"
)


class StateTopic:
    """Writes a customer's state whenever the views have one more of their events. A second instance waits."""

    def __init__(
        self, engine: Engine, bootstrap: str, prefix: str, rules: Rules, zone: str, clock: Clock,
        heart: Heart | None = None, public_url: str = "",
    ) -> None:  # fmt: skip
        self._dataschema = dataschema(customer_state.NAME, customer_state.SCHEMA, public_url).encode()
        self._engine, self._bootstrap, self._clock = engine, bootstrap, clock
        self._heart = heart or Heart()
        self._topic, self._states = state_topic(prefix), States(rules, zone)
        self._producer = _producer(bootstrap)
        self._known = ""

    def run(self, stop: threading.Event) -> None:
        """Go on until told to stop; whatever does not answer is waited for."""
        looked = 0.0
        while not stop.is_set():
            self._heart.wait()
            try:
                if not looked or time.monotonic() - looked >= LOOK_SECONDS:
                    self._look()
                    looked = time.monotonic()
                busy = self.step(self._known)
            except Unavailable as error:
                log.warning("waiting", why=str(error))
                looked, busy = 0.0, False
                stop.wait(WAIT_SECONDS)
            self._heart.rest()
            if not busy:
                stop.wait(IDLE_SECONDS)

    def topic(self) -> str:
        """Which topic there is now: another answer means that it was deleted and made anew."""
        return topic_id(self._bootstrap, self._topic)

    def _look(self) -> None:
        now = self.topic()
        if self._known not in ("", now):
            time.sleep(SETTLE_SECONDS)  # what a broker takes for the old one's files is lost
        self._known = now

    def step(self, topic: str) -> bool:
        """Write some customers to this topic; False where there is nothing to be done. Raises `Unavailable`.

        The lock is held until all is acknowledged: no other process writes meanwhile, so that no older state
        comes behind a newer one.
        """
        with unavailable(), self._engine.begin() as held:
            place = self._place(held, topic)
            with self._engine.connect() as reading:
                reading = reading.execution_options(isolation_level="REPEATABLE READ")
                stands, after = self._fill(reading, place) if place.filling else self._follow(reading, place)
            if after is None:
                return False
            self._send(stands)
            held.execute(
                update(state_checkpoint).where(state_checkpoint.c.topic == self._topic).values(**after)
            )
            return True

    def _place(self, connection: Connection, topic: str) -> Row[Any]:
        """Where to go on, locked. A topic that is new is filled, beginning with what the views have by now."""
        where = state_checkpoint.c.topic == self._topic
        new = {"topic": self._topic, "topic_id": "", "position": 0, "filling": True, "filled": None}
        connection.execute(
            text(
                "INSERT INTO state_checkpoint (topic, topic_id, position, filling, filled) VALUES "
                "(:topic, :topic_id, :position, :filling, :filled) ON CONFLICT (topic) DO NOTHING"
            ),
            new,
        )
        held = connection.execute(select(state_checkpoint).where(where).with_for_update()).one()
        if held.topic_id == topic:
            return held
        log.info("filling a new topic", topic=self._topic)
        begin = connection.execute(_SETTLED_UPTO).scalar_one()
        fresh = {"topic_id": topic, "position": begin, "filling": True, "filled": None}
        connection.execute(update(state_checkpoint).where(where).values(**fresh))
        return connection.execute(select(state_checkpoint).where(where)).one()

    def _fill(self, connection: Connection, place: Row[Any]) -> tuple[list[Stand], dict[str, Any]]:
        """The next customers of all there ever were."""
        query = select(customer.c.id).order_by(customer.c.id).limit(PAGE)
        if place.filled is not None:
            query = query.where(customer.c.id > place.filled)
        ids = [str(one) for one in connection.execute(query).scalars()]
        if not ids:
            return [], {"filling": False, "filled": None}
        return self._states.read(connection, set(ids), place.position, self._clock.now()), {"filled": ids[-1]}

    def _follow(
        self, connection: Connection, place: Row[Any]
    ) -> tuple[list[Stand], dict[str, Any] | None]:  # fmt: skip
        """The customers of the next events, as far as the views have them all."""
        rows = connection.execute(_ROWS, {"after": place.position, "most": BATCH}).all()
        settled = list(takewhile(lambda row: row.settled, rows))
        head = connection.execute(select(journal_head.c.position)).scalar_one()
        LAG.labels("state", "0").set(head - (settled[-1].position if settled else place.position))
        if not settled:
            return [], None
        upto = settled[-1].position
        changed: dict[str, bool] = {}
        for row in settled:
            if row.customer:
                changed[row.customer] = changed.get(row.customer, False) or row.type in MOVING_WIRES
        ids = concerned(connection, changed)
        return self._states.read(connection, ids, upto, self._clock.now()), {"position": upto}

    def _send(self, stands: Sequence[Stand]) -> None:
        """Raises `Unavailable` unless all of it is acknowledged."""
        failed: list[str] = []

        def told(error: Any, _: Any) -> None:
            if error is not None:
                failed.append(error.str())

        now = _text(self._clock.now())
        try:
            for one in stands:
                key, headers = one.customer.encode(), _headers(one, now, self._dataschema)
                self._producer.produce(self._topic, one.value, key, headers=headers, on_delivery=told)
            left = self._producer.flush(PATIENCE_SECONDS)
        except (KafkaException, BufferError) as error:
            self._anew()
            raise Unavailable(f"Kafka does not take states: {error}") from None
        if failed or left:
            self._anew()
            raise Unavailable(f"Kafka did not take up to {len(failed) + left} states: {failed[:1]}")
        WRITTEN.inc(len(stands))

    def _anew(self) -> None:
        """An idempotent producer may be beyond help after an error."""
        self._producer.purge()
        self._producer = _producer(self._bootstrap)


def refill(engine: Engine, prefix: str) -> bool:
    """Have everybody written again; False where no worker has ever begun, which fills the topic by itself."""
    with unavailable(), engine.begin() as connection:
        where = state_checkpoint.c.topic == state_topic(prefix)
        return bool(
            connection.execute(
                update(state_checkpoint).where(where).values(filling=True, filled=None)
            ).rowcount
        )


def place_of(engine: Engine, prefix: str) -> tuple[int, bool, int] | None:
    """The position reached, whether the topic is being filled, and the journal's head; None before the first."""
    head = select(journal_head.c.position).scalar_subquery()
    query = select(state_checkpoint.c.position, state_checkpoint.c.filling, head)
    with unavailable(), engine.connect() as connection:
        row = connection.execute(query.where(state_checkpoint.c.topic == state_topic(prefix))).first()
    return None if row is None else (row[0], row[1], row[2])


def _headers(one: Stand, now: bytes, dataschema: bytes) -> Any:
    position = b"%d" % one.position
    return [
        ("ce_id", one.customer.encode() + b":" + position), ("ce_source", _SOURCE),
        ("ce_type", customer_state.WIRE.encode()), ("ce_specversion", b"1.0"), ("ce_time", now),
        ("ce_subject", one.customer.encode()), ("ce_dataschema", dataschema),
        ("ts_position", position), ("content-type", b"application/json"),
    ]  # fmt: skip


def _producer(bootstrap: str) -> Producer:
    return Producer({
        "bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all",
        "partitioner": "murmur2_random", "message.max.bytes": 1_000_000, **PROMPT,
        "delivery.timeout.ms": int(PATIENCE_SECONDS * 1_000), "linger.ms": 20,
        "max.in.flight.requests.per.connection": 1,
    })  # fmt: skip


def _text(moment: datetime) -> bytes:
    return moment.astimezone(UTC).isoformat().encode()[:-6] + b"Z"
