"""Make two workspaces, pull their lists, print what it took; the sizes are in the same run, so ratios hold."""

import signal
import sys

from bench.gateway import serve
from bench.ground import Ground
from bench.lists.pulling import FORMATS, Pulled, pull
from bench.lists.world import made
from bench.loading import free_port
from bench.sizes import FULL

SMALLER = 10
"""The shorter list is a tenth of the longer."""


def main(members: int) -> None:
    """Every format, without and with addresses, of a tenth of the members and of all."""
    peaks = []
    with Ground(FULL) as ground:
        for count in (members // SMALLER, members):
            found, peak = _at(ground, count)
            peaks.append(peak)
            print(f"\n{count:,} members; the API process held at most {peak:.0f} MB")
            print("| format | addresses | first byte, s | all, s | rows/s | MB |")
            print("|---|---|---|---|---|---|")
            for one in found:
                told = "with" if one.addresses else "without"
                print(f"| {one.format} | {told} | {one.first:.2f} | {one.total:.1f} | {count / one.total:,.0f} |"
                      f" {one.megabytes:.1f} |")  # fmt: skip
    print(f"\npeak memory at {members:,} rows to that at {members // SMALLER:,}: {peaks[1] / peaks[0]:.2f}")


def _at(ground: Ground, members: int) -> tuple[list[Pulled], float]:
    """The pulls, and the most memory (MB) that the API process ever held, which begins anew for each size."""
    settings, list_id = made(ground, members)
    settings = settings.model_copy(update={"api_port": free_port()})
    with serve(ground, settings, "services.api", settings.api_port) as api:
        for format in FORMATS:  # what is imported and compiled on the first pull is not the path's
            pull(settings.api_port, list_id, format, addresses=True, limit=10)
        found = [
            pull(settings.api_port, list_id, format, addresses=addresses)
            for format in FORMATS
            for addresses in (False, True)
        ]
        peak = api.peak_mb()
    ground.drop(settings)
    return found, peak


def _end(*_: object) -> None:
    raise SystemExit(143)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)  # so that servers are stopped and folders deleted
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
