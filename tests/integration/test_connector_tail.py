"""Following Asterisk's queue_log: each line once, over rotations, restarts and outages."""

import json

import pytest
from sqlalchemy import select

from infra.database import engine_for
from models.errors import Unavailable
from models.tables.journal import journal
from services.gateway.connectors.catalogue import CONNECTORS
from services.gateway.connectors.connector import Instance
from services.gateway.connectors.tail import Follower, Tail
from services.gateway.connectors.telling import DOOR

PBX = Instance(name="pbx")
KIND = CONNECTORS["asterisk_queue_log"]


def line(number: int) -> str:
    return f"{1772440000 + number}|1.{number}|billing|NONE|ABANDON|1|1|{number}\n"


@pytest.fixture
def log(tmp_path):
    """Where Asterisk writes."""
    folder = tmp_path / "asterisk"
    folder.mkdir()
    return folder / "queue_log"


def write(path, *numbers, end=""):
    with path.open("a") as file:
        file.write("".join(line(one) for one in numbers) + end)


class Followed:
    """A follower that can be started again, and what the journal has of its lines."""

    def __init__(self, workspace, log, state):
        self.workspace, self._log, self._state = workspace, log, state
        self.follower = Follower(workspace, workspace.door(DOOR), KIND, PBX)
        self.start()

    def start(self):
        self.tail = Tail(self._log, self._state, KIND)

    def go(self, limit=100):
        """Until nothing new is there; how many lines that were."""
        total = 0
        for _ in range(limit):
            taken = self.follower.step(self.tail)
            if not taken:
                return total
            total += taken
        raise AssertionError("it never ends")

    def recorded(self):
        with self.workspace.engine.connect() as connection:
            rows = connection.execute(select(journal.c.data).order_by(journal.c.position)).scalars()
            return [int(json.loads(data)["contact_id"].removeprefix("pbx:1.")) for data in rows]


@pytest.fixture
def followed(workspace, log, tmp_path):
    followed = Followed(workspace, log, tmp_path / "pbx.json")
    yield followed
    followed.tail.close()


def test_a_line_is_taken_when_it_is_whole(followed, log):
    assert followed.go() == 0  # nobody wrote yet
    write(log, 1, end=line(2)[:9])
    assert followed.go() == 1
    with log.open("a") as file:
        file.write(line(2)[9:])
    assert followed.go() == 1
    assert followed.recorded() == [1, 2]


def test_a_restart_goes_on_where_it_was(followed, log):
    write(log, 1, 2)
    followed.go()
    followed.start()
    assert followed.go() == 0
    write(log, 3)
    assert followed.go() == 1
    assert followed.recorded() == [1, 2, 3]


def test_a_renamed_file_is_read_to_its_end_before_the_new_one(followed, log):
    write(log, 1)
    followed.go()
    write(log, 2)
    old = log.rename(log.with_name("queue_log.1"))
    write(old, 3)  # whoever writes has not let go of it
    write(log, 4)
    followed.go()
    assert followed.recorded() == [1, 2, 3, 4]


def test_two_rotations_while_it_was_down_lose_nothing(followed, log):
    write(log, 1)
    followed.go()
    followed.tail.close()
    write(log, 2)
    log.rename(log.with_name("queue_log.2"))
    write(log, 3)
    log.rename(log.with_name("queue_log.1"))
    write(log, 4)
    followed.start()
    followed.go()
    assert followed.recorded() == [1, 2, 3, 4]


def test_a_file_that_was_copied_and_cut_to_nothing_begins_anew(followed, log):
    write(log, 1, 2)
    followed.go()
    log.write_text("")
    assert followed.go() == 0
    write(log, 3)
    followed.go()
    assert followed.recorded() == [1, 2, 3]


def test_where_its_file_is_gone_it_takes_what_is_there_and_repeats_are_duplicates(followed, log):
    write(log, 1)
    followed.go()
    followed.tail.close()
    log.rename(log.with_name("queue_log.gone")).unlink()
    write(log, 2)
    followed.start()
    followed.go()
    assert followed.recorded() == [1, 2]


def test_equal_lines_are_two_and_a_broken_one_is_held(followed, log, workspace):
    write(log, 1, 1)
    with log.open("a") as file:
        file.write("nonsense\n")
    assert followed.go() == 3
    assert followed.recorded() == [1, 1]
    assert [entry.raw for entry in workspace.quarantine.open_entries()] == [b"nonsense"]


def test_what_could_not_be_recorded_is_taken_again(followed, log, workspace):
    write(log, 1, 2)
    gone = engine_for("postgresql://nobody@127.0.0.1:1/none")
    away = workspace.__class__(**{**workspace.__dict__, "engine": gone, "vault_engine": gone})
    with pytest.raises(Unavailable):
        Follower(away, away.door(DOOR), KIND, PBX).step(followed.tail)
    gone.dispose()
    assert followed.go() == 2
    assert followed.recorded() == [1, 2]
