"""What became of a simulated world on its way to the gateway or a file."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from services.importer.sending import Answer

MOST_PROBLEMS = 20


@dataclass(slots=True)
class SimulationReport:
    """received = accepted + duplicates + refused + quarantined = items, unless it was stopped.

    A file takes every item: there `items` alone counts. `secrets` are the rows of the side file, `world_at` how far
    the world came (None: nothing was told), `problems` the first of what was not taken: code, path and sentence.
    """

    items: int = 0
    secrets: int = 0
    received: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    stopped: bool = False
    world_at: datetime | None = None
    codes: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, answer: Answer) -> None:
        """Count one batch's verdicts."""
        self.received += answer.received
        self.accepted += answer.accepted
        self.duplicates += answer.duplicates
        self.refused += answer.refused
        self.quarantined += answer.quarantined
        for one in answer.results:
            if one.code is None:
                continue
            self.codes[one.code] += 1
            if len(self.problems) < MOST_PROBLEMS:
                self.problems.append(f"{one.code} at {one.path}: {one.detail}")

    @property
    def untaken(self) -> int:
        """Items that the gateway did not take."""
        return self.refused + self.quarantined


Progress = Callable[[SimulationReport, float], None]
"""(the report so far, the share of the world's time that is told, 0 to 1)."""


def silent(report: SimulationReport, share: float) -> None:
    """A progress that says nothing."""
