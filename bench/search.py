"""`python -m bench.search [TEXTS]`: the index of texts and names at a size, on a PostgreSQL of its own with fsync.

Texts are 70 % English, words by Zipf's law, and 30 % Chinese, words as often as in the dictionary of jieba. The index
is filled by what `infra.search.index` writes with, without the vault: that costs the same wherever it is read.
"""

import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from random import Random

import jieba
import msgspec
from sqlalchemy import Engine, text
from uuid_utils import uuid7

from bench.sizes import SEED
from infra.database import copy_rows, driver, engine_for
from infra.local.postgres import LocalPostgres
from infra.matching import Matcher
from infra.migrating import migrate
from infra.search.finding import Search, Within
from infra.search.index import SearchIndex, clean, forget
from infra.vault import Vault
from models.domain.name import groups, near, spellings
from models.domain.word import words
from models.projections.timeline import TimelineEntry
from models.tables.search import search_name, search_text

BATCH = 5_000
POOL = 50_000
ASKED = 41
OWNER = str(uuid7())
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)


def main(texts: int) -> None:
    """Fill, ask, forget; print what it took."""
    chance = Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with LocalPostgres(Path(folder) / "postgres") as server:
            server.create_database("search")
            engine = engine_for(server.url("search"))
            migrate(engine, "workspace")
            index = SearchIndex(engine, Vault(engine, bytes(32)), Matcher(bytes(32)))
            ids = _fill_texts(engine, index, texts, chance)
            _fill_names(engine, index, texts // 5, chance)
            _ask(engine, index)
            _forget(engine, ids[:: max(1, texts // 30)])
            engine.dispose()


def _fill_texts(engine: Engine, index: SearchIndex, count: int, chance: Random) -> list[str]:
    pool = [index.tokens("text", words(one)) for one in _texts(chance)]
    ids: list[str] = []
    spent = 0.0
    columns = ["event_id", "customer", "occurred_at", "channel", "tokens"]
    for _ in range(0, count, BATCH):
        rows = [
            (str(uuid7()), None, BEGIN + timedelta(seconds=chance.randrange(31_000_000)), "chat",
             chance.choice(pool))
            for _ in range(BATCH)
        ]  # fmt: skip
        began = time.perf_counter()
        with engine.begin() as connection:
            copy_rows(connection, search_text, columns, rows)
        spent += time.perf_counter() - began
        with engine.begin() as connection:  # whose each is: a search reads it there
            seen = [(row[0], OWNER, row[2], _entry(row[0], row[2])) for row in rows]
            driver(connection).cursor().executemany("INSERT INTO timeline VALUES (%s, %s, %s, %s)", seen)
        ids += [row[0] for row in rows]
    began = time.perf_counter()
    sample = list(_texts(chance))[:5_000]
    made = time.perf_counter()
    for one in sample:
        index.tokens("text", words(one))
    each = (time.perf_counter() - made) / len(sample)
    print(
        f"{count:,} texts of {statistics.mean(map(len, pool)):.0f} words: {count / spent:,.0f} a second into the"
    )
    print(f"table, {each * 1e6:.0f} µs a text to make its words (drawn in {made - began:.0f} s)")
    _size(engine, "search_text")
    return ids


def _fill_names(engine: Engine, index: SearchIndex, count: int, chance: Random) -> None:
    given = [chr(0x4E00 + chance.randrange(2_000)) for _ in range(500)]
    western = ["".join(chance.choices("aeioulnrst", k=chance.randint(4, 8))) for _ in range(5_000)]
    spent = 0.0
    for _ in range(0, count, BATCH):
        names = [
            "张王李赵陈"[chance.randrange(5)] + "".join(chance.choices(given, k=chance.randint(1, 2)))
            if chance.random() < 0.3
            else " ".join(chance.choices(western, k=2))
            for _ in range(BATCH)
        ]
        began = time.perf_counter()
        rows = [(str(uuid7()), None, index.tokens("name", spellings(name))) for name in names]
        with engine.begin() as connection:
            copy_rows(connection, search_name, ["event_id", "customer", "tokens"], rows)
        spent += time.perf_counter() - began
    print(f"{count:,} names: {count / spent:,.0f} a second")
    _size(engine, "search_name")
    search = Search(engine, Vault(engine, bytes(32)), index)
    for label, name in (("two Western words", " ".join(western[:2])), ("two characters", "张" + given[0]),
                        ("a family name alone", "zhang")):  # fmt: skip
        asked = [[near(word) for word in group] for group in groups(name)]
        with engine.connect() as connection:
            _time(f"name, {label}", lambda asked=asked, c=connection: search._named(c, asked))


def _ask(engine: Engine, index: SearchIndex) -> None:
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    search = Search(engine, Vault(engine, bytes(32)), index)
    for label, asked in (("the commonest word", "w0"), ("a common word", "w50"), ("two words", "w20 w200"),
                         ("two common words", "w1 w2"), ("a rare word", "w9000"), ("Chinese", "我们")):  # fmt: skip
        _time(f"text, {label}", lambda asked=asked: search.texts(asked, 50, Within()))


def _forget(engine: Engine, ids: list[str]) -> None:
    with engine.begin() as connection:
        forget(connection, ids)
    began = time.perf_counter()
    clean(engine)
    print(
        f"forgetting {len(ids)} events: vacuumed and both word indexes made anew in {time.perf_counter() - began:.1f} s"
    )


def _time(what: str, ask: Callable[[], object]) -> None:
    spent = []
    for _ in range(ASKED):
        began = time.perf_counter()
        ask()
        spent.append((time.perf_counter() - began) * 1e3)
    p50, p95 = statistics.median(spent), sorted(spent)[int(ASKED * 0.95)]
    print(f"{what}: p50 {p50:.1f} ms, p95 {p95:.1f} ms")


def _entry(event_id: str, at: datetime) -> bytes:
    return msgspec.json.encode(
        TimelineEntry(
            event_id=event_id, type="touch.recorded", schema=1, occurred_at=at, known_at=at, recorded_at=at,
            position=1, origin="live", data=msgspec.Raw(b"{}"),
        )
    )  # fmt: skip


def _size(engine: Engine, table: str) -> None:
    with engine.connect() as connection:
        whole, index = connection.execute(
            text(f"SELECT pg_total_relation_size('{table}'), pg_relation_size('{table}_tokens')")
        ).one()
    print(f"  {table}: {whole / 1e6:,.0f} MB in all, of which the index of words {index / 1e6:,.0f} MB")


def _texts(chance: Random) -> Iterator[str]:
    jieba.setLogLevel(logging.ERROR)
    with jieba.get_module_res("dict.txt") as file:
        known = [line.decode().split()[:2] for line in file]
    chinese, often = [one for one, _ in known], list(accumulate(int(n) for _, n in known))
    english, weights = [f"w{n}" for n in range(30_000)], list(accumulate(1 / (n + 3) for n in range(30_000)))
    for _ in range(POOL):
        if chance.random() < 0.3:
            yield "".join(chance.choices(chinese, cum_weights=often, k=chance.randint(6, 14)))
        else:
            yield " ".join(chance.choices(english, cum_weights=weights, k=chance.randint(5, 30)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
