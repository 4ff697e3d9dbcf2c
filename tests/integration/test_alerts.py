"""Alerts that ask for what exists, and see the first occurrence."""

import ast
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
import yaml

from infra.process.supervisor import WHY
from infra.quarantine import codes
from tests.integration.test_telemetry import figures

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "infra/deploy"
(GROUP,) = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"]
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in GROUP["rules"]}
SCRAPED = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())["scrape_configs"]
CODES = {*codes.DEFECTS, *codes.STRANGE, *codes.SENT}
VALUES = {
    "code": CODES, "why": set(WHY), "job": {one["job_name"] for one in SCRAPED}, "route": {"none", "/v1/events"},
    "status": {str(status.value) for status in HTTPStatus},
}  # fmt: skip
NOT_FROM_OUTSIDE = {"schema_ahead", "schema_unknown"}
"""Said of what the journal has; a reader calls both undecodable."""


def selectors(expression: str) -> Iterator[tuple[str, str, str]]:
    """(figure, label, value) for every value that a selector names, each alternative by itself."""
    for figure, matchers in re.findall(r"(\w+)\{([^}]*)\}", expression):
        for label, values in re.findall(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"', matchers):
            for value in values.split("|"):
                yield figure, label, value


def trees() -> Iterator[tuple[ast.AST, set[str]]]:
    """Our code that gives codes to what it does not take, and the names of those who take them first."""
    takers = {"Rejected", "Strange", "Undecodable", "Unmapped"}
    ours = ("infra/*.py", "services/workers/*.py", "services/gateway/**/*.py", "events/codec.py")
    for path in (path for pattern in ours for path in ROOT.glob(pattern)):
        if path.name != "codes.py":
            yield ast.parse(path.read_text()), takers
    yield ast.parse((ROOT / "models/domain/identifier.py").read_text()), {"Refused"}


def given_codes() -> set[str]:
    """What is called so where something is not taken."""
    found = set()
    for tree, takers in trees():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(taker), args=[ast.Constant(value=str(code)), *_]):
                    if taker in takers:
                        found.add(code)
                case ast.Call(func=ast.Name("_strange"), args=[_, _, ast.Constant(value=str(code)), *_]):
                    found.add(code)
    return found - NOT_FROM_OUTSIDE


def test_every_alert_asks_for_figures_labels_and_values_that_exist():
    there = figures()
    known = {name + ending for name in there for ending in ("", "_count", "_bucket")}
    labels = {label for _, some in there.values() for label in some}
    kept = {one["target_label"] for job in SCRAPED for one in job["relabel_configs"]}
    documented = (ROOT / "docs/operating.md").read_text()
    for rule in GROUP["rules"]:
        name, expression = rule["alert"], rule["expr"]
        assert set(re.findall(r"touchstone_\w+", expression)) <= known, name
        by = {one for found in re.findall(r"by \(([^)]*)\)", expression) for one in found.split(", ")}
        assert by <= labels | kept | {"instance", "le"}, name
        for figure, label, value in selectors(expression):
            base = re.sub(r"_(count|bucket)$", "", figure)
            assert figure == "up" or label in there[base][1], (name, figure, label)
            assert any(re.fullmatch(value, one) for one in VALUES[label]), (name, label, value)
        assert f"| {name} ({rule['labels']['severity']}) |" in documented


def test_a_healthy_event_that_we_hold_pages_under_each_code_that_says_so():
    asked = {value for _, label, value in selectors(EXPRESSIONS["OurDefect"]) if label == "code"}
    assert asked == set(codes.DEFECTS)


def test_the_codes_known_in_advance_are_those_that_our_code_gives():
    assert given_codes() <= CODES
    words = {
        node.value for tree, _ in trees() for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }  # fmt: skip
    own = {f"{reader}_{how}" for reader in codes.READERS for how in ("failed", "hung")}
    assert own < set(codes.DEFECTS)
    assert CODES - own <= words
    assert {"failed", "hung"} <= words


def test_the_reasons_known_in_advance_are_those_for_which_a_parent_kills():
    tree = ast.parse((ROOT / "infra/process/watchdog.py").read_text())
    said = {
        node.args[0].value for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Verdict"
        and isinstance(node.args[0], ast.Constant)
    }  # fmt: skip
    assert {"ended", "stuck", *said} == set(WHY)


@pytest.mark.parametrize("name", [name for name, one in EXPRESSIONS.items() if "increase(" in one])
def test_an_increase_is_asked_only_of_figures_that_begin_at_0(name):
    """Those whose labels are known; test_deploying looks at them in processes that have just begun."""
    (figure,) = re.findall(r"increase\((touchstone_\w+)", EXPRESSIONS[name])
    assert figure in {
        "touchstone_quarantined_total", "touchstone_set_aside_total", "touchstone_process_ended_total",
        "touchstone_schedule_failed_total",
    }  # fmt: skip
