"""The parent of our processes: starts them again, bears a start that fails, leaves none behind."""

import os
import shutil
import threading
from collections.abc import Callable

import psutil
import pytest

from infra.process import keeper as keeping
from infra.process import supervisor as supervising
from infra.process.supervisor import Spec, Supervisor

PATIENCE_SECONDS = 30
SLEEPER = "import time\ntime.sleep(600)\n"


def until(found: Callable[[], object]) -> None:
    """Look again and again; whoever waits too long has lost."""
    pause, looks = threading.Event(), 0
    while not found():
        looks += 1
        assert looks < PATIENCE_SECONDS * 50
        pause.wait(0.02)


@pytest.fixture
def env(tmp_path, monkeypatch):
    """Where the module that the children run is found; a failed start is soon tried again."""
    monkeypatch.setattr(supervising, "BACK_OFF_SECONDS", 0.05)
    (tmp_path / "a_sleeper.py").write_text(SLEEPER)
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def kill(pid):
    psutil.Process(pid).kill()


def test_what_ends_is_started_again_and_what_runs_is_stopped(tmp_path, env):
    one = Supervisor([Spec("one", "a_sleeper"), Spec("two", "a_sleeper")], tmp_path / "logs", env)
    one.start()
    until(lambda: len(one.pids()) == 2)
    before = one.pids()
    kill(before["one"])
    until(lambda: one.pids().get("one", before["one"]) != before["one"])
    assert (one.pids()["two"], one.restarts) == (before["two"], 1)
    last = one.pids()
    one.stop()
    assert one.pids() == {}
    assert not any(psutil.pid_exists(pid) for pid in last.values())


def test_the_log_folder_may_be_deleted_and_even_be_none_for_a_while(tmp_path, env):
    logs = tmp_path / "logs"
    one = Supervisor([Spec("one", "a_sleeper"), Spec("two", "a_sleeper")], logs, env)
    one.start()
    until(lambda: len(one.pids()) == 2)
    before = one.pids()
    shutil.rmtree(logs)
    logs.write_text("no folder at all")
    kill(before["one"])
    until(lambda: one.restarts)
    assert one.pids() == {"two": before["two"]}
    logs.unlink()
    until(lambda: "one" in one.pids())
    assert one.log_of("one").exists()
    one.stop()
    assert one.pids() == {}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_stop_leaves_no_process_though_the_watching_thread_died(tmp_path, env):
    """A name that no program can be started with is a defect, and ends the watch."""
    before = set(psutil.Process().children())
    one = Supervisor([Spec("one", "a_sleeper"), Spec("two", "not\0a module")], tmp_path / "logs", env)
    one.start()
    one._thread.join(PATIENCE_SECONDS)
    assert not one._thread.is_alive()
    one.stop()
    assert one.pids() == {}
    assert set(psutil.Process().children()) == before


class Falls:
    """A server that ended by accident, and whose first start fails."""

    def __init__(self):
        self.runs, self.starts, self.up = False, 0, threading.Event()

    def alive(self):
        return self.runs

    def start(self):
        self.starts += 1
        if self.starts == 1:
            raise OSError("not yet")
        self.runs = True
        self.up.set()


def test_a_local_server_that_ended_is_started_again_until_it_runs(monkeypatch):
    monkeypatch.setattr(keeping, "KEEP_SECONDS", 0.01)
    server = Falls()
    keeper = keeping.Keeper({"PostgreSQL": server})
    keeper.start()
    assert server.up.wait(10)
    keeper.stop()
    assert server.starts == 2
