"""Bringing a database to today's tables."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData

import models.migrations
from infra.journal.journal import open_journal
from models.tables import vault_metadata, workspace_metadata

FOLDER = Path(models.migrations.__file__).parent
CHAINS: dict[str, MetaData] = {"workspace": workspace_metadata, "vault": vault_metadata}


def migrate(engine: Engine, chain: str) -> None:
    """Apply what is missing of a chain (`workspace` or `vault`). Doing it twice changes nothing."""
    with engine.begin() as connection:
        command.upgrade(config(connection, chain), "head")
        if chain == "workspace":
            open_journal(connection)


def config(connection: Connection, chain: str) -> Config:
    """Alembic's configuration for one chain on one connection."""
    found = Config()
    found.set_main_option("script_location", str(FOLDER))
    found.set_main_option("version_locations", str(FOLDER / chain))
    found.attributes.update(connection=connection, metadata=CHAINS[chain])
    return found


def differences(connection: Connection, chain: str) -> list[object]:
    """What separates the database from the tables in code; empty when they agree."""
    from alembic.autogenerate import compare_metadata

    return list(compare_metadata(MigrationContext.configure(connection), CHAINS[chain]))
