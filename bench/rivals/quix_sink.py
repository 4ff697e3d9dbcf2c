"""Quix Streams as its guides do it: counts in its own state, rows by its PostgreSQL sink at each checkpoint."""

from typing import Any

import psycopg
from quixstreams import Application, State
from quixstreams.sinks.community.postgresql import PostgreSQLSink

from bench.rivals.plain import Counter, row, task


def main() -> None:
    """Run over so many events; the last checkpoint is part of the time."""
    given = task()
    counter = Counter(given.events)
    told = psycopg.conninfo.conninfo_to_dict(given.database)
    app = Application(
        broker_address=given.bootstrap, consumer_group=given.name, auto_offset_reset="earliest", loglevel="ERROR",
        state_dir=f"{given.folder}/{given.name}",
    )  # fmt: skip

    def count(value: dict[str, Any], key: Any, timestamp: int, headers: Any, state: State) -> dict[str, Any]:
        found = dict(headers)
        customer, touches, purchases, amount, at = row(
            key.decode(), found["ce_type"].decode(), found["ce_time"].decode(), value
        )
        was = state.get("row") or {"touches": 0, "purchases": 0, "amount": 0.0, "last_at": ""}
        now = {
            "touches": was["touches"] + touches, "purchases": was["purchases"] + purchases,
            "amount": was["amount"] + float(amount), "last_at": max(was["last_at"], at),
        }  # fmt: skip
        state.set("row", now)
        counter.one()
        return {"customer": customer, **now}

    sink = PostgreSQLSink(
        host=str(told["host"]), port=5432, dbname=str(told["dbname"]), user=str(told["user"]), password="",
        table_name="quix_customer", primary_key_columns="customer", upsert_on_primary_key=True,
        include_metadata=False,
    )  # fmt: skip
    frame = app.dataframe(app.topic(given.topic, value_deserializer="json", key_deserializer="bytes"))
    frame = frame.apply(count, stateful=True, metadata=True)
    frame.sink(sink)
    app.run(count=given.events)
    counter.tell()


if __name__ == "__main__":
    main()
