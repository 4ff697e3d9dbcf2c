"""What folding is made of, each piece in a process of its own: fetch and decode; write the rows, unfolded."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import cache
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord
from sqlalchemy import Connection, MetaData, Table, select, text

from events.topics import PARTITIONS
from infra.database import copy_rows, engine_for
from infra.feeds import BATCH
from infra.messages import to_envelope
from models.tables import workspace_metadata

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"
WRITTEN = {"timeline": "key", "customer_360": "key", "lifecycle": "key", "fold_head": "owner"}
"""The tables a fold writes, and their keys; beside them it enters the ledger and moves its position."""


def fetch_and_decode(bootstrap: str, topic: str, total: int) -> float:
    """Events a second: batches as the worker fetches them, each message made an envelope."""

    async def run() -> float:
        began, seen = 0.0, -1
        async for batch in _batches(bootstrap, topic, total):
            for record in batch:
                to_envelope(record.value or b"", record.headers)
            if seen < 0:
                began, seen = time.perf_counter(), 0
            else:
                seen += len(batch)
        return seen / (time.perf_counter() - began)

    return asyncio.run(run())


def write_unfolded(bootstrap: str, topic: str, total: int, source: str, target: str) -> float:
    """Events a second: for the batches a worker gets, the rows it would write, by COPY and upsert.

    The rows are taken as they stand in `source`, a database whose views are folded, before the clock runs.
    """
    rows = _rows(source)
    batches = asyncio.run(_events(bootstrap, topic, total))
    engine = engine_for(target)
    began = time.perf_counter()
    for number, batch in enumerate(batches):
        with engine.begin() as connection:
            _write(connection, batch, rows)
        if number == 0:
            began = time.perf_counter()
    return sum(map(len, batches[1:])) / (time.perf_counter() - began)


Event = tuple[int, str, str]
"""Position, event id, owner."""


def _write(connection: Connection, batch: list[Event], rows: dict[str, dict[str, tuple[Any, ...]]]) -> None:
    for table, key in WRITTEN.items():
        names = [column.name for column in workspace_metadata.tables[table].columns]
        wanted = dict.fromkeys(event if table == "timeline" else owner for _, event, owner in batch)
        there = [rows[table][one] for one in wanted if one in rows[table]]
        listed = ", ".join(f'"{name}"' for name in names)
        replaced = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name != key)
        connection.execute(text(f"CREATE TEMP TABLE new_{table} (LIKE {table}) ON COMMIT DROP"))
        copy_rows(connection, _beside(table), names, there)
        connection.execute(
            text(
                f"INSERT INTO {table} ({listed}) SELECT {listed} FROM new_{table} "
                f'ON CONFLICT ("{key}") DO UPDATE SET {replaced}'
            )
        )
    copy_rows(
        connection, workspace_metadata.tables["ledger"], ["position"], [(position,) for position, *_ in batch]
    )
    connection.execute(text("UPDATE journal_head SET position = position"))  # as a worker moves its own


@cache
def _beside(table: str) -> Table:
    """The temporary table that has a table's shape."""
    return workspace_metadata.tables[table].to_metadata(MetaData(), name=f"new_{table}")


def _rows(source: str) -> dict[str, dict[str, tuple[Any, ...]]]:
    engine = engine_for(source)
    found = {}
    with engine.connect() as connection:
        for table, key in WRITTEN.items():
            at = [column.name for column in workspace_metadata.tables[table].columns].index(key)
            everything = connection.execute(select(workspace_metadata.tables[table])).all()
            found[table] = {row[at]: tuple(row) for row in everything}
    engine.dispose()
    return found


async def _events(bootstrap: str, topic: str, total: int) -> list[list[Event]]:
    found = []
    async for batch in _batches(bootstrap, topic, total):
        heads = [dict(record.headers) for record in batch]
        found.append([
            (int(head["ts_position"]), head["ce_id"].decode(), head["ts_customer"].decode()) for head in heads
        ])  # fmt: skip
    return found


async def _batches(bootstrap: str, topic: str, total: int) -> AsyncIterator[list[Record]]:
    """Batches of a whole topic, fetched as the worker fetches them, without a group."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest",
        fetch_max_bytes=16 * 2**20, max_partition_fetch_bytes=4 * 2**20,
    )  # fmt: skip
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
        await consumer.seek_to_beginning()
        seen = 0
        while seen < total:
            fetched = await consumer.getmany(timeout_ms=500, max_records=BATCH)
            batch = [record for records in fetched.values() for record in records]
            seen += len(batch)
            if batch:
                yield batch
    finally:
        await consumer.stop()
