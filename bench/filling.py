"""Making a small real workspace large: rows are copied inside PostgreSQL under other ids.

Copy n of a row has four digits of each of its ids changed to n, also inside its JSON, so that the rows of a
copied customer are what a fold of that copy's journal gives. Copies of one event lie beside each other in
the journal, so a copied history is met as scattered as the history was. Sealed values are copied as they
are: no fold opens them, and an identifier's row names the key that opens it.
"""

from sqlalchemy import Engine, LargeBinary, Uuid, text

from infra.feeds import Batch
from infra.projector import Projector
from infra.workspace import Workspace
from models.projections.catalogue import projections
from models.tables import workspace_metadata
from models.tables.journal import journal

MARK = "~~~~"
"""Stands where the copy's number goes; nothing of ours has it."""
ID = "([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-)[0-9a-f]{4}([0-9a-f]{8})"
HASH = '("hash":".{20}).{4}(")'


SECONDARY = text(
    "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = :table AND indexname NOT LIKE '%pkey'"
)
"""Dropped meanwhile: an index of many rows is made at once sooner than row by row."""


def _id(column: str) -> str:
    return f"regexp_replace({column}::text, '{ID}', '\\1{MARK}\\2')"


def _ids(column: str) -> str:
    return f"regexp_replace({column}::text, '{ID}', '\\1{MARK}\\2', 'g')"


def _json(column: str) -> str:
    ids = f"regexp_replace(convert_from({column}, 'UTF8'), '{ID}', '\\1{MARK}\\2', 'g')"
    return f"regexp_replace({ids}, '{HASH}', '\\1{MARK}\\2', 'g')"


OWNED = {"key": _id("key"), "owner": _id("owner"), "state": _json("state")}
JOURNAL = {
    "journal": {
        "event_id": _id("event_id"), "stream": _id("stream"), "source_id": f"source_id || '{MARK}'",
        "customer": _id("customer"), "cause": _id("cause"), "identifiers": _json("identifiers"), "data": _json("data"),
    },
    "ledger": {},
}  # fmt: skip
READ: dict[str, dict[str, str]] = {
    "customer": {"id": _id("id"), "survivor": _id("survivor"), "family": _id("family")},
    "identifier": {"hash": f"overlay(hash PLACING '{MARK}' FROM 21 FOR 4)", "customer": _id("customer")},
    "fold_head": {"owner": _id("owner")},
    "customer_360": OWNED,
    "lifecycle": OWNED,
}
"""What answering for a customer reads."""
EVERYTHING = {**JOURNAL, **READ, "timeline": OWNED, "contact": {**OWNED, "key": _ids("key")}}
PLACE = '"position":'
"""Where an entry of the timeline says its event's place in the journal."""


def multiply(engine: Engine, copies: int, tables: dict[str, dict[str, str]] = EVERYTHING) -> None:
    """Put so many copies of each row in the place of every row of these tables; all of them by default."""
    if copies > 16**4:
        raise ValueError("four digits tell 65,536 copies apart")
    numbers = f"SELECT n, lpad(to_hex(n), 4, '0') AS x FROM generate_series(0, {copies} - 1) n"
    with engine.begin() as connection:
        for table, marked in tables.items():
            columns = [column.name for column in workspace_metadata.tables[table].columns]
            once = ", ".join(f"{marked.get(name, _quoted(name))} AS {_quoted(name)}" for name in columns)
            if table == "timeline":
                once += f", substring(convert_from(state, 'UTF8') FROM '{PLACE}([0-9]+)')::bigint AS position"
            copied = ", ".join(_copied(table, name, name in marked, copies) for name in columns)
            names = ", ".join(map(_quoted, columns))
            indexes = connection.execute(SECONDARY, {"table": table}).all()
            for statement in (
                f"CREATE TEMP TABLE once ON COMMIT DROP AS SELECT {once} FROM {table} ORDER BY 1",
                *(f"DROP INDEX {index.indexname}" for index in indexes),
                f"TRUNCATE {table}",
                f"INSERT INTO {table} ({names}) SELECT {copied} FROM once, ({numbers}) c",
                "DROP TABLE once",
                *(index.indexdef for index in indexes),
            ):
                connection.exec_driver_sql(statement)
        connection.execute(
            text("UPDATE journal_head SET position = (SELECT coalesce(max(position), 0) FROM journal)")
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def _copied(table: str, column: str, marked: bool, copies: int) -> str:
    """The expression of a column in copy n."""
    place = f"((position - 1) * {copies} + c.n + 1)"
    if column == "position":
        return place
    if not marked:
        return _quoted(column)
    value = f"replace({_quoted(column)}, '{MARK}', c.x)"
    if (table, column) == ("timeline", "state"):
        value = f"replace({value}, '{PLACE}' || position, '{PLACE}' || {place})"
    match workspace_metadata.tables[table].c[column].type:
        case LargeBinary():
            return f"convert_to({value}, 'UTF8')"
        case Uuid():
            return f"CAST({value} AS uuid)"
        case _:
            return value


def _quoted(name: str) -> str:
    return f'"{name}"'


def fold_all(workspace: Workspace, position: int = 0) -> None:
    """Fold the journal into the views, as a worker does: the whole of it, or what comes after a position."""
    projector = Projector(workspace.engine, projections(workspace.rules, workspace.settings.zone), "bench")
    projector.claim(0, "filling")
    while found := workspace.journal.read(journal.c.position > position, limit=5_000):
        position = found[-1].position
        projector.fold([Batch(0, "filling", found, position)])
