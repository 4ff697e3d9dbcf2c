"""The `eventsourcing` library: its own recorder, filled with the same events, and a projection of them.

The view adds to the customer's row and tracks the event's position in one transaction, as its documentation
shows.
"""

import json
import os
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import psycopg
from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.sql import SQL

from bench.rivals.plain import TABLE, UPSERT, Counter, row, task

given = task()
counter = Counter(given.events)


class Customer(Aggregate):
    """A customer to whom things happen."""

    @event("Seen")
    def __init__(self, customer: str) -> None:
        self.customer = customer

    @staticmethod
    def create_id(customer: str) -> UUID:
        """Its own id, from ours."""
        return uuid5(NAMESPACE_URL, customer)

    class Happened(Aggregate.Event):
        """What is told to whoever follows."""

        wire: str
        at: str
        data: str

    @event(Happened)
    def happen(self, wire: str, at: str, data: str) -> None:
        """One of our events; `data` is its JSON."""
        self.last_at = at


class Customers(Application[UUID]):
    """The events' own application."""


class View(PostgresTrackingRecorder):
    """The rows that the projection keeps."""

    def __init__(self, datastore: PostgresDatastore, **more: Any) -> None:
        super().__init__(datastore, **more)
        self.sql_create_statements.append(SQL(TABLE))

    def add(self, values: tuple[str, int, int, str, str], tracking: Tracking) -> None:
        """One event's upsert and its tracking, in one transaction."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(UPSERT, values)


class Counts(Projection[View]):
    """Adds each event to its customer's row."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """What is not counted is only passed."""

    @process_event.register
    def _(self, domain_event: Customer.Happened, tracking: Tracking) -> None:
        self.view.add(
            row(
                str(domain_event.originator_id),
                domain_event.wire,
                domain_event.at,
                json.loads(domain_event.data),
            ),
            tracking,
        )
        if counter.one():
            counter.tell()


def fill(app: Customers) -> int:
    """Copy as many of our journal's events as are wanted into the library's own; the last one's id."""
    known: dict[str, Customer] = {}
    with psycopg.connect(given.database) as connection:
        found = connection.execute(
            "SELECT customer::text, type, occurred_at::text, convert_from(data, 'UTF8') FROM journal "
            "ORDER BY position LIMIT %s",
            (given.events,),
        )
        for customer, wire, at, data in found:
            one = known.setdefault(customer, Customer(customer=customer))
            one.happen(wire=wire, at=at, data=data)
    for one in known.values():  # all in one go they fill both ends of its pipeline, and it stands still
        app.save(one)
    return int(app.recorder.max_notification_id() or 0)


def main() -> None:
    """Fill, then let the projection run over everything."""
    told = psycopg.conninfo.conninfo_to_dict(given.database)
    os.environ.update({
        "PERSISTENCE_MODULE": "eventsourcing.postgres", "POSTGRES_DBNAME": str(told["dbname"]),
        "POSTGRES_HOST": str(told["host"]), "POSTGRES_PORT": "5432", "POSTGRES_USER": str(told["user"]),
        "POSTGRES_PASSWORD": "",
    })  # fmt: skip
    last = fill(Customers())
    with ProjectionRunner(application_class=Customers, projection_class=Counts, view_class=View) as runner:
        runner.wait(last, timeout=300)


if __name__ == "__main__":
    main()
