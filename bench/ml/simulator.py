"""The simulated telephone company: how fast it lives, and whether its calls look like those of a real call centre.

`python -m bench.ml.simulator [FOLDER]`: with the folder of real data its call log is the reference.
"""

import csv
import gzip
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median

import msgspec

from bench.gateway import serve
from bench.ground import KEY, Ground
from bench.loading import free_port
from bench.ml.line import Line
from bench.sizes import FULL
from services.simulator.simulating import GatewayAddress, simulate
from services.simulator.spec import Spec
from services.simulator.telling import Told
from services.simulator.world import world

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
WEEK = 7 * 86_400
SHAPED = 5_000
"""Customers of the world whose calls are looked at."""
LONG_KNOWN = {
    "calls that queue": 0.53, "mean wait of those (s)": 68.0, "of those, hung up": 0.185, "talk, mean (s)": 184.0,
    "talk, median (s)": 113.0, "talk under 10 s": 0.056,
}  # fmt: skip
"""The same figures, measured once on that log; its repeated contacts as well, which only identified callers show."""
REPEATED = 0.65
TOLERANCE = 0.1


@dataclass(frozen=True)
class Call:
    """What a call log says of one call; `talk` None: nobody answered."""

    queued: bool
    wait: float
    hung_up: bool
    talk: float | None


def run(data: Path) -> list[Line]:
    """Speed to a gateway and to a file, then shapes beside the real log's."""
    return [_to_gateway(5_000), _to_file(100_000), *_shapes(data)]


def _to_gateway(customers: int) -> Line:
    with Ground(FULL) as ground:
        settings = ground.settings().model_copy(update={"gateway_port": free_port()})
        with serve(ground, settings, "services.gateway", settings.gateway_port):
            spec = Spec(begin=BEGIN, customers=customers)
            report = simulate(spec, GatewayAddress(f"http://127.0.0.1:{settings.gateway_port}", KEY))
    good = report.seconds <= 300 and report.accepted == report.items
    return Line(
        f"{customers:,} customers × 12 months through the gateway, {report.accepted:,} items (s)", report.seconds,
        must="≤ 300, all accepted", holds=good, seconds=report.seconds,
    )  # fmt: skip


def _to_file(customers: int) -> Line:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "world.ndjson.gz"
        report = simulate(
            Spec(begin=BEGIN, customers=customers), file, truth=Path(folder) / "truth.ndjson.gz"
        )
    return Line(
        f"{customers:,} customers × 12 months to a file, {report.items:,} items (s)", report.seconds, must="≤ 900",
        holds=report.seconds <= 900, seconds=report.seconds,
    )  # fmt: skip


def _shapes(data: Path) -> list[Line]:
    log = data / "bank_calls_1999" / "january.txt.gz"
    real = _figures(_real(log)) if log.is_file() else LONG_KNOWN
    items = [
        (one.customer, msgspec.json.decode(one.body))
        for one in world(Spec(begin=BEGIN, customers=SHAPED))
        if isinstance(one, Told)
    ]
    touches = [(who, item) for who, item in items if item["type"] == "touch.recorded"]
    incoming = [(who, item) for who, item in touches if item["data"]["direction"] == "inbound"]
    mine = _figures([_call(item["data"]) for _, item in incoming if item["data"]["channel"] == "voice"])
    mine["contacts followed by another in 7 days"] = _repeated(incoming)
    real = {**real, "contacts followed by another in 7 days": REPEATED}
    voice = fmean(item["data"]["channel"] == "voice" for _, item in touches)
    return [
        Line("contacts that are calls", voice, must="≥ 0.70", holds=voice >= 0.70),
        *(
            Line(
                name, value, reference=real[name], must=f"within {TOLERANCE:.0%} of the reference",
                holds=abs(value - real[name]) <= TOLERANCE * real[name],
            )
            for name, value in mine.items()
        ),
    ]  # fmt: skip


def _figures(calls: list[Call]) -> dict[str, float]:
    queued = [one for one in calls if one.queued]
    talk = [one.talk for one in calls if one.talk is not None]
    found = (
        len(queued) / len(calls), fmean(one.wait for one in queued), fmean(one.hung_up for one in queued),
        fmean(talk), median(talk), fmean(one < 10 for one in talk),
    )  # fmt: skip
    return dict(zip(LONG_KNOWN, found, strict=True))


def _call(data: dict) -> Call:
    abandoned = data["outcome"] == "abandoned"
    return Call("queue" in data, data["wait_seconds"], abandoned, data.get("talk_seconds"))


def _real(path: Path) -> list[Call]:
    """The real log: phantom calls left out, a talk wherever an agent served."""
    with gzip.open(path, "rt") as file:
        return [
            Call(
                float(row["q_time"]) > 0, float(row["q_time"]), row["outcome"] == "HANG",
                float(row["ser_time"]) if row["outcome"] == "AGENT" else None,
            )
            for row in csv.DictReader(file, delimiter="\t")
            if row["outcome"] != "PHANTOM"
        ]  # fmt: skip


def _repeated(incoming: list[tuple[int, dict]]) -> float:
    times = defaultdict(list)
    for who, item in incoming:
        times[who].append(datetime.fromisoformat(item["occurred_at"]).timestamp())
    gaps = []
    for found in times.values():
        found.sort()
        gaps += [later - earlier for earlier, later in zip(found, [*found[1:], float("inf")], strict=True)]
    return fmean(gap < WEEK for gap in gaps)


def main() -> None:
    """Print every figure."""
    for line in run(Path(sys.argv[1]) if len(sys.argv) > 1 else Path()):
        reference = "" if line.reference is None else f"  reference {line.reference:.4g}"
        print(f"{line.name}: {line.value:.4g}{reference}  must: {line.must}  holds: {line.holds}", flush=True)


if __name__ == "__main__":
    main()
