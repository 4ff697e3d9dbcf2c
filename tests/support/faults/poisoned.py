"""A worker as it is, but with a defect: its rule cannot bear certain events. Run as a program of its own.

What `source_id` begins with says how: `raise`, `hang` (for ever), `hold` (a regular expression that holds
the interpreter). A deal (opportunity) with such a name is as bad for the policies and the sweep.
"""

import re
import sys
import threading
from typing import Any

from infra import sweeper
from infra.door import Door
from models.domain import opportunity
from models.policies.opportunity import RouteCaptured
from models.projections import catalogue
from models.projections.timeline import Timeline
from services.workers import __main__ as worker
from services.workers import loops


def swallow(name: str) -> None:
    """Do with a poison what its name says; anything else is harmless."""
    if name.startswith("raise"):
        raise ZeroDivisionError
    if name.startswith("hang"):
        threading.Event().wait()
    if name.startswith("hold"):
        re.fullmatch(r"(a+)+", "a" * 64 + "b")


class BadTimeline(Timeline):
    """Cannot bear poison."""

    def apply(self, row: Any, envelope: Any, owner: str) -> Any:
        """As ever, if it is none."""
        swallow(envelope.source_id)
        return super().apply(row, envelope, owner)


class BadPolicy(RouteCaptured):
    """Cannot bear poison."""

    def react(self, envelope: Any) -> Any:
        """As ever, if it is none."""
        swallow(envelope.event.opportunity_id.removeprefix("policy-"))
        return super().react(envelope)


def bad_views(*rules: Any) -> tuple[Any, ...]:
    """All views, the timeline as one that cannot bear poison."""
    return (BadTimeline(), *catalogue.projections(*rules)[1:])


def bad_decider(rules: Any) -> Any:
    """A decider that cannot bear poison when it settles a clock."""
    good = opportunity.decider(rules)

    def decide(state: Any, command: Any) -> Any:
        swallow(getattr(command, "opportunity_id", "").removeprefix("sweep-"))
        return good.decide(state, command)

    return type(good)(initial=good.initial, evolve=good.evolve, decide=decide, settle=good.settle)


def bad_read(self: Door, raws: Any, now: Any) -> Any:
    """A door that cannot bear poison."""
    for raw in raws:
        if match := re.search(rb'"source_id":"intake-([a-z0-9-]+)', raw[:200]):
            swallow(match.group(1).decode())
    return good_read(self, raws, now)


good_read = Door.read

if __name__ == "__main__":
    loops.projections = bad_views  # type: ignore[assignment]
    loops.ALL_POLICIES = (BadPolicy,)
    sweeper.opportunity = type("bad", (), {**vars(opportunity), "decider": staticmethod(bad_decider)})  # type: ignore
    Door.read = bad_read  # type: ignore[method-assign]
    worker.main(sys.argv[1:])
