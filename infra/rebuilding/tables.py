"""The tables beside the live ones: made without indexes, given them once filled, and put in their place."""

from collections.abc import Collection

from sqlalchemy import Column, Connection, MetaData, Table, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex
from sqlalchemy.sql import quoted_name

from models.tables.base import workspace_metadata
from models.tables.generations import view_generation


def next_table(view: str) -> Table:
    """The table in which a view is being rebuilt, without indexes."""
    columns = workspace_metadata.tables[view].columns
    return Table(
        f"{view}__next", MetaData(), *(Column(one.name, one.type, nullable=one.nullable) for one in columns)
    )


def create(connection: Connection, view: str) -> None:
    """An empty table beside the live one, for whoever may read or write that."""
    drop(connection, view)
    name = next_table(view).name
    connection.execute(
        text(
            f'CREATE TABLE "{name}" (LIKE "{view}" INCLUDING ALL EXCLUDING INDEXES EXCLUDING STATISTICS) '
            "WITH (autovacuum_enabled = false)"  # it would hold up the swap
        )
    )
    grants = connection.execute(
        text(
            "SELECT format('GRANT %s ON %I TO %s', one.privilege_type, CAST(:name AS text), "
            "CASE WHEN one.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(one.grantee)) END) "
            "FROM pg_class, aclexplode(relacl) AS one WHERE oid = CAST(:view AS regclass) "
            "AND one.grantee <> relowner"
        ),
        {"name": name, "view": f'"{view}"'},
    ).scalars()
    for grant in grants.all():
        connection.execute(text(grant))


def drop(connection: Connection, view: str) -> None:
    """Take an unfinished table away."""
    connection.execute(text(f'DROP TABLE IF EXISTS "{next_table(view).name}"'))


def secondary_indexes(view: str) -> list[str]:
    """The statements that make the indexes of the live table on the one beside it; those that exist stay."""
    name = next_table(view).name
    copied = workspace_metadata.tables[view].to_metadata(MetaData(), name=name)
    found = []
    for index in sorted(copied.indexes, key=lambda one: str(one.name)):
        index.name = quoted_name(str(index.name).replace(view, name, 1), quote=None)
        found.append(str(CreateIndex(index, if_not_exists=True).compile(dialect=postgresql.dialect())))
    return found


def add_key(connection: Connection, view: str) -> None:
    """The primary key of a filled table, and what the planner should know of it."""
    name = next_table(view).name
    if not _indexes(connection, name).intersection({f"{name}_pkey"}):
        connection.execute(text(f'ALTER TABLE "{name}" ADD CONSTRAINT "{name}_pkey" PRIMARY KEY (key)'))
    connection.execute(text(f'ANALYZE "{name}"'))


def put_in_place(connection: Connection, view: str, generation: int) -> None:
    """The table beside becomes the live one; the live one is kept under another name, as the only one.

    The live table's indexes are always called what the code calls them.
    """
    known = connection.execute(select(view_generation).where(view_generation.c.view == view)).one_or_none()
    kept = f"{view}__g{known.generation if known else 0}"
    for old in {kept, known.kept if known else None} - {None}:
        connection.execute(text(f'DROP TABLE IF EXISTS "{old}"'))
    _rename(connection, view, kept)
    _rename(connection, next_table(view).name, view)
    connection.execute(text(f'ALTER TABLE "{view}" RESET (autovacuum_enabled)'))
    now = {"generation": generation, "kept": kept}
    connection.execute(
        postgresql.insert(view_generation)
        .values(view=view, **now)
        .on_conflict_do_update(index_elements=["view"], set_=now)
    )


def drop_kept(connection: Connection, view: str) -> str | None:
    """Drop the table that was live before the last swap; its name, None where there is none."""
    where = view_generation.c.view == view
    kept = connection.execute(select(view_generation.c.kept).where(where)).scalar()
    if kept is not None:
        connection.execute(text(f'DROP TABLE IF EXISTS "{kept}"'))
        connection.execute(view_generation.update().where(where).values(kept=None))
    return kept


def forget_kept(connection: Connection, owners: Collection[str]) -> list[str]:
    """Take these owners' rows out of every table that was live before a swap; the tables' names."""
    query = select(view_generation.c.kept).where(view_generation.c.kept.is_not(None))
    kept = [str(one) for one in connection.execute(query).scalars()]
    for one in kept:
        connection.execute(text(f'DELETE FROM "{one}" WHERE owner = ANY(:owners)'), {"owners": list(owners)})
    return kept


def _rename(connection: Connection, name: str, to: str) -> None:
    for index in sorted(_indexes(connection, name)):
        connection.execute(text(f'ALTER INDEX "{index}" RENAME TO "{to}_{index.removeprefix(f"{name}_")}"'))
    connection.execute(text(f'ALTER TABLE "{name}" RENAME TO "{to}"'))


def _indexes(connection: Connection, name: str) -> set[str]:
    found = connection.execute(
        text(
            "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE i.indrelid = to_regclass(:name)"
        ),
        {"name": f'"{name}"'},
    )
    return set(found.scalars())
