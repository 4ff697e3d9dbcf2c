"""Workers that join and leave: nothing is lost, doubled, or out of order within a customer."""

import time

from tests.support.faults.crew import until
from tests.support.faults.rig import Rig

FIRST_EVENT_SECONDS = 12.0


def test_projectors_that_join_leave_and_die_change_nothing(
    system: Rig, long: bool, figures: dict[str, object]
) -> None:
    stays, lasts = (20.0, 600.0) if long else (3.0, 9.0)
    turns = 0
    with system.load() as load:
        until(lambda: system.folded() > 0, 30, "nothing is folded")
        began = time.monotonic()
        while time.monotonic() - began < lasts:
            with system.second("projector") as other:
                until(lambda: "projector-2" in other.pids(), 30, "the second projector does not start")
                time.sleep(stays)
            turns += 1
            time.sleep(stays / 3)
        assert system.kill("projector") is not None
        killed_at = system.head()
        took = until(
            lambda: system.folded() > killed_at, FIRST_EVENT_SECONDS, "its successor folds nothing in time"
        )
        load.settle()
    figures |= {"turns": turns, "first event after a kill, s": round(took, 1)}
    figures |= system.judge()
