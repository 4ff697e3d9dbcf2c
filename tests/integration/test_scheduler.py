"""What is due runs by itself, once, one after the other; what failed is told; what was killed comes again."""

import json
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psutil
import pytest
import typer
from prometheus_client import REGISTRY
from typer.main import get_command
from typer.testing import CliRunner

from events.schedule import JobPlanned, RunEnded
from infra.process.heart import Heart
from infra.schedule.planning import plan
from infra.schedule.running import Stopped, run
from infra.schedule.scheduler import Scheduler
from infra.workspace import open_workspace
from models.domain.rules import Rules, load_rules
from models.errors import Refused
from services.cli import commands, scheduled
from services.cli.stack import environment
from tests.support.clock import MONDAY
from tests.support.faults.crew import until
from tests.support.viewing import recorded

PATIENCE = 60.0
COMMAND = """
import json, os, sys, time
from pathlib import Path
here = Path(__file__).parent
with (here / "ran").open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
print("scored", len(sys.argv))
while (here / "hold").exists() and "--issuer" not in sys.argv:
    time.sleep(0.05)
sys.exit(3 if "train" in sys.argv else 0)
"""
"""Stands for `touchstone`: says what it was asked, takes as long as a file lies there, and no training succeeds."""
TWO = """
[[schedule]]
name = "training"
when = "0 3 * * *"
run = "train --issuer telecom"

[[schedule]]
when = "0 3 * * *"
run = "score --issuer telecom"
"""
LIST = 'purpose = "care"\ntitle = "{0}"\nschedule = "{1}"\npriority = {2}\n'


class Company:
    """A workspace with a schedule, and the program that stands for its commands."""

    def __init__(self, settings, clock, folder, rules):
        self.folder, self.clock = folder, clock
        (folder / "command.py").write_text(COMMAND)
        (folder / "rules.toml").write_text(rules)
        (folder / "lists").mkdir()
        self.settings = settings.model_copy(
            update={"workspace": folder / "rules.toml", "lists": folder / "lists", "zone": "Europe/Berlin"}
        )
        self.opened = []
        self.workspace = self.open()

    def open(self):
        self.opened.append(open_workspace(self.settings, self.clock))
        return self.opened[-1]

    def scheduler(self, stop=None):
        """Another process, as it were: with connections of its own."""
        program = (sys.executable, str(self.folder / "command.py"))
        return Scheduler(self.open(), program, Heart(), stop or threading.Event())

    def ran(self):
        """The commands that were run, in order."""
        path = self.folder / "ran"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def told(self, kind=RunEnded):
        return [e for e in recorded(self.workspace) if isinstance(e.event, kind)]

    def list(self, name, when="0 3 * * *", priority=0):
        (self.folder / "lists" / f"{name}.toml").write_text(LIST.format(name, when, priority))


@pytest.fixture
def company(settings, clock, tmp_path):
    yield from opened(settings, clock, tmp_path, TWO)


@pytest.fixture
def without_rules(settings, clock, tmp_path):
    yield from opened(settings, clock, tmp_path, "")


def opened(settings, clock, folder, rules):
    found = Company(settings, clock, folder, rules)
    yield found
    for one in found.opened:
        one.close()


def tomorrow_at_three(clock):
    clock.at = datetime(2026, 3, 3, 2, 0, 1, tzinfo=UTC)
    return datetime(2026, 3, 3, 2, 0, tzinfo=UTC)


def figure(name, job):
    return REGISTRY.get_sample_value(name, {"name": job})


def test_a_failed_job_is_recorded_as_failed_and_the_next_goes_on(company):
    """Both are due at three; the training fails, and the scores are made with the champion that there was."""
    scheduler = company.scheduler()
    failed = figure("touchstone_schedule_failed_total", "training") or 0
    assert scheduler.turn() == 0
    assert [e.event.job for e in company.told(JobPlanned)] == ["training", "score-issuer-telecom"]
    due_at = tomorrow_at_three(company.clock)
    assert scheduler.turn() == 2
    train, score = company.told()
    words = ("train", "--issuer", "telecom")
    assert train.event == RunEnded(
        job="training",
        words=words,
        due_at=due_at,
        started_at=company.clock.at,
        outcome="failed",
        exit_status=3,
    )
    assert (score.event.outcome, score.event.exit_status, score.stream) == (
        "done",
        0,
        "schedule-score-issuer-telecom",
    )
    assert company.ran() == [[*words], ["score", "--issuer", "telecom"]]
    assert scheduler.turn() == 0
    assert figure("touchstone_schedule_failed_total", "training") == failed + 1
    company.clock.pass_time(hours=3)
    assert figure("touchstone_schedule_success_age_seconds", "score-issuer-telecom") == 3 * 3600
    assert figure("touchstone_schedule_success_age_seconds", "training") > 18 * 3600  # since it was planned
    said = scheduler.output("training").read_text().splitlines()
    assert (json.loads(said[0])["words"], said[1]) == ([*words], "scored 4")


def test_two_schedulers_run_a_job_once_for_one_moment(company):
    """Whoever comes second waits, and then finds nothing to do."""
    both = [company.scheduler(), company.scheduler()]
    both[0].turn()
    tomorrow_at_three(company.clock)
    with ThreadPoolExecutor(2) as pool:
        turns = [pool.submit(one.turn) for one in both]
        assert sum(one.result() for one in turns) == 2
    assert [one.turn() for one in both] == [0, 0]
    assert len(company.ran()) == len(company.told()) == 2


def test_after_a_fortnight_away_each_job_runs_once(company):
    company.scheduler().turn()
    company.clock.pass_time(days=14)
    assert company.scheduler().turn() == 2
    assert {e.event.due_at for e in company.told()} == {datetime(2026, 3, 16, 2, 0, tzinfo=UTC)}


def test_a_run_that_was_stopped_is_not_recorded_and_comes_again(company):
    (company.folder / "rules.toml").write_text('[[schedule]]\nwhen = "0 3 * * *"\nrun = "score"\n')
    hold = company.folder / "hold"
    hold.touch()
    stop = threading.Event()
    scheduler = company.scheduler(stop)
    scheduler.turn()
    tomorrow_at_three(company.clock)
    with ThreadPoolExecutor(1) as pool:
        turn = pool.submit(scheduler.turn)
        until(company.ran, PATIENCE, "nothing was run")
        assert company.scheduler().turn() == 0  # it is the other's turn
        stop.set()
        with pytest.raises(Stopped):
            turn.result()
    assert company.told() == []
    hold.unlink()
    assert company.scheduler().turn() == 1
    assert (company.ran(), len(company.told())) == ([["score"], ["score"]], 1)


def test_a_command_that_does_not_end_is_ended_and_has_failed(tmp_path):
    words = ["-c", "import time; print('begun', flush=True); time.sleep(600)"]
    status = run([sys.executable], words, tmp_path / "log", MONDAY, threading.Event(), longest_seconds=0.5)
    assert status == -signal.SIGTERM


def test_what_cannot_be_started_has_failed_and_hinders_nobody(company):
    company.scheduler().turn()
    tomorrow_at_three(company.clock)
    scheduler = Scheduler(company.open(), ("/no/such/program",), Heart(), threading.Event())
    assert scheduler.turn() == 2
    assert [e.event.exit_status for e in company.told()] == [127, 127]


def test_lists_that_are_due_come_after_the_rules_by_priority_and_then_by_name(company):
    for name, priority in (("b", 5), ("a", 5), ("first", 900), ("zero", 0)):
        company.list(name, priority=priority)
    company.list("by_hand", when="")
    jobs = plan(company.workspace.rules, company.settings).jobs
    assert [job.name for job in jobs] == [
        "training", "score-issuer-telecom", "list-first", "list-a", "list-b", "list-zero",
    ]  # fmt: skip
    path = company.folder / "lists" / "first.toml"
    assert jobs[2].words == ("list", "build", "--definition", str(path))
    path.write_text(path.read_text() + "approval = true\n")
    assert plan(Rules(), company.settings).jobs[0].words == (
        "list", "build", "--definition", str(path), "--by", "schedule",
    )  # fmt: skip


def test_a_definition_that_can_not_be_read_is_told_with_its_place_and_hinders_no_other(without_rules):
    company = without_rules
    company.list("weekly", when="every Monday")
    company.list("good")
    (company.folder / "lists" / "broken.toml").write_text("purpose = ")
    (company.folder / "lists" / "wrong.toml").write_text('purpose = "care"\ntitle = "x"\npriority = -1\n')
    (company.folder / "lists" / "latin.toml").write_bytes(b'title = "\xe9"')
    found = plan(company.workspace.rules, company.settings)
    assert [job.name for job in found.jobs] == ["list-good"]
    broken, latin, weekly, wrong = found.problems
    assert "broken.toml: Invalid value" in broken
    assert "latin.toml: " in latin
    assert (
        "weekly.toml: $.schedule: when: 'every Monday' is no time of a schedule: write five fields" in weekly
    )
    assert "wrong.toml: Expected `int` >= 0 - at `$.priority`" in wrong
    scheduler = company.scheduler()
    scheduler.turn()
    tomorrow_at_three(company.clock)
    assert scheduler.turn() == 1


def test_a_folder_that_is_not_there_is_told(without_rules):
    settings = without_rules.settings.model_copy(update={"lists": without_rules.folder / "nowhere"})
    found = plan(Rules(), settings)
    assert (found.jobs, len(found.problems)) == ((), 1)
    assert "nowhere is no folder: TOUCHSTONE_LISTS names one" in found.problems[0]


@pytest.mark.parametrize(
    "run, why",
    [
        ("score --isuer telecom", "No such option: --isuer.*`touchstone score --help` says what it takes"),
        ("train --horizon soon", "Invalid value for '--horizon'"),
        ("export", "Missing argument"),
        ("score --help", "a schedule runs commands, it reads no help"),
        ("list build one two", "unexpected extra argument"),
    ],
)
def test_options_that_do_not_exist_are_refused_naming_file_and_key(settings, tmp_path, run, why):
    path = tmp_path / "rules.toml"
    path.write_text(f'[[schedule]]\nwhen = "0 4 * * 1"\nrun = "{run}"\n')
    settings = settings.model_copy(update={"workspace": path})
    with pytest.raises(ValueError, match=rf"^{path}: `{run}`: .*{why}.* - at `\$\.schedule\[0\]\.run`$"):
        scheduled.check(settings, load_rules(path), get_command(touchstone()))


# By hand


def touchstone():
    """Every command there is."""
    app = typer.Typer()
    commands.register(app)
    return app


@pytest.fixture
def cli(company, monkeypatch):
    """The command line, on this company."""
    for name, value in environment(company.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TOUCHSTONE_LISTS", str(company.settings.lists))
    return lambda *arguments: CliRunner().invoke(touchstone(), arguments, env={"COLUMNS": "200"})


def test_each_job_is_shown_with_its_next_time_and_how_its_last_run_ended(company, cli):
    shown = cli("schedule")
    assert (shown.exit_code, "score-issuer-telecom" in shown.output, "not yet" in shown.output) == (
        0,
        True,
        True,
    )
    scheduler = company.scheduler()
    scheduler.turn()
    tomorrow_at_three(company.clock)
    scheduler.turn()
    shown = cli("schedule")
    assert shown.exit_code == 1
    assert "2026-03-03 03:00" in shown.output  # on the workspace's clock
    assert "Not well: training failed; its log in logs/schedule says why" in shown.output
    company.list("weekly", when="every Monday")
    assert re.search(r"Not well: .*weekly.toml: \$.schedule: when: ", cli("schedule").output)


def test_a_job_is_run_by_hand_and_recorded_as_any_other(company):
    company.clock.at = MONDAY
    scheduler = company.scheduler()
    assert scheduler.run_now("score-issuer-telecom", "ann").outcome == "done"
    (ran,) = company.told()
    assert (ran.actor, ran.event.due_at) == ("ann", MONDAY)
    with pytest.raises(Refused, match="no job is called 'sore'; there are: training, score-issuer-telecom"):
        scheduler.run_now("sore", "ann")


def test_a_job_that_fails_by_hand_shows_what_it_said(cli):
    """No model was trained here: the command's own sentence is shown."""
    done = cli("schedule", "run", "score-issuer-telecom")
    assert done.exit_code == 1
    assert "run `touchstone train --issuer telecom` first" in done.output
    assert "score-issuer-telecom failed" in done.output


# In a process of its own


@contextmanager
def process(company):
    env = environment(company.settings) | {"TOUCHSTONE_METRICS_PORT": "0"}
    started = subprocess.Popen([sys.executable, "-m", "services.workers.scheduler"], env=env)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def running(process):
    return [one for one in psutil.Process(process.pid).children() if one.status() != psutil.STATUS_ZOMBIE]


def test_a_scheduler_that_is_killed_takes_its_job_with_it_and_the_next_one_runs_it_again(
    settings, clock, tmp_path
):
    """It was planned in March; whoever looks today finds it due."""
    folder = tmp_path / "export"
    rules = f'[[schedule]]\nname = "files"\nwhen = "0 3 * * *"\nrun = "export {folder}"\n'
    for company in opened(settings, clock, tmp_path, rules):
        company.scheduler().turn()
        with process(company) as first:
            until(lambda: running(first), PATIENCE, "no job was begun")
            (job,) = running(first)
            first.kill()
            job.wait(PATIENCE)
        assert company.told() == []
        with process(company) as second:
            until(company.told, PATIENCE, "the job was not run again")
            second.terminate()
            assert second.wait(PATIENCE) == 0
        (ran,) = company.told()
        assert (ran.event.outcome, folder.is_dir()) == ("done", True)
        assert ran.event.due_at > MONDAY + timedelta(days=1)
