"""Noticing a consumer that is alive but reads nothing, though there is something to read.

Such consumers were seen after brokers came back and after rebalances; nothing public tells of it. So a
thread of our own compares what was read with what there is, and ends the process: its parent begins anew.
"""

import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import structlog
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from infra.process.watchdog import STUCK
from infra.telemetry import LAG
from infra.topics_admin import PROMPT, offsets
from models.errors import Unavailable

log = structlog.get_logger()
LOOK_SECONDS = 3.0
ANSWER_SECONDS = 5.0
PATIENCE_SECONDS = 24.0
"""Three session time-outs: a rebalance is over by then."""


class StuckWatch:
    """Watches one member of a consumer group, from a thread of its own."""

    def __init__(self, bootstrap: str, topic: str, group: str, member: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap, **PROMPT})
        self._topic, self._group, self._member = topic, group, member
        self._places: dict[int, int] = {}
        self._busy, self._done = False, threading.Event()
        self._since: dict[int, tuple[int, float]] = {}
        self._alone_since = time.monotonic()

    def start(self) -> None:
        """Watch until told to stop."""
        threading.Thread(target=self._run, name="stuck-watch", daemon=True).start()

    def stop(self) -> None:
        """Watch no longer."""
        self._done.set()

    def reads(self, partition: int, offset: int) -> None:
        """The member is to read a partition from here."""
        self._places[partition] = offset

    def reads_from_committed(self, partitions: Iterable[int]) -> Mapping[int, int]:
        """The member is to read partitions from where their group stands, which is told, or raises `Unavailable`."""
        try:
            self._places.update(self._committed(list(partitions)))
        except (KafkaException, TimeoutError) as error:
            raise Unavailable(f"Kafka does not tell where {self._group} stands") from error
        return dict(self._places)

    def _committed(self, partitions: Sequence[int]) -> dict[int, int]:
        first = offsets(self._admin, self._topic, partitions, OffsetSpec.earliest(), ANSWER_SECONDS)
        group = ConsumerGroupTopicPartitions(
            self._group, [TopicPartition(self._topic, part) for part in partitions]
        )
        stands = self._admin.list_consumer_group_offsets([group], request_timeout=ANSWER_SECONDS)
        return {
            place.partition: max(place.offset, first[place.partition])
            for place in stands[self._group].result(ANSWER_SECONDS).topic_partitions or []
        }

    def went_on(self, partition: int, offset: int) -> None:
        """The member has read a partition up to here, if it still has it."""
        if partition in self._places:
            self._places[partition] = offset

    def gives_back(self) -> None:
        """The member has no partition any more; a lag that it still told would hide its successor's."""
        for part in self._places:
            with suppress(KeyError):
                LAG.remove(self._group, str(part))
        self._places = {}

    def works(self, busy: bool) -> None:
        """The member has a batch in hand, and need not read meanwhile."""
        self._busy = busy

    def _run(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            try:
                why = self._judge(dict(self._places), time.monotonic())
            except (KafkaException, TimeoutError):  # a broker that does not answer leaves everybody waiting
                self._since, self._alone_since = {}, time.monotonic()
                continue
            if why and not self._done.is_set():
                log.error("stuck", group=self._group, why=why)
                os._exit(STUCK)

    def _judge(self, places: Mapping[int, int], now: float) -> str:
        """Why the member is stuck, "" if it is not."""
        if self._busy:
            self._since, self._alone_since = {}, now
            return ""
        if not places:
            return self._judge_outsider(now)
        self._alone_since = now
        ends = self._ends(list(places))
        behind = {part: place for part, place in places.items() if ends[part] > place}
        since = {}
        for part, place in behind.items():
            before = self._since.get(part)
            since[part] = before if before is not None and before[0] == place else (place, now)
        self._since = since
        for part, place in places.items():
            LAG.labels(self._group, str(part)).set(ends[part] - place)
        late = [part for part, (_, at) in since.items() if now - at > PATIENCE_SECONDS]
        return f"nothing was read of partition {late[0]}, which has more" if late else ""

    def _judge_outsider(self, now: float) -> str:
        """A member without a partition may be one too many; but then the group knows it."""
        if now - self._alone_since <= PATIENCE_SECONDS:
            return ""
        described = self._admin.describe_consumer_groups([self._group], request_timeout=ANSWER_SECONDS)
        members = described[self._group].result(ANSWER_SECONDS).members
        if any(member.client_id == self._member for member in members):
            self._alone_since = now
            return ""
        return "it is no member of its group any more"

    def _ends(self, partitions: Iterable[int]) -> dict[int, int]:
        return offsets(self._admin, self._topic, partitions, OffsetSpec.latest(), ANSWER_SECONDS)
