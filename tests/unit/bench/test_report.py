"""The page: every line with its figures, its ratio, its aim and whether it was met."""

from datetime import UTC, datetime

from bench.figures import Aim, Figure, Line, Path, Point
from bench.machine import Machine
from bench.report import Report, page, write

MACHINE = Machine(cpu="A CPU 9000", cores=2, memory_gb=24.0, system="Linux", python="3.11", postgres="18",
                  kafka="4.1", libraries={"msgspec": "1"})  # fmt: skip
OURS, OTHER = Figure("append", "events/s", (70.0, 80.0, 90.0)), Figure("bare COPY", "events/s", (100.0,))
APPEND = Path(
    name="append", title="Append", lines=[
        Line(OURS, OTHER, Aim("ratio", "at least", 0.7)), Line(OURS, aim=Aim("figure", "at least", 100.0)),
    ],
    notes=["A note."], cpu={"PostgreSQL": 0.5}, peak_mb={"worker": 100.4},
)  # fmt: skip
GROWTH = Path(
    name="growth", title="Growth", lines=[Line(Figure("read at 10 events", "ms", (2.0,)))],
    points=[Point("read", 10, 2.0, "ms"), Point("read", 100, 3.0, "ms")],
)  # fmt: skip


def report(*paths):
    return Report(
        began_at=datetime(2026, 3, 2, tzinfo=UTC), seconds=600, seed=7, machine=MACHINE, paths=list(paths)
    )


def test_a_line_says_what_it_reached_beside_what_and_whether_that_was_the_aim():
    found = page(report(APPEND))
    assert "| append: 80 events/s (70 to 90) | bare COPY: 100 events/s | 0.80 | ≥ 0.7 × | yes |" in found
    assert "| append: 80 events/s (70 to 90) |  |  | ≥ 100 events/s | **no** |" in found
    assert "1 of 2 aims" in found
    assert "A note." in found
    assert "PostgreSQL 0.5" in found
    assert "worker 100" in found


def test_growth_is_a_table_over_sizes_with_its_plot():
    found = page(report(APPEND, GROWTH))
    assert "| | 10 events | 100 events |" in found
    assert "| read, ms | 2.0 | 3.0 |" in found
    assert "(benchmarks/growth.svg)" in found


def test_what_a_profile_said_follows_its_path(tmp_path):
    (tmp_path / "append.md").write_text("Where the time goes.\n")
    found = page(report(APPEND, GROWTH), tmp_path)
    assert found.index("A note.") < found.index("Where the time goes.") < found.index("## Growth")


def test_the_page_is_written_with_its_pictures(tmp_path):
    write(report(APPEND, GROWTH), tmp_path)
    assert (tmp_path / "benchmarks.md").read_text() == page(report(APPEND, GROWTH))
    for name in ("growth", "beside"):
        assert (tmp_path / "benchmarks" / f"{name}.svg").read_text().startswith("<svg")
