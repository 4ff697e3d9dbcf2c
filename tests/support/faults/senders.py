"""Senders that never give up: whatever was not acknowledged is sent again, under the same id."""

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import httpx
import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tests.support.faults.book import Book, Capture, Entry, Name
from tests.support.faults.crowd import Crowd, Person, body, identifiers

HANG_SECONDS = 60.0
"""An answer that takes longer is none, and a broken promise."""
KEPT = 200
"""So many acknowledged batches are remembered, to be sent again out of the blue."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP request came to. Status 0: no answer, `error` says why. `at` is when it was sent."""

    door: str
    at: float
    seconds: float
    status: int
    retry_after: str = ""
    error: str = ""


class Answers:
    """Every answer that any sender got."""

    def __init__(self) -> None:
        self._lock, self._all = threading.Lock(), list[Answer]()

    def note(self, answer: Answer) -> None:
        """Keep it."""
        with self._lock:
            self._all.append(answer)

    def since(self, at: float, door: str = "") -> list[Answer]:
        """Those of requests that were sent since a moment of `time.monotonic()`."""
        with self._lock:
            return [one for one in self._all if one.at >= at and one.door.startswith(door)]


class Sender(threading.Thread, ABC):
    """Something that calls over and over, `gap` seconds apart, until told to stop."""

    def __init__(self, name: str, gap: float) -> None:
        super().__init__(name=name, daemon=True)
        self._gap, self._end, self._give_up = gap, threading.Event(), threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        """The thread's life. What it dies of is kept: a dead sender would be a quiet one."""
        try:
            self.open()
            while not self._end.is_set():
                self._end.wait(self._gap if self.call() else max(self._gap, 0.2))
            while self.owes() and not self._give_up.is_set():
                if not self.call():
                    self._give_up.wait(0.2)
            self.close()
        except BaseException as error:
            self.failure = error

    def stop(self) -> None:
        """Make nothing new; what is owed is still sent."""
        self._end.set()

    def give_up(self) -> None:
        """Send nothing at all any more."""
        self._end.set()
        self._give_up.set()

    def open(self) -> None:
        """Before the first call."""

    @abstractmethod
    def call(self) -> bool:
        """One call; False if it was in vain."""

    def owes(self) -> bool:
        """Is there something that was not acknowledged yet?"""
        return False

    def close(self) -> None:
        """After the last call."""


class HttpSender(Sender):
    """A sender over HTTP."""

    def __init__(self, name: str, gap: float, url: str, key: str, answers: Answers) -> None:
        super().__init__(name, gap)
        self._answers = answers
        self.client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=HANG_SECONDS,
            follow_redirects=False,
        )  # fmt: skip

    def ask(self, method: str, path: str, door: str, **more: object) -> httpx.Response | None:
        """One request; None if there was no answer. What came of it is noted."""
        at = time.monotonic()
        try:
            answer = self.client.request(method, path, **more)  # type: ignore[arg-type]
        except httpx.TransportError as error:
            took = time.monotonic() - at
            self._answers.note(Answer(door, at, took, 0, error=type(error).__name__))
            return None
        after = answer.headers.get("Retry-After", "")
        self._answers.note(Answer(door, at, time.monotonic() - at, answer.status_code, after))
        return answer

    def close(self) -> None:
        """Let go of the connection."""
        self.client.close()


class TouchSender(HttpSender):
    """A channel: singles and batches, some of them again though they were acknowledged."""

    def __init__(
        self, crowd: Crowd, chance: Random, book: Book, gap: float, url: str, key: str, answers: Answers
    ) -> None:
        super().__init__(crowd.source, gap, url, key, answers)
        self._crowd, self._chance, self._book = crowd, chance, book
        self._owed: list[Entry] = []
        self._done: deque[list[Entry]] = deque(maxlen=KEPT)

    def call(self) -> bool:
        """What is owed goes first."""
        if not self._owed:
            self._owed = self._next()
        batch = self._owed
        door = "facts" if batch[0].kind in ("purchase", "return") else "touches"
        items = [body(entry) for entry in batch]
        answer = self.ask("POST", f"/v1/{door}", "gateway", json=items if len(items) > 1 else items[0])
        if answer is None or answer.status_code != 200:
            return False
        for entry, result in zip(batch, answer.json()["results"], strict=True):
            self._book.told(entry, result["verdict"], result.get("event_id", ""))
        self._done.append(batch)
        self._owed = []
        return True

    def owes(self) -> bool:
        """A batch that may have arrived or not."""
        return bool(self._owed)

    def _next(self) -> list[Entry]:
        chance = self._chance
        if self._done and chance.random() < 0.1:
            return chance.choice(self._done)
        drawn = self._crowd.act(chance.choice((1, 1, 2, 10, 25)))
        self._book.write(drawn)
        return drawn


class CaptureSender(HttpSender):
    """A desk that hears of opportunities. Each is routed by a policy, and missed by a sweep, once."""

    def __init__(
        self, book: Book, desk: str, chance: Random, gap: float, url: str, key: str, answers: Answers
    ) -> None:
        super().__init__("desk", gap, url, key, answers)
        self._book, self._chance, self._desk, self._number = book, chance, desk, 0
        self._owed: Capture | None = None

    def call(self) -> bool:
        """Capture one, under a key of ours."""
        if self._owed is None:
            self._number += 1
            name: Name = ("account", f"lead{self._chance.randrange(40)}")
            self._owed = Capture(f"{self._desk}-{self._number}", name)
            self._book.capture(self._owed)
        one = self._owed
        asked = {"subject": "fleet", "value": "1200", "currency": "USD", "captured_by": "a-1",
                 "identifiers": identifiers([one.name])}  # fmt: skip
        headers = {"Idempotency-Key": one.key}
        answer = self.ask("POST", "/v1/opportunities", "api", json=asked, headers=headers)
        if answer is None or answer.status_code not in (200, 202):
            return False
        one.opportunity_id = answer.json()["opportunity_id"]
        self._owed = None
        return True

    def owes(self) -> bool:
        """A capture that may have arrived or not."""
        return self._owed is not None


class Reader(HttpSender):
    """Somebody who looks at customers all the time."""

    def __init__(
        self, crowd: Sequence[Person], chance: Random, gap: float, url: str, key: str, answers: Answers
    ) -> None:
        super().__init__("reader", gap, url, key, answers)
        self._crowd, self._chance = crowd, chance

    def call(self) -> bool:
        """One view of one customer."""
        account = self._chance.choice(self._crowd).account[1]
        found = self.ask("GET", "/v1/customers", "api", params={"account": account, "issuer": "shop"})
        if found is None or found.status_code != 200 or not found.json()["customers"]:
            return False
        seen = self.ask("GET", f"/v1/customers/{found.json()['customers'][0]['customer']}", "api")
        return seen is not None


class IntakeSender(Sender):
    """Another system, which hands its events over on the intake topic. Kafka acknowledges them."""

    def __init__(self, crowd: Crowd, book: Book, gap: float, bootstrap: str, topic: str) -> None:
        super().__init__(crowd.source, gap)
        self._crowd, self._book, self._topic = crowd, book, topic
        self._kafka = bootstrap
        self._again: deque[Entry] = deque()

    def open(self) -> None:
        """Connect. One request at a time: with more, librdkafka may take one that failed for delivered."""
        self._producer = Producer({
            "bootstrap.servers": self._kafka, "enable.idempotence": True, "acks": "all", "log_level": 0,
            "message.timeout.ms": 20_000, "max.in.flight.requests.per.connection": 1,
        })  # fmt: skip

    def call(self) -> bool:
        """Hand one over, or again what was not taken."""
        if self._again:
            entry = self._again.popleft()
        elif self._end.is_set():
            return False
        else:
            (entry,) = self._crowd.act(1)
            self._book.write([entry])

        def told(error: KafkaError | None, _: Message) -> None:
            if error is None:
                self._book.handed_over(entry)
            else:
                self._again.append(entry)

        try:
            self._producer.produce(
                self._topic, msgspec.json.encode(body(entry)), str(entry.names[0]).encode(), on_delivery=told
            )
        except (BufferError, KafkaException):
            self._again.append(entry)
        self._producer.poll(0)
        return not self._again

    def owes(self) -> bool:
        """Whether all that it has given to its client was taken."""
        if not self._again:
            self._producer.flush(1)
        return bool(self._again) or len(self._producer) > 0
