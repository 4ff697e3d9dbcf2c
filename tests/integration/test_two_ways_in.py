"""One file of calls by its mapping, and as a switch's queue log by the connector: the same contacts, recorded.

TOUCHSTONE_BANK_CALLS names the real file's folder; without it a made-up one of its form is taken.
"""

import csv
import gzip
import os
import random
from pathlib import Path

import msgspec
import pytest
from fastapi.testclient import TestClient

from models.tables.journal import journal
from services.gateway.app import create_app
from services.gateway.connectors.asterisk_queue_log import CONNECTOR
from services.gateway.connectors.importing import import_file
from services.importer.drafting import Drafter
from services.importer.known import check_folder
from services.importer.mapping import ready_mapping
from services.importer.queue_log_form import SWITCH, carried, compare, imported, lines_of, told_by
from services.importer.reading import open_table

MAPPING = "bank_calls_1999"
REAL = os.environ.get("TOUCHSTONE_BANK_CALLS", "")
COLUMNS = (
    "vru+line", "call_id", "customer_id", "priority", "type", "date", "vru_entry", "vru_exit", "vru_time",
    "q_start", "q_exit", "q_time", "outcome", "ser_start", "ser_exit", "ser_time", "server",
)  # fmt: skip
NONE = ("0:00:00", "0:00:00", 0)


def clock(second):
    second %= 86_400
    return f"{second // 3600}:{second // 60 % 60:02d}:{second % 60:02d}"


def call(number, chance, outcome="AGENT", queued=True, served=True, at=None, account=None, agent="GILI"):
    """A row of the bank's file."""
    begin = chance.randrange(7 * 3600, 23 * 3600) if at is None else at
    menu, wait, talk = chance.randint(3, 20), chance.randint(1, 200) if queued else 0, chance.randint(5, 600)
    q = (clock(begin + menu), clock(begin + menu + wait), wait) if queued else NONE
    answered = begin + menu + wait
    ser = (clock(answered), clock(answered + talk), talk) if served else NONE
    return (
        "AA0101", 33000 + number, chance.randint(0, 40) if account is None else account, chance.randint(0, 2),
        chance.choice(["PS", "PE", "NW", "NE", "IN", "TT", "AA"]), f"9901{1 + number % 28:02d}", clock(begin),
        clock(begin + menu), menu, *q, outcome, *ser, "NO_SERVER" if outcome == "HANG" else agent,
    )  # fmt: skip


def made_up(path):
    """All that occurs in the real file, odd rows too."""
    chance = random.Random(7)
    rows = [call(n, chance, agent=chance.choice(["GILI", "ANAT", "NO_SERVER"])) for n in range(60)]
    rows += [call(n, chance, queued=False) for n in range(60, 110)]
    rows += [call(n, chance, "HANG", served=False) for n in range(110, 140)]
    rows += [call(n, chance, "HANG", queued=False, served=False) for n in range(140, 150)]  # in the menu
    rows += [call(n, chance, "PHANTOM") for n in range(150, 155)]
    rows += [call(n, chance, "HANG", agent="NO_SERVER") for n in range(155, 160)]  # hung up, yet served
    rows += [call(n, chance, served=False) for n in range(160, 165)]
    rows += [
        call(165, chance, at=86_400 - 40),
        call(166, chance, account="3.27E+11"),
    ]  # over midnight; rounded
    with gzip.open(path, "wt", newline="\r\n") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows([COLUMNS, *rows])
    return path


@pytest.fixture(params=[Path(REAL)] if REAL else ["made up"], ids=lambda one: Path(one).name)
def calls(request, tmp_path):
    if isinstance(request.param, Path):
        return request.param / "january.txt.gz"
    return made_up(tmp_path / "january.txt.gz")


def rows_of(path):
    with open_table(path, ready_mapping(MAPPING).file) as table:
        return [(row.number, dict(zip(table.columns, row.cells, strict=True))) for row in table.rows]


def drafts_of(path):
    mapping = ready_mapping(MAPPING)
    with open_table(path, mapping.file) as table:
        drafter = Drafter(mapping, table.columns)
        return [msgspec.json.encode(one) for row in table.rows for one in drafter.draft(row).items]


def test_both_ways_give_the_same_contacts_of_the_same_people(workspace, calls, tmp_path):
    rows = rows_of(calls)
    told = sum(carried(row) for _, row in rows)
    items = drafts_of(calls)
    for at in range(0, len(items), 5_000):
        answers = workspace.door("test").receive(items[at : at + 5_000])
        assert {one.verdict for one in answers} == {"accepted"}
    log = tmp_path / "queue_log"
    log.write_text("".join(f"{line}\n" for line in lines_of(rows)))
    done = import_file(workspace, workspace.door("test"), CONNECTOR, SWITCH, log, lambda *_: None)
    assert (done.accepted, done.quarantined) == (done.events, 0)

    def recorded(source, name):
        return [
            (msgspec.structs.replace(one, event_id=name(one)), one.customer)
            for one in workspace.journal.read(journal.c.source == source)
        ]

    both = compare(
        recorded(MAPPING, lambda one: one.source_id), recorded(SWITCH.name, lambda one: one.event_id)
    )
    assert both.compared.differences == ()
    assert (both.calls, both.compared.agree) == (told, told)
    assert both.customers[0] == both.customers[1] > 0
    assert both.same_people
    print(f"{told:,} calls of {len(rows):,} rows, {done.parts:,} lines, {both.customers[0]:,} customers")


def test_a_contact_that_one_way_tells_otherwise_is_found(calls):
    lines = list(lines_of(rows_of(calls)))
    at = next(n for n, line in enumerate(lines) if "|COMPLETECALLER|" in line)
    time, call, queue, agent, event, waited, talked, place = lines[at].split("|")
    other = (time, call, queue, agent, event, waited, str(int(talked) + 7), place)
    told = [*lines[:at], "|".join(other), *lines[at + 1 :]]
    both = compare(imported(drafts_of(calls)), told_by(told))
    assert [(one.of, one.what) for one in both.compared.differences] == [(call, "talk")]
    assert both.compared.here[""].talk == both.compared.there[""].talk + 7


def test_the_check_of_real_files_holds_both_ways_against_each_other(workspace, tmp_path):
    """Of a file that is not the real one it says so; that both ways agree it says all the same."""
    made_up(tmp_path / "january.txt.gz")
    with TestClient(create_app(workspace)) as client:
        (check,) = check_folder(tmp_path, "http://testserver", "test-key", opener=lambda _: client)
    seen = {one.what: one.seen for one in check.comparisons}
    assert seen["contacts by a queue log"] == seen["of these, the same by the file"] == 152
    assert seen["their customers"] > 0
    assert seen["whose calls are the same (1: yes)"] == 1
