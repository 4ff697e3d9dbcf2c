"""`touchstone connectors`: which systems may call, their files, their bodies told anew, their own reports."""

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import msgspec
import pytest
import typer
from sqlalchemy import select
from typer.testing import CliRunner

from infra.raw_body import RawBodies
from models.tables.journal import journal
from services.cli import connecting
from services.gateway import following
from services.gateway.connectors import asterisk_queue_log, catalogue
from services.gateway.connectors.connector import Unmapped
from services.gateway.connectors.mending import mend
from tests.support.folding import fold

FILE = """
[[connector]]
name = "pbx"
kind = "asterisk_queue_log"
zone = "Asia/Shanghai"
own_numbers = ["+14155550100"]
secrets = { key = "s3cret-of-the-pbx" }
[[connector]]
name = "cloud"
kind = "connect"
secrets = { key = "env:CLOUD_KEY" }
"""
BEGIN = 1772440000  # 2026-03-02 16:26:40 in Shanghai
PATIENCE = 60


def lines(number, *, talk=30, wait=5, agent="SIP/ann", at=0):
    """One answered call of the queue log."""
    begin = BEGIN + 100 * number + at
    call = f"1.{number}"
    return [
        f"{begin}|{call}|billing|NONE|ENTERQUEUE||+1415555{2000 + number}|1",
        f"{begin + wait}|{call}|billing|{agent}|CONNECT|{wait}|x|3",
        f"{begin + wait + talk}|{call}|billing|{agent}|COMPLETECALLER|{wait}|{talk}|1",
    ]


def abandoned(number, wait=7):
    begin = BEGIN + 100 * number
    return [
        f"{begin}|1.{number}|billing|NONE|ENTERQUEUE||+1415555{2000 + number}|1",
        f"{begin + wait}|1.{number}|billing|NONE|ABANDON|1|1|{wait}",
    ]


@pytest.fixture
def environment(workspace, monkeypatch, tmp_path):
    """What the commands find around them."""
    path = tmp_path / "connectors.toml"
    path.write_text(FILE)
    for name, value in {
        "DATABASE_URL": workspace.settings.database_url, "VAULT_URL": workspace.settings.vault_url,
        "TOUCHSTONE_VAR": str(workspace.settings.var), "KAFKA_BOOTSTRAP": "", "CLOUD_KEY": "k",
        "TOUCHSTONE_CONNECTORS": str(path), "COLUMNS": "200",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return path


@pytest.fixture
def connectors(environment):
    """`touchstone connectors` on this workspace: status and output."""
    app = typer.Typer()
    app.add_typer(connecting.app, name="connectors")

    def run(*arguments):
        done = CliRunner().invoke(app, ["connectors", *map(str, arguments)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output

    return run


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "asterisk"
    folder.mkdir()
    path = folder / "queue_log"
    path.write_text("".join(f"{one}\n" for one in (*lines(1), *lines(2), *abandoned(3))))
    return path


def recorded(workspace, source="pbx"):
    with workspace.engine.connect() as connection:
        query = select(journal).where(journal.c.source == source).order_by(journal.c.position)
        return connection.execute(query).all()


def test_the_list_shows_what_is_set_and_no_secret(connectors, environment):
    status, said = connectors("list")
    assert status == 0
    assert "/v1/connectors/pbx" in said
    assert "zone=Asia/Shanghai" in said
    assert "key ***" in said
    assert "s3cret" not in said
    told = json.loads(connectors("list", "--json")[1])
    assert [one["name"] for one in told["items"]] == ["pbx", "cloud"]
    assert told["problems"] == []


def test_every_mistake_of_the_file_is_told_beside_what_is_right(connectors, environment, monkeypatch):
    monkeypatch.delenv("CLOUD_KEY")
    environment.write_text(FILE + '[[connector]]\nname = "odd"\nkind = "pager"\nsecrets = { key = "k" }\n')
    status, said = connectors("list")
    assert status == 1
    assert "pbx" in said
    assert "CLOUD_KEY" in said
    assert "connector odd: the kinds are" in said
    status, said = connectors("import", "cloud", environment)
    assert (status, "CLOUD_KEY" in said) == (1, True)
    environment.write_text("[[connector]\n")
    status, said = connectors("list")
    assert (status, "is no TOML" in said, "name" in said.split("TOML")[0].split("/")[-1]) == (1, True, False)


def test_what_is_set_is_shown_whole_however_narrow_the_screen(connectors, environment, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    url = "https://hooks.example.com/behind/a/long/path/v1/connectors/phone"
    environment.write_text(
        f'[[connector]]\nname = "phone"\nkind = "twilio"\npublic_url = "{url}"\n'
        'own_numbers = ["+14155550100", "+14155550101"]\nsecrets = { auth_token = "t" }\n'
    )
    _, said = connectors("list")
    assert f"public_url={url}" in said
    assert "own_numbers=+14155550100, +14155550101" in said
    assert "/v1/connectors/phone" in said


def test_a_file_of_the_past_is_history_and_the_second_time_all_duplicates(connectors, workspace, log):
    packed = log.with_name("queue_log.1.gz")
    packed.write_bytes(gzip.compress(log.read_bytes() + b"no line of a queue log\n"))
    status, said = connectors("import", "pbx", packed)
    assert status == 1, said  # one line is held
    assert "touchstone quarantine" in said
    assert {one.origin for one in recorded(workspace)} == {"import"}, said
    assert workspace.quarantine.counts() == {"invalid": 1}
    before = len(recorded(workspace))
    status, said = connectors("import", "pbx", log)  # the same lines, unpacked
    assert (status, len(recorded(workspace))) == (0, before)
    assert said.split()[-5:] == [str(before), "0", str(before), "0", "0"]  # events, accepted, duplicates, …


def test_a_damaged_file_keeps_what_came_before_and_harms_no_other(connectors, workspace, log):
    damaged = log.with_name("old.gz")
    many = "".join(f"{one}\n" for number in range(10, 2000) for one in lines(number)).encode()
    damaged.write_bytes(gzip.compress(many)[:-2000])
    status, said = connectors("import", "pbx", damaged, log)
    assert status == 1
    assert "damaged" in said
    assert {f"pbx:1.{one}" for one in (1, 2, 3)} <= {one.contact for one in recorded(workspace)}


def test_what_was_followed_is_a_duplicate_when_it_is_imported(connectors, workspace, log):
    instance = catalogue_instance(workspace)
    stop = threading.Event()
    following.follow(workspace, *instance, log, stop, lambda _: stop.set())
    before = len(recorded(workspace))
    assert before
    assert {one.origin for one in recorded(workspace)} == {"live"}
    connectors("import", "pbx", log)
    assert len(recorded(workspace)) == before


def catalogue_instance(workspace):
    settings = workspace.settings.model_copy(
        update={"connectors": workspace.settings.var / "connectors.toml"}
    )
    return following.find(settings, "pbx")


def until(look):
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("watched", [[], ["--watched"]], ids=["in front", "with a parent"])
def test_following_goes_on_over_a_rotation_and_a_restart_and_ends_by_a_signal(
    workspace, environment, log, watched
):
    def start():
        script = "from services.cli import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", script, "connectors", "follow", "pbx", str(log), *watched],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def calls():
        return {one.contact for one in recorded(workspace)}

    first = start()
    try:
        until(lambda: "pbx:1.3" in calls())
        log.rename(log.with_name("queue_log.1"))
        log.write_text("".join(f"{one}\n" for one in lines(4)))
        until(lambda: "pbx:1.4" in calls())
    finally:
        first.send_signal(signal.SIGINT)
        said, _ = first.communicate(timeout=PATIENCE)
    assert first.returncode == 0, said
    before = len(recorded(workspace))
    with log.open("a") as file:
        file.write("".join(f"{one}\n" for one in lines(5)))
    again = start()
    try:
        until(lambda: "pbx:1.5" in calls())
    finally:
        again.send_signal(signal.SIGTERM)
        again.communicate(timeout=PATIENCE)
    assert len(recorded(workspace)) == before + 5  # queued, started, answered, rang, ended: each once
    assert not [one for one in recorded(workspace) if one.origin != "live"]


def test_a_system_that_writes_no_lines_is_not_followed(connectors, log):
    status, said = connectors("follow", "cloud", log)
    assert status == 1
    assert "a connect writes no file of lines" in said
    status, said = connectors("follow", "nobody", log)
    assert status == 1
    assert "there are cloud, pbx" in said


def test_a_system_that_keeps_no_files_imports_none(connectors, environment, log):
    environment.write_text(FILE.replace('"connect"', '"chatwoot"'))
    status, said = connectors("import", "cloud", log)
    assert status == 1
    assert "a chatwoot writes no files" in said


@pytest.fixture
def wrong(monkeypatch):
    """A mapping that takes talk for wait, until it is mended."""
    parse = asterisk_queue_log.parse

    def told_wrong(one, instance):
        found = parse(one, instance)
        for told in found:
            if told.type == "contact.ended" and "talk_seconds" in told.data:
                told.data["talk_seconds"] = told.data["wait_seconds"]
        return [one for one in found if one.type != "contact.rang"]

    class Mapping:
        def set(self, parse):
            kind = msgspec.structs.replace(asterisk_queue_log.CONNECTOR, parse=parse)
            monkeypatch.setitem(catalogue.CONNECTORS, kind.kind, kind)

        def mend(self):
            self.set(parse)

    mapping = Mapping()
    mapping.set(told_wrong)
    return mapping


def contents(workspace):
    """What stands, after what was taken back: type, call, what it says."""
    rows = recorded(workspace)
    gone = {json.loads(one.data)["touch_id"] for one in rows if one.type == "touch.retracted"}
    return [one for one in rows if str(one.event_id) not in gone and one.type != "touch.retracted"]


def test_a_mended_mapping_is_told_anew_and_its_mistakes_are_taken_back(connectors, workspace, log, wrong):
    connectors("import", "pbx", log)
    before = recorded(workspace)
    wrong.mend()
    status, said = connectors("remap", "pbx", "--dry-run")
    assert status == 0
    assert len(recorded(workspace)) == len(before)
    assert "differs" in said
    assert "missing" in said
    assert "nothing recorded" in said
    status, said = connectors("remap", "pbx")
    assert status == 0
    assert "2 taken back, 4 recorded, 0 could not be" in said
    new = recorded(workspace)[len(before) :]
    ended = [one for one in before if one.type == "contact.ended" and b"abandoned" not in one.data]
    assert {one.origin for one in new} == {"replay"}
    backs = [one for one in new if one.type == "touch.retracted"]
    assert [one.source_id for one in backs] == [f"{one.source_id}~retracted~1" for one in ended]
    assert [one.cause for one in backs] == [str(one.event_id) for one in ended]
    again = [one for one in new if one.source_id.endswith("~1") and one.type == "contact.ended"]
    assert [(one.source_id, one.cause) for one in again] == [
        (f"{one.source_id}~1", str(one.event_id)) for one in ended
    ]
    assert [json.loads(one.data)["talk_seconds"] for one in again] == [30, 30]
    assert {one.customer for one in again} == {one.customer for one in ended}
    assert [one.occurred_at for one in again] == [one.occurred_at for one in ended]
    status, said = connectors("remap", "pbx")  # the second time there is nothing to do
    assert "0 taken back, 0 recorded" in said
    fold(workspace)


def test_what_is_told_no_more_is_taken_back_and_comes_again_when_it_is(connectors, workspace, log, wrong):
    wrong.mend()
    connectors("import", "pbx", log)
    whole = [(one.type, one.data) for one in contents(workspace)]
    parse = asterisk_queue_log.parse
    wrong.set(lambda one, instance: [told for told in parse(one, instance) if told.type != "contact.rang"])
    assert "2 taken back, 0 recorded" in connectors("remap", "pbx")[1]
    wrong.mend()
    assert "0 taken back, 2 recorded" in connectors("remap", "pbx")[1]
    assert sorted((one.type, one.data) for one in contents(workspace)) == sorted(whole)
    assert "0 taken back, 0 recorded" in connectors("remap", "pbx")[1]


def test_a_body_that_cannot_be_read_or_is_gone_takes_nothing_back(connectors, workspace, log, wrong):
    wrong.mend()
    connectors("import", "pbx", log)
    parse = asterisk_queue_log.parse

    def unreadable(one, instance):
        if b"CONNECT" in one.raw:
            raise Unmapped("invalid", "$", "Expected something else")
        return parse(one, instance)

    wrong.set(unreadable)
    said = connectors("remap", "pbx")[1]
    assert "unreadable" in said
    assert "unsure" in said
    assert "0 taken back, 0 recorded" in said
    wrong.mend()
    RawBodies(workspace.engine, workspace.vault).forget("pbx", ["1.1/x"])
    said = connectors("remap", "pbx")[1]
    assert "0 taken back, 0 recorded" in said


def test_only_what_was_received_since_is_told_anew(connectors, workspace, log, wrong, clock):
    instance = catalogue_instance(workspace)
    stop = threading.Event()
    following.follow(workspace, *instance, log, stop, lambda _: stop.set())
    wrong.mend()
    connector, pbx = catalogue_instance(workspace)
    clock.pass_time(days=1)
    assert mend(workspace, connector, pbx, since=clock.now()).bodies == 0
    found = mend(workspace, connector, pbx, since=None)
    assert (found.bodies, found.found) == (8, {"differs": 2, "missing": 2})


REPORT = """callid;queue;agent;holdtime;talk;result
1.1;billing;ann;5;30;ANSWERED
1.2;billing;bob;5;33;ANSWERED
1.9;billing;ann;1;2;ANSWERED
"""
COLUMNS = ("--column", "contact=callid", "--column", "wait=holdtime", "--column", "disposition=result")


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "report.csv"
    path.write_text(REPORT)
    return path


def test_the_switchs_own_report_is_held_against_ours_contact_by_contact(connectors, log, report):
    connectors("import", "pbx", log)
    status, said = connectors("reconcile", "pbx", report, "--day", "2026-03-02", *COLUMNS, "--csv")
    assert status == 1
    assert list(csv.reader(io.StringIO(said)))[1:] == [
        ["1.2", "agent", "ann", "bob"],
        ["1.2", "talk", "30", "33"],
        ["1.3", "missing there", "-", "-"],
        ["1.9", "missing here", "-", "-"],
    ]
    told = json.loads(connectors("reconcile", "pbx", report, "--day", "2026-03-02", *COLUMNS, "--json")[1])
    assert told["agree"] == 1
    assert told["here"][""] == {"offered": 3, "answered": 2, "abandoned": 1, "wait": 17, "talk": 60}
    assert told["there"]["billing"] == {"offered": 3, "answered": 3, "abandoned": 0, "wait": 11, "talk": 65}
    told = connectors("reconcile", "pbx", report, "--day", "2026-03-02", *COLUMNS, "--tolerance", "3")[1]
    assert "talk" not in told.split("queue", 1)[0]
    assert "3 differences" in told


def test_a_report_may_call_its_agents_as_the_switch_does(connectors, environment, log, report):
    """PJSIP/ann is ann without a word; whoever sits at 2041 the instance's names say."""
    environment.write_text(
        FILE.replace('secrets = { key = "s3', 'names = { "2041" = "ann" }\nsecrets = { key = "s3', 1)
    )
    connectors("import", "pbx", log)
    report.write_text("contact,agent\n1.1,PJSIP/ann\n1.2,SIP/2041\n1.3,\n")
    status, said = connectors("reconcile", "pbx", report, "--day", "2026-03-02")
    assert (status, "3 agree, 0 differences" in said) == (0, True), said


def test_a_day_is_the_systems_own(connectors, log, report):
    """The calls began on the second at 16:26 in Shanghai."""
    connectors("import", "pbx", log)
    _, said = connectors("reconcile", "pbx", report, "--day", "2026-03-03", *COLUMNS, "--json")
    assert {one["what"] for one in json.loads(said)["differences"]} == {"missing here"}
    there = ("--zone", "Pacific/Kiritimati")  # 14 hours ahead of UTC: there it was 22:26 of the second
    told = json.loads(
        connectors("reconcile", "pbx", report, "--day", "2026-03-02", *there, *COLUMNS, "--json")[1]
    )
    assert told["agree"] == 1


def test_a_report_with_sums_alone_is_compared_by_queue(connectors, log, tmp_path):
    connectors("import", "pbx", log)
    path = tmp_path / "queues.csv"
    path.write_text("queue,offered,answered,abandoned,wait,talk\nbilling,3,2,1,0:17,1:00\n")
    status, said = connectors("reconcile", "pbx", path, "--day", "2026-03-02")
    assert (status, "0 differences" in said) == (0, True)
    path.write_text("queue,offered,answered\nbilling,4,2\nsales,1,1\n")
    status, said = connectors("reconcile", "pbx", path, "--day", "2026-03-02", "--csv")
    assert list(csv.reader(io.StringIO(said)))[1:] == [
        ["", "offered", "3", "5"], ["", "answered", "2", "3"], ["billing", "offered", "3", "4"],
        ["sales", "offered", "0", "1"], ["sales", "answered", "0", "1"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("call,wait\n1,2\n", "has no column 'contact'"),
        ("contact,wait\n1,soon\n", "line 2: the column wait has no number"),
        ("contact,wait\n1\n", "line 2: has fewer cells than the header"),
        ("contact\n1\n1\n", "line 3: this contact was there before"),
        ("", "has no column"),
    ],
)
def test_a_report_that_cannot_be_read_says_where(connectors, tmp_path, text, sentence):
    path = tmp_path / "odd.csv"
    path.write_text(text)
    status, said = connectors("reconcile", "pbx", path, "--day", "2026-03-02")
    assert status == 1
    assert sentence in said.replace("\n", " ")
