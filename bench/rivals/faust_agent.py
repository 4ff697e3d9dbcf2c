"""A plain faust agent: for each event one upsert, in a transaction of its own."""

import json
import os
import sys
from pathlib import Path

import faust
import psycopg

from bench.rivals.plain import TABLE, UPSERT, Counter, row, task

given = task()
counter = Counter(given.events)
app = faust.App(
    given.name, broker=f"kafka://{given.bootstrap}", store="memory://", topic_allow_declare=False,
    topic_disable_leader=True, datadir=str(Path(given.folder) / given.name), web_enabled=False,
    consumer_auto_offset_reset="earliest",
)  # fmt: skip
topic = app.topic(given.topic, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw")


@app.agent(topic)
async def upsert(stream: faust.StreamT[bytes]) -> None:
    """Decode, write, go on; faust acknowledges when the loop comes round."""
    connection = await psycopg.AsyncConnection.connect(given.database, autocommit=True)
    await connection.execute(TABLE)
    async for event in stream.events():
        found = dict(event.headers)
        values = row(
            found.get("ts_customer", b"").decode(), found["ce_type"].decode(), found["ce_time"].decode(),
            json.loads(event.value),
        )  # fmt: skip
        await connection.execute(UPSERT, values)
        if counter.one():
            counter.tell()
            os._exit(0)


if __name__ == "__main__":
    sys.argv = ["faust", "worker", "--without-web", "-l", "error"]
    app.main()
