"""The demo on a terminal: everything is shown, at any width, and nothing takes the terminal over."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from services.demo import screen


def shown(result, width: int, *, terminal: bool = False) -> str:
    file = io.StringIO()
    screen.show(result, Console(file=file, width=width, force_terminal=terminal))
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal_but_the_one_to_copy(result, width):
    lines = shown(result, width).splitlines()
    assert [line for line in lines if len(line) > width] == [result.subscribe]


@pytest.mark.parametrize("width", [80, 120])
def test_no_figure_is_torn_or_cut(result, width):
    said = "\n".join(" ".join(line.split()) for line in shown(result, width).splitlines())
    for line in (
        "in all 160,081 160,079 0 0 2",
        "at risk 2,123 9.0 %",
        "5,289 won, 39,922 lost, 0 open; conversion (won of all closed) 11.7 %.",
        "6,343 candidates = 900 members + 100 hold-out + 13 suppressed + 5,330 beyond",
        "negotiation 2 63,000 EUR 0.5 no data",
    ):
        assert line in said
    champion = result.judgement.of(result.judgement.champion).active
    assert any(
        "(champion)" in line and f"{champion.auc:.3f}" in line and line.endswith(f"{champion.brier:.4f}")
        for line in said.splitlines()
    )


def test_all_parts_are_shown_in_order(result):
    said = shown(result, 80)
    heads = ["What came in", "Life cycle", "One customer", "Pipeline", "Churn", "Lists", "How to go on"]
    places = [said.index(f"{head} ─") for head in heads]
    assert places == sorted(places)
    assert "GENERATED" in said
    assert "no consent recorded is not consent" in said
    assert "last purchase 212 days ago" in said
    assert said.rstrip().endswith(result.subscribe)


def test_without_a_terminal_there_is_no_colour_and_with_one_there_is(result):
    assert "\x1b" not in shown(result, 80)
    assert "\x1b[1m" in shown(result, 80, terminal=True)


def test_text_from_outside_is_neither_markup_nor_a_command_to_the_terminal(result):
    first = result.lists[0]
    row = replace(first.rows[0], because=["[bold]\x1b]0;owned\x07\x1b[2J[/bold]"])
    said = shown(replace(result, lists=[replace(first, rows=[row])]), 120)
    assert "\x1b" not in said
    assert "\x07" not in said
    assert "[bold] ]0;owned  [2J[/bold]" in said


def test_a_run_with_nothing_to_show_says_so(result):
    empty = replace(
        result, customer={}, timeline=[], lists=[], rates={}, seconds={}, kafka=False, subscribe="no topics",
        sources=[replace(one, stages={}) for one in result.sources],
    )  # fmt: skip
    said = shown(empty, 80)
    assert "no data" in said
    assert "Read a topic" not in said
