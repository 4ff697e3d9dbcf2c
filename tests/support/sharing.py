"""Which tests share a process when there are several: each process has servers of its own."""

from collections.abc import Iterator

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

WHOLE = ("tests/faults/system/", "tests/journeys/running/", "tests/journeys/company/")
WAITING = "tests/faults/"
"""Here most of the time somebody is given time to recover, and the processor has nothing to do."""


class BySystem(LoadScopeScheduling):
    """A file stays together, and so do all tests that share one whole system: it is long to start.

    The tests that mostly wait go to one process, one after the other, while the others have work: so there may
    be a process more than processors, and still no two tests that wait for each other's load.
    """

    def _split_scope(self, nodeid: str) -> str:
        shared = next((one for one in WHOLE if nodeid.startswith(one)), None)
        return shared or nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        taken = any(scope.startswith(WAITING) for scope in self._under_way(node))
        fitting = (scope for scope in self.workqueue if scope.startswith(WAITING) != taken)
        if (scope := next(fitting, None)) is not None:
            self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)

    def _under_way(self, node: WorkerController) -> Iterator[str]:
        """What the others have been given and not finished."""
        for other, units in self.assigned_work.items():
            if other is not node:
                yield from (scope for scope, tests in units.items() if not all(tests.values()))
