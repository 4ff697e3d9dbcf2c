"""kill -9 at random instants, under load: nothing acknowledged is lost, nothing done twice."""

import time
from collections import Counter

from tests.support.faults.rig import Rig


def test_killing_processes_at_random_loses_nothing_and_doubles_nothing(
    system: Rig, long: bool, figures: dict[str, object]
) -> None:
    chance, kills, wanted = system.chance("kills"), Counter[str](), 200 if long else 20
    with system.load(pace=0.5) as load:
        deadline = time.monotonic() + (1_800 if long else 90)
        while kills.total() < wanted and time.monotonic() < deadline:
            time.sleep(chance.uniform(0.1, 3.0 if long else 0.9))
            victim = chance.choice(sorted(system.stack.supervisor.pids().keys() - {"api"}) or [""])
            if system.kill(victim) is not None:
                kills[victim] += 1
        load.settle()
    figures["kills"] = dict(kills)
    figures |= system.judge()
    assert kills.total() == wanted
