"""What a rebuild can't do without: reading by customer, COPY of all rows, the indexes. Nothing is folded."""

from psycopg import Connection, Cursor, connect

VIEWS = ("timeline", "customer_360", "lifecycle", "pipeline")
SLICE = 200
BYTES = 262_144


def read_and_copy(url: str, number: int, of: int) -> float:
    """One process's share: its customers' events in slices, then its share of the rows; how many there were."""
    count = 0
    with _connect(url) as connection, connection.cursor() as cursor:
        owners = _share(cursor, number, of)
        for at in range(0, len(owners), SLICE):
            cursor.execute(
                "SELECT * FROM journal WHERE customer = ANY(%s::uuid[])", (owners[at : at + SLICE],)
            )
            count += len(cursor.fetchall())
    with _connect(url) as source, _connect(url) as target:
        for view in VIEWS:
            target.execute(f"CREATE TABLE bare_{view}_{number} (LIKE {view})")
            _copy(source, target, view, number, owners)
    return float(count)


def index(url: str) -> None:
    """The indexes that the views have, on what was copied."""
    with _connect(url) as connection:
        for view in VIEWS:
            names = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s"
            for number, (_, definition) in enumerate(connection.execute(names, (view,)).fetchall()):
                columns = definition.partition(" USING ")[2]
                for table in _tables(connection, view):
                    connection.execute(f"CREATE INDEX {table}_{number} ON {table} USING {columns}")


def drop(url: str) -> None:
    """Delete what was made."""
    with _connect(url) as connection:
        for view in VIEWS:
            for table in _tables(connection, view):
                connection.execute(f"DROP TABLE {table}")


def _connect(url: str) -> Connection:
    return connect(url.replace("+psycopg", ""))


def _tables(connection: Connection, view: str) -> list[str]:
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE %s", (f"bare_{view}_%",)
    )
    return [name for (name,) in found.fetchall()]


def _share(cursor: Cursor, number: int, of: int) -> list[str]:
    """Every customer once, the n-th part of them in order."""
    cursor.execute("SELECT owner FROM fold_head WHERE owner ~ '^[0-9a-f]{8}-' ORDER BY owner")
    everybody = [owner for (owner,) in cursor.fetchall()]
    each = -(-len(everybody) // of)
    return everybody[number * each : (number + 1) * each]


def _copy(source: Connection, target: Connection, view: str, number: int, owners: list[str]) -> None:
    """Rows pass through as the bytes they come as."""
    if not owners:
        return
    out = f"COPY (SELECT * FROM {view} WHERE owner BETWEEN '{owners[0]}' AND '{owners[-1]}') TO STDOUT (FORMAT binary)"
    into = f"COPY bare_{view}_{number} FROM STDIN (FORMAT binary)"
    with source.cursor().copy(out) as reading, target.cursor().copy(into) as writing:
        for block in reading:
            writing.write(block)
