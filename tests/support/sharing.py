"""Which tests share a process when there are several: each process has servers of its own."""

from xdist.scheduler import LoadScopeScheduling

WHOLE = ("tests/faults/system/", "tests/journeys/running/", "tests/journeys/company/")


class BySystem(LoadScopeScheduling):
    """A file stays together, and so do all tests that share one whole system: it is long to start."""

    def _split_scope(self, nodeid: str) -> str:
        shared = next((one for one in WHOLE if nodeid.startswith(one)), None)
        return shared or nodeid.partition("::")[0]
