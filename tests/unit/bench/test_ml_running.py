"""The command that measures predictions: what is skipped, what fails and what does not hold is never silent."""

import re
from datetime import date
from io import StringIO

import pytest
from rich.console import Console

from bench.ml.catalogue import SOURCES, SUBJECTS, Subject, chosen
from bench.ml.line import Line
from bench.ml.page import Run, cells, page, table
from bench.ml.running import conclude, left_out, main, measure

MODULE = '''
from bench.ml.line import Line

def kept(data):
    """A promise that holds."""
    return [Line("kept", 0.85, 0.8, 0.9, 0.845, "≥ 0.845", True, 1.5)]

def broken(data):
    """One that does not."""
    return [Line("missed", 0.7, must="≥ 0.9", holds=False), Line("only told", 3)]

def fails(data):
    """One that can't be measured."""
    raise RuntimeError("no such file")

def where(data):
    """The folder it was given."""
    return [Line(data.name, 1)]
'''


@pytest.fixture
def subject(tmp_path, monkeypatch):
    """Subjects of a module that stands for any."""
    (tmp_path / "measured_things.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda name, **more: Subject(name, "measured_things", name, **more)


@pytest.fixture
def said():
    return StringIO()


@pytest.fixture
def console(said):
    return Console(file=said, width=300, highlight=False)


def test_every_subject_can_be_found_and_says_where_its_data_come_from():
    for one in SUBJECTS:
        assert set(one.needs) <= set(SOURCES)
        assert not one.within or one.within in one.needs


def test_without_a_name_all_are_measured_but_those_that_take_too_long():
    assert [one.name for one in SUBJECTS if one not in chosen(None)] == ["simulator"]


def test_a_name_before_the_point_means_all_of_it():
    assert [one.name for one in chosen("churn,value")] == [
        "churn.telco", "churn.iranian", "churn.online_retail", "churn.telemarketing", "value",
    ]  # fmt: skip
    assert [one.name for one in chosen("simulator")] == ["simulator"]


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(SystemExit, match=r"there is no weather: there are churn\.telco"):
        main(["--only", "weather"])


def test_what_lacks_its_data_is_skipped_and_says_which_and_from_where(subject, tmp_path, console, said):
    run = measure([subject("kept", needs=("cdnow",)), subject("broken")], tmp_path, console)
    assert list(run.found) == ["broken"]
    assert "cdnow/CDNOW_master.txt.gz is missing" in run.skipped["kept"]
    assert SOURCES["cdnow"][1] in said.getvalue()


def test_data_that_are_there_are_used_from_the_folder_that_is_wanted(subject, tmp_path, console):
    name, (file, _) = "telco_churn_ibm", SOURCES["telco_churn_ibm"]
    (tmp_path / name).mkdir()
    (tmp_path / name / file).touch()
    run = measure([subject("where", needs=(name,), within=name)], tmp_path, console)
    assert run.found["where"][0].name == name


def test_one_that_fails_is_told_and_does_not_end_the_others(subject, console):
    run = measure([subject("fails"), subject("kept")], None, console)
    assert run.failed == ["fails"]
    assert run.held == 1


def test_a_promise_that_does_not_hold_is_named_and_ends_badly(subject, console, said):
    run = measure([subject("kept"), subject("broken")], None, console)
    assert (run.held, run.broken) == (1, ["missed"])
    assert conclude(run, console)
    assert "does not hold: missed" in said.getvalue()
    assert "1 of 2 promises hold" in said.getvalue()


def test_a_failure_ends_badly_even_where_all_promises_hold(subject, console):
    assert conclude(measure([subject("kept"), subject("fails")], None, console), console)


def test_what_was_skipped_is_told_once_more_at_the_end_and_ends_well(subject, tmp_path, console, said):
    run = measure([subject("kept"), subject("broken", needs=("cdnow",))], tmp_path, console)
    assert not conclude(run, console)
    assert "not measured: broken: " in said.getvalue()


@pytest.mark.parametrize("seeds", ["one", "5-x", "-5", "9-2"])
def test_seeds_that_are_no_range_are_refused(seeds):
    with pytest.raises(SystemExit, match="FIRST-LAST"):
        main([f"--seeds={seeds}"])


def test_nothing_is_written_of_a_part(capsys, tmp_path):
    main(["--only", "value", "--write", "--data", str(tmp_path)])
    told = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "only a whole run is" in told
    assert "cdnow/CDNOW_master.txt.gz is missing" in told.replace(str(tmp_path), "")
    assert "simulator" not in told


def test_a_whole_run_says_what_it_leaves_out_for_its_length():
    assert set(left_out()) == {"simulator"}
    assert "--only simulator" in left_out()["simulator"]


def test_a_line_is_told_with_interval_reference_and_promise():
    line = Line("AUC", 0.84823, 0.834, 0.862, 0.845, "≥ 0.845", True, 4.26)
    assert cells(line) == ("AUC", "0.8482", "0.834 to 0.862", "0.845", "≥ 0.845", "yes", "4.3")
    assert cells(Line("rows", 600_000)) == ("rows", "600,000", "", "", "", "", "")
    assert cells(Line("AUC", 0.5, must="≥ 1", holds=False))[5] == "**no**"


def test_the_page_has_every_line_and_what_was_not_measured(console, said):
    lines = [Line("AUC", 0.85, must="≥ 0.8", holds=True), Line("ECE", 0.05, must="≤ 0.03", holds=False)]
    run = Run(
        date(2026, 3, 2), "A CPU, 2 cores", 300, {"churn": lines}, {"value": "cdnow is missing"}, ["offer"]
    )
    told = page(run)
    assert "1 of 2 promises hold" in told
    assert "| ECE | 0.05 |  |  | ≤ 0.03 | **no** |  |" in told
    assert "- value: cdnow is missing" in told
    assert "- offer: it failed" in told
    noted = page(Run(date(2026, 3, 2), "A CPU, 2 cores", 300, {"churn.telemarketing": lines}, {}))
    assert noted.index("The world changed") < noted.index("| ECE")
    console.print(table(run))
    assert "ECE" in said.getvalue()
