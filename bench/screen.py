"""The table as it is printed."""

from rich.table import Table

from bench import wording
from bench.report import Report


def table(report: Report) -> Table:
    """One row a line, the path named once."""
    found = Table(title=f"{report.machine.cpu}, {report.machine.cores} cores, {report.seconds:,.0f} s")
    for name in ("path", "own", "beside", "ratio", "aim", "met"):
        found.add_column(name, justify="right" if name == "ratio" else "left", overflow="fold")
    for path in report.paths:
        for number, line in enumerate(path.lines):
            beside = f"{line.beside.what}: {wording.figure(line.beside)}" if line.beside else ""
            found.add_row(
                path.name if number == 0 else "", f"{line.own.what}: {wording.figure(line.own)}", beside,
                wording.ratio(line), wording.aim(line), wording.met(line).strip("*"),
                end_section=number == len(path.lines) - 1,
            )  # fmt: skip
    return found
