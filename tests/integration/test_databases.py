"""What the tests themselves rest on: a database that is lent again is as if new, or is not lent again."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from infra.database import engine_for
from infra.workspace import open_workspace
from tests.support.clock import MONDAY
from tests.support.databases import Databases
from tests.support.folding import fold
from tests.support.sending import account, phone, purchase, send

TABLES = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
COUNTS = text("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1")
PAGES = text("SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE oid >= 16384")


@pytest.fixture(scope="module")
def lender(postgres):
    """A lender that has nothing to lend yet; its databases are its own."""
    return Databases(postgres, first=100_000)


@pytest.fixture
def held(lender, settings, clock):
    """Opens a pair as a workspace."""

    def opened(pair):
        one, other = (lender.url(name) for name in pair)
        return open_workspace(settings.model_copy(update={"database_url": one, "vault_url": other}), clock)

    return opened


def seen(lender, pair):
    """All rows, where the counters stand, and how large the files are."""
    found = []
    for name in pair:
        engine = engine_for(lender.url(name))
        with engine.connect() as connection:
            tables = connection.execute(TABLES).scalars().all()
            asked = [text(f"SELECT * FROM {table}") for table in tables]
            found.append([connection.execute(one).all() for one in (*asked, COUNTS, PAGES)])
        engine.dispose()
    return found


def test_what_a_test_wrote_is_gone_when_its_databases_are_lent_again(lender, held):
    pair = lender.lend()
    new = seen(lender, pair)
    workspace = held(pair)
    send(workspace, purchase("1", account("1"), phone(), at=MONDAY - timedelta(days=9)))
    fold(workspace)
    workspace.close()
    assert seen(lender, pair) != new
    lender.take_back(pair)
    assert lender.lend() == pair
    assert seen(lender, pair) == new


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE timeline ADD COLUMN more text",
        "ALTER TABLE timeline RENAME TO timeline_old",
        "CREATE TABLE another (id int)",
        "DROP INDEX {index}",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE timeline SET (fillfactor = 50)",
        "UPDATE alembic_version SET version_num = 'another'",
        "ANALYZE journal_head",
    ],
)
def test_databases_that_were_changed_otherwise_are_not_lent_again(lender, change):
    pair = lender.lend()
    engine = engine_for(lender.url(pair[0]))
    with engine.begin() as connection:
        index = connection.execute(
            text(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE indexrelid >= 16384 AND NOT indisprimary"
            )
        ).scalars()
        connection.execute(text(change.format(index=next(iter(index)))))
    engine.dispose()
    lender.take_back(pair)
    assert lender.lend() != pair


def test_databases_in_which_somebody_still_is_are_not_lent_again(lender, held):
    pair = lender.lend()
    workspace = held(pair)
    with workspace.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        lender.take_back(pair)
        assert lender.lend() != pair
    workspace.close()
