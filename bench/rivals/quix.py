"""Quix Streams with one upsert an event, in a transaction of its own."""

from typing import Any

import psycopg
from quixstreams import Application

from bench.rivals.plain import TABLE, UPSERT, Counter, row, task


def main() -> None:
    """Run until so many events are written."""
    given = task()
    counter = Counter(given.events)
    connection = psycopg.connect(given.database, autocommit=True)
    connection.execute(TABLE)
    app = Application(
        broker_address=given.bootstrap, consumer_group=given.name, auto_offset_reset="earliest", loglevel="ERROR",
        state_dir=f"{given.folder}/{given.name}", auto_create_topics=False,
    )  # fmt: skip

    def upsert(value: dict[str, Any], key: Any, timestamp: int, headers: Any) -> None:
        found = dict(headers)
        values = row(
            found.get("ts_customer", b"").decode(),
            found["ce_type"].decode(),
            found["ce_time"].decode(),
            value,
        )
        connection.execute(UPSERT, values)
        if counter.one():
            counter.tell()
            app.stop()

    frame = app.dataframe(app.topic(given.topic, value_deserializer="json", key_deserializer="bytes"))
    frame.update(upsert, metadata=True)
    app.run()


if __name__ == "__main__":
    main()
