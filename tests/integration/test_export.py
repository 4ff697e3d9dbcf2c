"""The journal as Parquet: whole, only what is new each time, and of nobody."""

import hashlib
import json
from datetime import datetime, timedelta

import polars as pl
import pytest

from events.flattening import columns
from ml.histories import Histories
from models.errors import Refused
from services.export.writing import MANIFEST, export, key_of
from tests.support.clock import MONDAY
from tests.support.sending import account, email, item, phone, purchase, send
from tests.support.viewing import recorded

HERS = ("Clementine", "+14155550146", "clementine.v@example.com", "the zither invoice")


@pytest.fixture
def told(workspace):
    """Two customers, one of whom said much of herself."""
    return send(
        workspace,
        purchase("1", account("1"), phone(HERS[1]), at=MONDAY - timedelta(days=9), amount="12.34"),
        item("2", account("1"), type="customer.described", name=HERS[0]),
        item("3", account("1"), channel="chat", direction="inbound", text=HERS[3], outcome="unresolved"),
        purchase("4", email(HERS[2]), at=MONDAY - timedelta(days=3), amount="5"),
    )


def events(folder):
    return pl.read_parquet(folder / "events" / "*.parquet")


def test_every_fact_is_a_row_with_its_times_and_figures(workspace, told, tmp_path):
    done = export(workspace, tmp_path)
    rows = events(tmp_path)
    assert (done.position, done.rows, done.unread) == (workspace.journal.head(), 3, 0)
    bought = rows.filter(pl.col("type") == "purchase.recorded").sort("amount")
    assert bought["amount"].to_list() == [5, 12.34]
    (chat,) = rows.filter(pl.col("type") == "touch.recorded").to_dicts()
    assert (chat["channel"], chat["outcome"], chat["direction"]) == ("chat", "unresolved", "inbound")
    by_id = {e.event_id: e for e in recorded(workspace)}
    for row in rows.to_dicts():
        assert (row["occurred_at"], row["known_at"]) == (
            by_id[row["event_id"]].occurred_at, by_id[row["event_id"]].known_at,
        )  # fmt: skip


def test_a_customer_has_a_key_that_stays_and_leads_to_nobody(workspace, told, tmp_path):
    export(workspace, tmp_path / "one")
    export(workspace, tmp_path / "two")
    keys = set(events(tmp_path / "one")["customer"])
    assert keys == {key_of(workspace.matcher, one) for one in {each.customer for each in told}}
    assert keys == set(events(tmp_path / "two")["customer"])
    assert not keys & {each.customer for each in told}


def test_nothing_personal_is_in_any_file(workspace, told, tmp_path):
    export(workspace, tmp_path)
    everything = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    frames = [str(pl.read_parquet(path).to_dicts()) for path in tmp_path.rglob("*.parquet")]
    for value in (*HERS, *(one.customer for one in told)):
        assert not any(value.encode() in content for content in everything)
        assert not any(value in content for content in frames)


def test_only_what_is_new_is_written_and_the_old_files_stay_as_they_are(workspace, told, tmp_path):
    first = export(workspace, tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "events").iterdir()}
    send(workspace, purchase("5", account("1"), at=MONDAY, amount="7"))
    second = export(workspace, tmp_path)
    assert all(path.read_bytes() == content for path, content in before.items())
    assert len(second.parts) == len(first.parts) + 1
    assert second.rows == first.rows + 1 == len(events(tmp_path))
    assert export(workspace, tmp_path) == second
    for part in second.parts:
        assert hashlib.sha256((tmp_path / part.name).read_bytes()).hexdigest() == part.sha256


def test_the_dictionary_says_what_each_column_is(workspace, told, tmp_path):
    export(workspace, tmp_path)
    described = {one["name"]: one for one in json.loads((tmp_path / "dictionary.json").read_text())}
    assert set(described) == set(events(tmp_path).columns) == {one.name for one in columns()}
    assert described["wait_seconds"]["unit"] == "seconds"
    assert "purchase.recorded" in described["amount"]["types"]


def test_who_turned_out_to_be_whom_stands_beside_it(workspace, told, tmp_path):
    hers, his = told[0].customer, told[3].customer
    (both,) = send(workspace, item("6", account("1"), email(HERS[2]), channel="store"))
    assert both.customer == hers
    export(workspace, tmp_path)
    (merge,) = pl.read_parquet(tmp_path / "merges.parquet").to_dicts()
    keys = [key_of(workspace.matcher, one) for one in (hers, his)]
    assert [merge["customer"], merge["absorbed"]] == keys
    (part,) = Histories.exported(tmp_path).read()
    theirs = part.group_by("customer").agg(pl.len()).sort("customer")
    assert dict(theirs.iter_rows()) == dict.fromkeys(keys, 4)


def test_an_export_of_another_release_is_not_mixed_with_this_one(workspace, told, tmp_path):
    export(workspace, tmp_path)
    path = tmp_path / MANIFEST
    path.write_text(path.read_text().replace('"schema": "', '"schema": "0'))
    with pytest.raises(Refused, match="another release"):
        export(workspace, tmp_path)
    path.write_text("{")
    with pytest.raises(Refused, match="not a manifest"):
        export(workspace, tmp_path)


def test_progress_is_told_up_to_the_head(workspace, told, tmp_path):
    heard: list[tuple[int, int]] = []
    export(workspace, tmp_path, lambda done, head: heard.append((done, head)))
    assert heard[-1] == (workspace.journal.head(), workspace.journal.head())
    assert isinstance(events(tmp_path)["occurred_at"][0], datetime)
