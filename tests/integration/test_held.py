"""What is held shows why and where it came from, to those with a key; never what was sent."""

import json

import pytest
import typer
from sqlalchemy import insert
from typer.testing import CliRunner

from infra.intake import Rejected
from infra.quarantine.aside import Aside
from infra.quarantine.replay import UnknownCode, replay
from models.tables.set_aside import set_aside
from services.cli import held
from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.sending import item, phone, send

NO_NUMBER = {"kind": "phone", "value": "030 901820"}
WORDS = "ring me at home"
NAME = "ZebraNameKey"


@pytest.fixture
def api(workspace):
    return caller(workspace)


@pytest.fixture
def touchstone(workspace, monkeypatch):
    """`touchstone quarantine` on this workspace."""
    for name, value in {
        "DATABASE_URL": workspace.settings.database_url, "VAULT_URL": workspace.settings.vault_url,
        "TOUCHSTONE_VAR": str(workspace.settings.var), "KAFKA_BOOTSTRAP": "",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    app = typer.Typer()
    app.command()(held.quarantine)
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.fixture
def three(workspace):
    """Two numbers that are none and a type that nobody knows, in this order."""
    send(workspace, item("1", NO_NUMBER, text=WORDS))
    send(workspace, item("2", type="touch.invented"))
    send(workspace, item("3", NO_NUMBER, text=WORDS))


def set_one_aside(workspace) -> str:
    """An event that the projector could not take; its id."""
    (answer,) = send(workspace, item("whole", phone(), channel="voice"))
    Aside(workspace.engine, workspace.quarantine, workspace.clock, "projector").event(
        answer.event_id, "projector_failed", "its handler raised KeyError every time"
    )
    return answer.event_id


def test_open_entries_are_listed_newest_first_with_their_reason_and_no_payload(workspace, api, three):
    page = read(api, "/v1/quarantine")
    assert [one["source_id"] for one in page["items"]] == ["3", "2", "1"]
    first = page["items"][-1]
    assert (first["code"], first["path"], first["source"]) == (
        "phone_invalid", "$.identifiers[0].value", "test",
    )  # fmt: skip
    assert first["received_at"] == MONDAY.isoformat().replace("+00:00", "Z")
    assert page["counts"] == {"phone_invalid": 2, "unknown_type": 1}
    assert (page["set_aside"], page["next"]) == ({}, None)
    assert WORDS not in json.dumps(page)


def test_pages_lead_on_though_more_comes_in(workspace, api, three):
    first = read(api, "/v1/quarantine", limit=2)
    send(workspace, item("4", NO_NUMBER))
    second = read(api, "/v1/quarantine", limit=2, cursor=first["next"])
    assert [one["source_id"] for one in first["items"] + second["items"]] == ["3", "2", "1"]
    assert second["next"] is None


def test_one_code_can_be_asked_for_and_what_is_settled_is_not_shown(workspace, api, three):
    workspace.intake._region = "DE"
    replay(workspace, "phone_invalid")
    assert read(api, "/v1/quarantine", code="phone_invalid")["items"] == []
    assert [one["source_id"] for one in read(api, "/v1/quarantine", code="unknown_type")["items"]] == ["2"]


@pytest.mark.parametrize(
    "cursor", ["", "x", "ZW50cnk6", "cGxhY2U6NQ==", "ZW50cnk6LTE=", "ZW50cnk6" + "OTk5" * 20]
)
def test_a_cursor_that_is_none_is_refused(api, cursor):
    answer = api.get("/v1/quarantine", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "cursor.invalid")


def test_a_stranger_sees_nothing(workspace, three):
    answer = caller(workspace, key=None).get("/v1/quarantine")
    assert (answer.status_code, answer.json()["code"]) == (401, "no_key")


def test_what_lies_aside_is_counted_by_reader_and_its_entry_names_the_event(workspace, api):
    event_id = set_one_aside(workspace)
    page = read(api, "/v1/quarantine")
    assert page["set_aside"] == {"projector": 1}
    (entry,) = page["items"]
    assert (entry["source"], entry["source_id"], entry["code"]) == (
        "reader:projector", event_id, "projector_failed",
    )  # fmt: skip


def test_a_name_that_a_sender_made_up_for_a_field_is_kept_nowhere_in_the_clear(workspace, api):
    told = item("1", {**phone(), NAME: "x"})
    answers = send(workspace, told, item("2", **{NAME: "x"}), {**item("3"), NAME: 1})
    assert [(one.code, one.path) for one in answers] == [
        ("invalid", "$.identifiers[0]"), ("invalid", "$.data"), ("invalid", "$"),
    ]  # fmt: skip
    assert NAME not in json.dumps(read(api, "/v1/quarantine")) + repr(answers)


def test_the_command_says_what_is_held_why_and_what_to_do_next(touchstone, three):
    said = touchstone().output
    assert "3  phone_invalid  received" in said
    assert "$.identifiers[0].value: this is no valid phone number" in said
    assert "source test, id 3" in said
    assert "3 of 3 open entries; after mending: touchstone replay" in said
    assert WORDS not in said
    assert "touchstone replay --code CODE" in " ".join(touchstone("--help").output.split())


def test_many_are_counted_by_code_and_the_newest_shown(touchstone, three):
    said = touchstone("--limit", "1").output
    assert "1 of 3 open entries" in said
    assert [line.split() for line in said.splitlines()[1:3]] == [
        ["phone_invalid", "2"],
        ["unknown_type", "1"],
    ]
    only = touchstone("--code", "unknown_type").output
    assert "1 of 1 open entry;" in only
    assert "id 2" in only


def test_a_script_gets_one_object_in_which_a_sender_s_words_are_harmless(workspace, touchstone):
    odd = Rejected("odd\x1b[31m", "column 7", "[red]five[/red]", b"", source="file", source_id="line#7")
    workspace.quarantine.keep([odd], MONDAY)
    set_one_aside(workspace)
    plain = touchstone("--json").output
    assert "\x1b" not in plain + touchstone().output
    told = json.loads(plain)
    assert [one["source_id"] for one in told["items"]][1:] == ["line#7"]
    assert told["set_aside"] == {"projector": 1}
    assert "[red]five[/red]" in touchstone().output


def test_a_code_that_never_was_is_told_apart_from_one_with_nothing_left(workspace, three):
    with pytest.raises(UnknownCode, match=r"'phone'; held now: phone_invalid \(2\), unknown_type \(1\)"):
        replay(workspace, "phone")
    workspace.intake._region = "DE"
    assert replay(workspace, "phone_invalid").accepted == 2
    assert replay(workspace, "phone_invalid").tried == 0


def test_an_event_given_back_to_its_reader_lies_aside_no_more(workspace, api):
    event_id = set_one_aside(workspace)
    with workspace.engine.begin() as connection:
        connection.execute(insert(set_aside).values(reader="sweep", event_id=event_id))
    assert read(api, "/v1/quarantine")["set_aside"] == {"projector": 1, "sweep": 1}
    replay(workspace)
    assert read(api, "/v1/quarantine")["set_aside"] == {"sweep": 1}
