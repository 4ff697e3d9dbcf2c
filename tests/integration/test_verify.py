"""`touchstone verify` folds random customers anew and tells every row that says something else."""

from datetime import timedelta

import msgspec
import pytest
import typer
from sqlalchemy import delete, insert, select, text, update
from typer.testing import CliRunner

from infra.journal import owned
from infra.projector import READER
from infra.rebuilding.verify import Wrong, verify
from infra.view_store import ViewStore
from models.projections.catalogue import projections
from models.projections.lifecycle import LifecycleView
from models.tables.set_aside import set_aside
from models.tables.views import customer_360, lifecycle, timeline
from services.cli import rebuilding
from tests.support.clock import MONDAY
from tests.support.folding import fold, rows
from tests.support.sending import account, email, item, phone, purchase, send

DAY = timedelta(days=1)


@pytest.fixture
def touchstone(workspace, monkeypatch):
    """The commands, on this workspace."""
    for name, value in {
        "DATABASE_URL": workspace.settings.database_url, "VAULT_URL": workspace.settings.vault_url,
        "TOUCHSTONE_VAR": str(workspace.settings.var), "KAFKA_BOOTSTRAP": "", "COLUMNS": "200",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rebuilding.console, "_width", 200)
    app = typer.Typer()
    app.command()(rebuilding.rebuild)
    app.command()(rebuilding.verify)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def shop(workspace, count=5):
    """Customers with late purchases, two who became one, a touch that was put right and one taken back."""
    send(workspace, *(purchase(f"{n}-1", account(str(n)), at=MONDAY - n * DAY) for n in range(count)))
    send(workspace, item("a", phone(), channel="voice"), item("b", email(), channel="chat"))
    fold(workspace)
    (wrong,) = send(workspace, item("c", phone(), email(), channel="store", reason="bill"))
    send(workspace, item("d", type="touch.corrected", touch_id=wrong.event_id, reason="roaming"))
    (gone,) = send(workspace, item("e", account("0"), channel="voice"))
    send(workspace, item("f", type="touch.retracted", touch_id=gone.event_id, why="a test"))
    for holding in ("line", "add-on", "box"):
        send(
            workspace, item(holding, account("1"), type="holding.started", holding_id=holding, product="plan")
        )
    send(workspace, *(purchase(f"{n}-2", account(str(n)), at=MONDAY - 400 * DAY) for n in range(count)))
    fold(workspace)


def looked_at(workspace, most=100, seed=1):
    return verify(workspace.engine, projections(workspace.rules), most, seed)


@pytest.mark.parametrize("long", [3, 20_000], ids=["streamed", "held"])
def test_views_that_live_folding_made_are_not_wrong(workspace, monkeypatch, long):
    monkeypatch.setattr(owned, "LONG", long)
    shop(workspace)
    found = looked_at(workspace)
    assert (found.owners, found.moving, found.wrong) == (7, 0, [])
    assert found.rows == sum(len(rows(workspace, one.name)) for one in projections(workspace.rules))


def test_every_kind_of_wrong_row_is_found_and_named(workspace):
    shop(workspace)
    one, *others = sorted(rows(workspace, "lifecycle"))
    keys = [row.key for row in _rows(workspace, timeline) if row.owner == one]
    store = ViewStore(LifecycleView())
    spoilt = msgspec.json.encode(
        msgspec.structs.replace(rows(workspace, "lifecycle")[others[0]], first_because="somebody else's")
    )
    with workspace.engine.begin() as connection:
        connection.execute(delete(timeline).where(timeline.c.key == keys[0]))
        connection.execute(update(timeline).where(timeline.c.key == keys[1]).values(owner=others[0]))
        connection.execute(update(lifecycle).where(lifecycle.c.key == others[0]).values(state=spoilt))
        connection.execute(update(lifecycle).where(lifecycle.c.key == others[1]).values(next_due_at=MONDAY))
        connection.execute(insert(customer_360).values(key="x", owner=others[2], state=b"{}"))
    assert store.decode(spoilt)
    assert sorted(looked_at(workspace).wrong, key=lambda wrong: (wrong.view, wrong.how)) == [
        Wrong("customer_360", others[2], "x", "too many"),
        Wrong("lifecycle", others[1], others[1], "other columns"),
        Wrong("lifecycle", others[0], others[0], "other state"),
        Wrong("timeline", one, keys[0], "missing"),
        Wrong("timeline", one, keys[1], "other owner"),
    ]


def test_a_set_may_be_written_in_any_order(workspace):
    shop(workspace)
    (row,) = [row for row in _rows(workspace, lifecycle) if b'"holdings":' in row.state]
    state = msgspec.json.decode(row.state)
    turned = msgspec.json.encode({**state, "holdings": state["holdings"][::-1]})
    with workspace.engine.begin() as connection:
        connection.execute(update(lifecycle).where(lifecycle.c.key == row.key).values(state=turned))
    assert turned != row.state
    assert looked_at(workspace).wrong == []


def test_what_is_not_folded_yet_or_lies_aside_is_nothing_wrong(workspace):
    shop(workspace)
    (poison,) = send(workspace, item("poison", account("1"), channel="voice"))
    with workspace.engine.begin() as connection:
        connection.execute(insert(set_aside).values(reader=READER, event_id=poison.event_id))
    fold(workspace)
    send(workspace, item("waits", account("2"), channel="voice"))
    assert looked_at(workspace).wrong == []


def test_the_same_seed_chooses_the_same_customers(workspace):
    send(workspace, *(purchase(str(n), account(str(n)), at=MONDAY) for n in range(12)))
    fold(workspace)
    with workspace.engine.begin() as connection:
        connection.execute(update(lifecycle).values(next_due_at=MONDAY))
    chosen = {seed: [one.owner for one in looked_at(workspace, 4, seed).wrong] for seed in (1, 2)}
    assert len(chosen[1]) == len(chosen[2]) == 4
    assert chosen[1] == [one.owner for one in looked_at(workspace, 4, 1).wrong]
    assert chosen[1] != chosen[2]


def test_the_command_says_what_is_wrong_without_saying_anything_about_a_person(workspace, touchstone):
    shop(workspace)
    answer = touchstone("verify", "--customers", "50")
    assert answer.exit_code == 0
    assert "7 customers compared (seed 1): none wrong" in answer.output
    one = sorted(rows(workspace, "customer_360"))[0]
    with workspace.engine.begin() as connection:
        connection.execute(delete(customer_360).where(customer_360.c.key == one))
    answer = touchstone("verify", "--customers", "50")
    assert answer.exit_code == 1
    assert f"customer_360 of {one}: missing ({one})" in answer.output
    assert "1 wrong" in answer.output
    assert "415" not in answer.output
    assert "example.com" not in answer.output


def test_the_command_rebuilds_shows_what_changes_and_keeps_what_was(workspace, touchstone):
    shop(workspace)
    one = sorted(rows(workspace, "customer_360"))[0]
    with workspace.engine.begin() as connection:
        connection.execute(delete(customer_360).where(customer_360.c.key == one))
    answer = touchstone("rebuild", "--dry-run", "customer_360")
    assert f"added in customer_360, e.g. {one}" in answer.output
    assert "Nothing is swapped" in answer.output
    assert one not in rows(workspace, "customer_360")
    answer = touchstone("rebuild", "lifecycle")
    assert answer.exit_code != 0
    assert "--afresh" in str(answer.exception)
    answer = touchstone("rebuild", "customer_360")
    assert "Going on with the rebuild" in answer.output
    assert "customer_360 folded anew and live" in answer.output
    assert one in rows(workspace, "customer_360")
    assert "Dropped customer_360__g1" in touchstone("rebuild", "--drop-old").output
    assert "Nothing was kept" in touchstone("rebuild", "--drop-old").output
    answer = touchstone("rebuild")
    assert answer.exit_code == 0
    assert "The live views say what the journal says" in answer.output
    answer = touchstone("rebuild", "customers")
    assert answer.exit_code == 1
    assert "there is no view customers" in answer.output


def _rows(workspace, table):
    with workspace.engine.connect() as connection:
        return connection.execute(select(table).order_by(text("key"))).all()
