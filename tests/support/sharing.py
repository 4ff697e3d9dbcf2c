"""Which tests share a process when there are several: each process has servers of its own."""

from xdist.scheduler import LoadScopeScheduling

WHOLE = "tests/faults/system/"


class BySystem(LoadScopeScheduling):
    """A file stays together, and so do all tests that share one whole system: it is long to start."""

    def _split_scope(self, nodeid: str) -> str:
        return WHOLE if nodeid.startswith(WHOLE) else nodeid.partition("::")[0]
