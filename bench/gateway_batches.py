"""Batches of 500 over HTTP, beside the same work without HTTP and beside its bare parts."""

from collections.abc import Callable

import msgspec

from bench import apart, bare_door
from bench.figures import Aim, Line, Path
from bench.gateway import PATH, gateway
from bench.ground import Ground
from bench.loading import Load, post
from bench.people import Senders, batches
from bench.processes import Meter, halves, postgres, postgres_on
from bench.sizes import SEED
from bench.timing import interleaved

BATCH = 500
IN_FLIGHT = 4


def measure(ground: Ground, say: Callable[[str], None]) -> Path:
    """Events a second of one gateway process; of normalise, resolve, seal and COPY in one process."""
    sizes = ground.sizes
    shares: dict[str, float] = {}
    peak: list[float] = []
    run = iter(range(1_000))

    def bodies() -> tuple[list[list[bytes]], list[list[bytes]]]:
        """A touch of everybody, so that the process has met them; and what is measured."""
        senders = Senders(SEED, f"batch{next(run)}")
        met = (senders.touch(n) for n in range(sizes.people))
        again = (senders.touch(n * 7919 % sizes.people) for n in range(sizes.batch_events))
        return list(batches(met, BATCH)), list(batches(again, BATCH))

    def own() -> float:
        met, again = bodies()
        requests = [post(PATH, b"[" + b",".join(batch) + b"]") for batch in met + again]
        with (
            gateway(ground) as (port, child),
            Load(ground, port, requests, connections=IN_FLIGHT, on=halves()[1]) as load,
        ):
            load.flat_out(len(met))
            meter = Meter(gateway=child.told, PostgreSQL=postgres(ground), **{"load generator": load.process})
            told = load.flat_out(len(again))
            shares.update(meter.shares())
            peak.append(child.peak_mb())
            if told.good != told.answered:
                raise RuntimeError(f"{told.answered - told.good} of {told.answered} batches: {told.refusal}")
        return BATCH * told.per_second

    def without(work: Callable[..., float]) -> Callable[[], float]:
        def run_it() -> float:
            settings = ground.settings(like=ground.known)
            given = settings.model_dump(mode="json", include={"database_url", "vault_url", "var"})
            called = apart.call(ground, work, given, *bodies(), on=halves()[0])
            ground.drop(settings)
            return called.answer

        return run_it

    with postgres_on(ground, halves()[1]):
        contestants = {
            "gateway": own, "bare parts": without(bare_door.parts), "our door without HTTP": without(bare_door.door),
        }  # fmt: skip
        found = interleaved(sizes.runs, contestants, "events/s", say)
    mine = msgspec.structs.replace(found["gateway"], what="gateway process, one core")
    return Path(
        name="gateway_batches", title="Gateway, batches of 500",
        lines=[
            Line(mine, found["bare parts"], Aim("ratio", "at least", 0.6)),
            Line(mine, found["our door without HTTP"]),
            Line(mine, aim=Aim("figure", "at least", 12_000.0)),
        ],
        cpu=shares, peak_mb={"gateway": max(peak)},
        notes=[
            f"{sizes.batch_events:,} touches of {sizes.people:,} customers whom the process has met before, each with "
            f"a note to seal; {IN_FLIGHT} requests in flight. A phone met for the first time since the start takes "
            "longer, as it must be parsed. The bare parts, in one process without HTTP: normalise and hash the "
            "identifiers, resolve them in one SELECT, seal and encode, COPY the vault's keys and the journal's rows, "
            "a commit a batch; no validation, no duplicates, no verdicts. Each of them has the same core to itself, "
            "the database the other.",
        ],
    )  # fmt: skip
