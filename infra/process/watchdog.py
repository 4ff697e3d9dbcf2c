"""When a process makes no progress: the rule by which its parent kills it, and whether an event is to blame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from infra.process.heart import HANDLING, WAITING, Pulse

HANDLING_SECONDS = 15.0
"""For one event, in pure code of ours."""
SUSPECT_SECONDS = 5.0
"""For one that failed before: its neighbours have waited already."""
SILENT_SECONDS = 15.0
"""Between two beats."""
WAITING_SECONDS = 40.0
"""For an answer, the oldest of several: a half-open connection never gives one.

Longer than any time-out of a client library.
"""
STARTING_SECONDS = 90.0
"""Until the first beat."""
STUCK = 75
"""The status with which a process ends that found its own consumer alive but stuck."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a process is killed, and the event that counts an attempt for it, "" for none."""

    why: str
    blame: str = ""


def judge(
    pulse: Pulse, age: float, now: float, attempts: Callable[[], Mapping[str, int]], stopped: bool
) -> Verdict | None:
    """What to do with a process `age` seconds old; None: let it be. Times as in `Pulse`."""
    if pulse.beat == 0:
        return Verdict("starting") if age > STARTING_SECONDS else None
    working = now - pulse.since
    if pulse.work == HANDLING and not stopped and working > SUSPECT_SECONDS:
        limit = SUSPECT_SECONDS if pulse.item in attempts() else HANDLING_SECONDS
        if working > limit:
            return Verdict("hung", blame=pulse.item)
    if now - pulse.beat > SILENT_SECONDS:  # a regular expression, say, that holds the interpreter
        return Verdict("silent", blame=pulse.item if pulse.work == HANDLING and not stopped else "")
    if pulse.work == WAITING and working > WAITING_SECONDS:
        return Verdict("waiting")
    if pulse.asked and now - pulse.asked > WAITING_SECONDS:
        return Verdict("waiting")
    return None
