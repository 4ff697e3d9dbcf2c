"""What every rival keeps: one row a customer with a few counts, written by one upsert an event."""

import json
import os
import time
from dataclasses import dataclass
from typing import Any

TABLE = (
    "CREATE TABLE IF NOT EXISTS plain_customer (customer text PRIMARY KEY, touches int NOT NULL, "
    "purchases int NOT NULL, amount numeric NOT NULL, last_at timestamptz NOT NULL)"
)
UPSERT = (
    "INSERT INTO plain_customer (customer, touches, purchases, amount, last_at) VALUES (%s, %s, %s, %s, %s) "
    "ON CONFLICT (customer) DO UPDATE SET touches = plain_customer.touches + excluded.touches, "
    "purchases = plain_customer.purchases + excluded.purchases, amount = plain_customer.amount + excluded.amount, "
    "last_at = greatest(plain_customer.last_at, excluded.last_at)"
)


@dataclass
class Task:
    """What to read, where to write, and after how many events to stop."""

    bootstrap: str
    topic: str
    database: str
    events: int
    folder: str
    name: str


def task() -> Task:
    """The task this program was started for."""
    return Task(**json.loads(os.environ["BENCH_TASK"]))


def row(customer: str, wire: str, at: str, data: dict[str, Any]) -> tuple[str, int, int, str, str]:
    """The values that one event adds."""
    bought = wire == "purchase.recorded"
    return (customer, int(wire == "touch.recorded"), int(bought), data["amount"] if bought else "0", at)


class Counter:
    """Times from the first event to the last; the rate is of those after the first."""

    def __init__(self, events: int) -> None:
        self._events, self._seen, self._began = events, 0, 0.0

    def one(self) -> bool:
        """One more is done; whether that was the last."""
        self._seen += 1
        if self._seen == 1:
            self._began = time.perf_counter()
        return self._seen >= self._events

    def tell(self, seen: int = 0) -> None:
        """Say the rate, as the parent reads it."""
        rate = ((seen or self._seen) - 1) / (time.perf_counter() - self._began)
        os.write(1, json.dumps({"rate": rate}).encode() + b"\n")  # faust takes sys.stdout for its log
