"""When a job is due on the workspace's clock, which of several goes first, and what may not be scheduled at all."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from events.schedule import JobPlanned, RunEnded
from models.domain.rules import load_rules
from models.domain.schedule import (
    COMMANDS,
    Due,
    Job,
    Scheduled,
    Standing,
    due,
    evolve,
    last_due,
    next_after,
    planned,
)
from tests.support.clock import MONDAY
from tests.support.spec import happened

BERLIN = ZoneInfo("Europe/Berlin")
GREENWICH = ZoneInfo("UTC")
SCORES = Job(name="scores", when="0 4 * * 1", words=("score",))
NIGHTLY = "30 2 * * *"


def local(text):
    """A moment on Berlin's clock; with * it is the second coming of an hour that comes twice."""
    at = datetime.fromisoformat(text.rstrip("*")).replace(tzinfo=BERLIN)
    return at.replace(fold=1 if text.endswith("*") else 0)


def shown(at):
    """The same, written down."""
    if at is None:
        return None
    there = at.astimezone(BERLIN)
    return f"{there:%Y-%m-%dT%H:%M}" + ("*" if there.fold else "")


def job(name, when="0 4 * * *"):
    return Job(name=name, when=when, words=("score",))


def run(of, due_at, at, outcome="done"):
    event = RunEnded(
        job=of.name, words=of.words, due_at=due_at, started_at=due_at, outcome=outcome,
        exit_status=int(outcome != "done"),
    )  # fmt: skip
    return happened(event, at)


def standing(of, at, *then):
    state = evolve(Standing(), happened(planned(of, Standing()), at))
    for one in then:
        state = evolve(state, one)
    return state


# When it is due


@pytest.mark.parametrize(
    "when, since, found",
    [
        ("0 4 * * 1", "2026-03-02T03:59", "2026-03-02T04:00"),
        ("0 4 * * 1", "2026-03-02T04:00", "2026-03-09T04:00"),
        ("0 6 1 * *", "2026-03-02T04:00", "2026-04-01T06:00"),
        ("*/20 * * * *", "2026-03-02T04:05", "2026-03-02T04:20"),
        ("0 4 * * mon-fri", "2026-03-06T12:00", "2026-03-09T04:00"),
        ("0 4 29 2 *", "2026-03-02T04:00", "2028-02-29T04:00"),
    ],
)
def test_a_job_comes_at_its_time_on_the_workspaces_clock(when, since, found):
    assert shown(next_after(when, local(since), BERLIN)) == found


def test_an_hour_that_the_clock_leaps_over_is_made_up_for_when_the_leap_is_done():
    """On 29 March there is no half past two."""
    assert shown(next_after(NIGHTLY, local("2026-03-28T12:00"), BERLIN)) == "2026-03-29T03:00"
    assert shown(next_after(NIGHTLY, local("2026-03-29T03:00"), BERLIN)) == "2026-03-30T02:30"
    assert next_after("30 * * * *", local("2026-03-29T01:30"), BERLIN) == datetime(
        2026, 3, 29, 1, 30, tzinfo=UTC
    )


def test_an_hour_that_comes_twice_counts_once_but_every_hour_is_every_hour():
    """On 25 October half past two comes at 0:30 and at 1:30 of UTC."""
    assert shown(next_after(NIGHTLY, local("2026-10-24T12:00"), BERLIN)) == "2026-10-25T02:30"
    for passed in ("2026-10-25T02:30", "2026-10-25T02:10*", "2026-10-25T02:30*", "2026-10-25T03:00"):
        assert shown(next_after(NIGHTLY, local(passed), BERLIN)) == "2026-10-26T02:30", passed
    assert shown(next_after("*/30 * * * *", local("2026-10-25T02:30"), BERLIN)) == "2026-10-25T02:00*"


def test_of_what_was_missed_the_last_alone_is_due():
    """The scheduler was away for two years: one run, not a hundred."""
    begin = local("2024-03-01T00:00")
    now = local("2026-03-04T12:00")
    assert shown(last_due("0 4 * * 1", begin, now, BERLIN)) == "2026-03-02T04:00"
    assert shown(last_due("0 4 1 1 *", begin, now, BERLIN)) == "2026-01-01T04:00"
    assert shown(last_due("* * * * *", begin, now, BERLIN)) == "2026-03-04T12:00"
    assert last_due("0 4 * * 1", local("2026-03-02T04:00"), now, BERLIN) is None


def test_what_was_missed_across_a_change_of_the_clock_is_due_once():
    """Half past two was missed, and it is twenty past two again: the coming one is no other."""
    now = local("2026-10-25T02:20*")
    missed = last_due(NIGHTLY, local("2026-10-24T12:00"), now, BERLIN)
    assert shown(missed) == "2026-10-25T02:30"
    assert last_due(NIGHTLY, missed, local("2026-10-25T23:00"), BERLIN) is None


# Whose turn it is


def test_a_job_is_never_due_for_what_was_before_it_came_to_the_schedule():
    assert due([SCORES], {}, MONDAY, BERLIN) == []
    new = {SCORES.name: standing(SCORES, MONDAY)}  # Monday at 10 in Berlin
    assert due([SCORES], new, MONDAY + timedelta(days=6), BERLIN) == []
    later = MONDAY + timedelta(days=7)
    assert due([SCORES], new, later, BERLIN) == [Due(job=SCORES, due_at=later.replace(hour=3))]


def test_what_was_run_is_not_due_again_whether_it_was_done_or_failed():
    at = MONDAY.replace(hour=3) + timedelta(days=7)
    for outcome in ("done", "failed"):
        ran = {SCORES.name: standing(SCORES, MONDAY, run(SCORES, at, at + timedelta(hours=2), outcome))}
        assert due([SCORES], ran, at + timedelta(days=6), BERLIN) == []
        assert len(due([SCORES], ran, at + timedelta(days=7), BERLIN)) == 1


def test_another_time_or_another_command_counts_from_when_it_was_said():
    state = standing(SCORES, MONDAY)
    assert planned(SCORES, state) is None
    daily = job(SCORES.name, "0 4 * * *")
    assert planned(daily, state) == JobPlanned(job="scores", when="0 4 * * *", words=("score",))
    changed = standing(SCORES, MONDAY - timedelta(days=30), happened(planned(daily, state), MONDAY))
    assert due([daily], {"scores": changed}, MONDAY + timedelta(hours=1), BERLIN) == []


def test_a_run_that_ended_well_stays_known_after_one_that_failed():
    first, second = MONDAY + timedelta(days=7), MONDAY + timedelta(days=14)
    state = standing(SCORES, MONDAY, run(SCORES, first, first), run(SCORES, second, second, "failed"))
    assert (state.done_at, state.ended_at, state.outcome, state.revision) == (first, second, "failed", 3)


def test_the_longest_overdue_goes_first_and_of_the_same_moment_the_schedules_order_holds():
    jobs = [job("late", "0 5 * * *"), job("b"), job("a"), job("early", "0 3 * * *")]
    told = {one.name: standing(one, MONDAY) for one in jobs}
    names = [one.job.name for one in due(jobs, told, MONDAY + timedelta(days=1), GREENWICH)]
    assert names == ["early", "b", "a", "late"]


# What may be scheduled


@pytest.mark.parametrize(
    "when, why",
    [
        ("every Monday", "when: 'every Monday' is no time of a schedule: write five fields of cron"),
        ("0 0 4 * * 1", r"when: '0 0 4 \* \* 1' is no time of a schedule: write five fields of cron"),
        ("61 4 * * 1", r"when: '61 4 \* \* 1' is no time of a schedule \(bad minute\): write five fields"),
        ("0 4 * * 8", r"\(bad day-of-week\)"),
        ("0 0 31 2 *", r"\(bad day-of-month\)"),
        ("0 0 */20 * 1L", "never comes"),
    ],
)
def test_a_time_that_is_none_is_refused_with_what_it_should_be(when, why):
    with pytest.raises(ValueError, match=why):
        Scheduled(when=when, run="score")


@pytest.mark.parametrize(
    "run", ["up", "erasure ask 1", "list pull x", "models promote x", "list", "", "rm -rf /"]
)
def test_what_may_not_run_by_itself_is_refused_with_what_may(run):
    with pytest.raises(ValueError, match=r"can't be scheduled: begin with one of export, list build"):
        Scheduled(when="0 4 * * 1", run=run)


def test_each_of_the_closed_list_may_be_scheduled_and_is_called_after_its_words():
    assert all(
        Scheduled(when="0 4 * * 1", run=command).job().words == tuple(command.split()) for command in COMMANDS
    )
    entry = Scheduled(when="0 4 * * 1", run="score --issuer 'my shop'")
    assert entry.job() == Job(
        name="score-issuer-my-shop", when="0 4 * * 1", words=("score", "--issuer", "my shop")
    )
    assert Scheduled(when="0 4 * * 1", run="score", name="weekly").job().name == "weekly"


@pytest.mark.parametrize(
    "said, why",
    [
        ('[[schedule]]\nwhen = "0 4 * *"\nrun = "score"', r"is no time of a schedule.* - at `\$\.schedule\[0\]`"),
        ('[[schedule]]\nwhen = "0 4 * * 1"\nrun = "score"\n[[schedule]]\nwhen = "0 4 * * 1"\nrun = "down"',
         r"can't be scheduled.* - at `\$\.schedule\[1\]`"),
        ('[[schedule]]\nwhen = "0 4 * * 1"\nrun = "score \'"', r"can't be read.* - at `\$\.schedule\[0\]`"),
        ('[[schedule]]\nwhen = "0 4 * * 1"', r"missing required field `run` - at `\$\.schedule\[0\]`"),
        ('[[schedule]]\nwhen = "0 4 * * 1"\nrun = "score"\nzone = "UTC"', r"unknown field `zone` - at"),
        (2 * '[[schedule]]\nwhen = "0 4 * * 1"\nrun = "score"\n', "two jobs are called 'score': give one of them a"),
    ],
)  # fmt: skip
def test_a_wrong_schedule_is_refused_when_the_rules_are_loaded_naming_file_and_place(tmp_path, said, why):
    path = tmp_path / "rules.toml"
    path.write_text(said)
    with pytest.raises(ValueError, match=f"^{path}: .*{why}"):
        load_rules(path)
