"""Doing to a workspace what no command does, or does yet."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from events.identity import CustomersUnmerged
from infra import generations, rebuild
from infra.histories import groups, homes, merges
from infra.journal import open_journal
from infra.projector import Projector
from infra.settings import Settings
from infra.workspace import Workspace, open_workspace
from models.ports import By, Write
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


def part(
    workspace: Workspace, projector: Projector, survivor: str, restored: str, by: tuple[str, str]
) -> None:
    """A person undoes a merge. There is no command for it yet, so this does what one will have to do.

    Neither the append nor the projector does its part yet: the table that says who is whom is written here,
    and both sides are folded anew.
    """
    stream = f"identity-{survivor}"
    event = CustomersUnmerged(survivor=survivor, restored=restored, why="two people")
    write = Write(
        stream=stream, expected=len(workspace.journal.stream(stream)), events=[(event, workspace.clock.now())]
    )
    workspace.log.record(By(source=by[0], source_id=by[1], actor="ann", customer=survivor), [write])
    with workspace.engine.begin() as connection:
        members = groups(connection, [survivor])[survivor]
        for one, home in homes(members, merges(connection, members)).items():
            connection.execute(
                text("UPDATE customer SET survivor = :home WHERE id = :one"), {"one": one, "home": home}
            )
        generations.expect(connection, projections(workspace.rules))
        connection.execute(
            text("INSERT INTO fold_head (owner) VALUES (:one), (:other) ON CONFLICT DO NOTHING"),
            {"one": survivor, "other": restored},
        )
        projector.refold(connection, [survivor, restored])
