"""What many events need: reckoned from figures, and put into the page between its marks."""

from datetime import UTC, datetime

import pytest

from bench import scaling
from bench.figures import Figure, Line, Path
from bench.report import Report
from infra.topics_admin import planned
from tests.unit.bench.test_report import MACHINE

TOPICS = len(planned(""))


def path(name, cpu=(), **figures):
    lines = [Line(Figure(what, "any", (value,))) for what, value in figures.items()]
    return Path(name=name, title=name, lines=lines, cpu=dict(cpu))


def report(*paths):
    return Report(
        began_at=datetime(2026, 3, 2, tzinfo=UTC), seconds=600, seed=7, machine=MACHINE, paths=list(paths)
    )


WHOLE = report(
    path("journal_append", {"PostgreSQL": 10.0}, **{"append, customer recognised by identifiers": 10_000.0}),
    path("gateway", **{"gateway, one core": 2_000.0}),
    path("gateway_batches", **{"gateway process, one core": 12_000.0}),
    path("relay", {"relay": 20.0, "Kafka": 10.0}, **{"relay": 40_000.0, "a message": 800.0}),
    path("projector", {"worker 0, 1 worker": 60.0, "PostgreSQL, 1 worker": 12.0}),
    path("growth", **{"journal with indexes at 10": 500.0, "journal with indexes at 100": 700.0,
                      "views with indexes at 100": 900.0}),
    path("rebuild", **{"rebuild of 1,000,000 events, all views": 40.0}),
)  # fmt: skip


def test_shards_cores_and_bytes_follow_from_the_figures():
    found = scaling.reckon(WHOLE)
    assert "11,574 events/s" in found
    assert "34,722 ÷ (10,000, the slower, × 0.6) = **6**" in found
    assert "| cores: projectors | **4** |" in found
    assert "12 a topic (two a projector of the shard would be 2; fewer than 12 are not made)" in found
    assert f"× {TOPICS} topics × 6 shards = {12 * TOPICS * 6:,} |" in found
    assert "700 bytes an event with its indexes: 700 GB a day" in found
    assert "365 × 10⁹ ÷ 25,000/s on two cores: 8,111 core hours" in found


def test_the_tables_stand_between_the_marks_and_nothing_else_changes(tmp_path):
    page = tmp_path / "scaling.md"
    page.write_text("before\n<!-- figures -->\nold\n<!-- end -->\nafter\n")
    assert scaling.write(WHOLE, tmp_path)
    assert page.read_text() == f"before\n<!-- figures -->\n{scaling.reckon(WHOLE)}<!-- end -->\nafter\n"


def test_a_run_without_a_path_changes_nothing(tmp_path):
    (tmp_path / "scaling.md").write_text("as it was")
    assert not scaling.write(report(), tmp_path)
    assert (tmp_path / "scaling.md").read_text() == "as it was"
    with pytest.raises(KeyError):
        scaling.figure(WHOLE.paths[1], "no such figure")
