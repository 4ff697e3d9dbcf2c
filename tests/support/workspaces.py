"""Doing to a workspace what no command does, or does yet."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from infra.journal.journal import open_journal
from infra.rebuilding import rebuild
from infra.settings import Settings
from infra.workspace import Workspace, open_workspace
from models.projections.catalogue import projections
from models.tables.base import vault_metadata, workspace_metadata
from tests.support.clock import MONDAY, SetClock


@contextmanager
def ruled(settings: Settings, clock: SetClock, folder: Path, rules: str) -> Iterator[Workspace]:
    """A workspace with rules of its own, as a company would write them."""
    path = folder / "rules.toml"
    path.write_text(rules)
    opened = open_workspace(settings.model_copy(update={"workspace": path}), clock)
    yield opened
    opened.close()


def empty(workspace: Workspace) -> None:
    """Take everything out of a workspace: quicker than to make another."""
    tables = [table.name for table in workspace_metadata.sorted_tables]
    assert isinstance(workspace.clock, SetClock)
    workspace.clock.at = MONDAY
    rebuild.discard(workspace.engine)
    rebuild.drop_old(workspace.engine, [one.name for one in projections(workspace.rules)])
    with workspace.engine.begin() as connection, workspace.vault_engine.begin() as vault:
        connection.execute(text(f"TRUNCATE {', '.join(tables)}"))
        open_journal(connection)
        vault.execute(text(f"TRUNCATE {', '.join(vault_metadata.tables)}"))
