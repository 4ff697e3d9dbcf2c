"""A marketer's day on the running system: docs/lists.md, line by line."""

import csv
import hashlib
import re

import pytest

from tests.support.system import ROOT, System

FOLDER = "/tmp/touchstone-lists"  # noqa: S108  # as the page has it


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("marketer")


@pytest.fixture(scope="module")
def marketer(system: System, folder):
    """Runs the page's blocks in a folder of this test's own."""

    def run(name: str) -> str:
        text = (ROOT / "docs" / "lists.md").read_text()
        found = re.search(rf"<!-- run: {name} -->\n```bash\n(.*?)```\n", text, re.DOTALL)
        assert found, f"docs/lists.md has no block {name}"
        return system.shell(found.group(1).replace(FOLDER, str(folder)))

    assert "0 quarantined" in run("world")
    return run


def test_a_marketer_defines_a_list_has_it_approved_pulls_it_and_asks_why(marketer, folder):
    assert "win_back" in marketer("definition")

    estimated = marketer("estimate")
    assert estimated.count("not published: an estimate") == 2
    assert re.search(r"expected profit [1-9]\d*\.\d+ USD", estimated)
    assert "does_not_pay" in estimated

    built = marketer("build")
    assert '"list.not_approved"' in built
    assert "approved by bob" in built
    members = list(csv.DictReader((folder / "members.csv").open(encoding="utf-8-sig")))
    assert [int(one["rank"]) for one in members] == list(range(1, 55)), "60, less six who are held out"
    assert all(one["why"] and one["channel"] for one in members)

    asked = marketer("why-not")
    assert "rule: over_capacity (formula" in asked
    assert "may be contacted next by" in asked

    derived = marketer("derive")
    assert "the same bytes" in derived
    assert hashlib.sha256((folder / "rows.ndjson").read_bytes()).hexdigest() in derived

    compared = marketer("diff")
    assert "capacity: 60 → 40" in compared
    measured = marketer("report")
    assert '"change":"entered"' in measured
    assert "0 left, 0 back" in measured
    assert re.search(r"A hold-out of this size can show an effect of \d+\.\d points or more", measured)
    assert "and not before" in measured

    moved = list(csv.DictReader((folder / "moved.csv").open()))
    assert "left" in {one["change"] for one in moved}
