"""Single touches over HTTP: an open model, constant arrival, latency from the intended send time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.figures import Aim, Figure, Line, Path
from bench.ground import Ground
from bench.loading import Load, free_port, post
from bench.people import Senders
from bench.processes import Child, Meter, halves, postgres, postgres_on
from bench.sizes import SEED
from infra.settings import Settings
from services.cli.stack import environment

PATH = "/v1/touches"
CONNECTIONS = 64
BEGIN = 800.0
"""Requests a second at which the search begins."""
WARM_UP = 200.0
"""Requests a second of the first second, which is not counted: connections are opened, code is met first."""
MOST = 80_000
"""Touches prepared for the search of one run."""


def measure(ground: Ground, say: Callable[[str], None]) -> Path:
    """The highest rate one core keeps up, the latency at half of it; the same of an endpoint doing nothing."""
    sizes = ground.sizes
    rates: dict[str, list[float]] = {"gateway": [], "nothing": []}
    delays: dict[str, list[float]] = {"gateway": [], "nothing": []}
    shares: dict[str, float] = {}
    with postgres_on(ground, halves()[1]), gateway(ground) as ours, nothing(ground) as idle:
        for number in range(1, sizes.runs + 1):
            for name, (port, child) in (("gateway", ours), ("nothing", idle)):
                with _load(ground, port, name, number) as load:
                    load.at(WARM_UP, 1.0)
                    rate = load.highest(sizes.step_seconds, rates[name][-1] if rates[name] else BEGIN)
                    meter = Meter(
                        **{name: child.told, "load generator": load.process, "PostgreSQL": postgres(ground)}
                    )
                    told = load.at(rate / 2, sizes.step_seconds)
                    if name == "gateway":
                        shares = meter.shares()
                rates[name].append(rate)
                delays[name].append(told.p99 * 1_000)
            said = ", ".join(
                f"{name} {rates[name][-1]:,.0f}/s, p99 {delays[name][-1]:.1f} ms at half" for name in rates
            )
            say(f"run {number} of {sizes.runs}: {said}")
    highest, bare = (Figure(f"{name}, one core", "requests/s", tuple(rates[name])) for name in rates)
    p99, bare_p99 = (
        Figure(f"{name}, p99 at half of its highest rate", "ms", tuple(delays[name])) for name in delays
    )
    return Path(
        name="gateway", title="Gateway, single touches, open model",
        lines=[
            Line(highest, bare, Aim("figure", "at least", 2_000.0)),
            Line(p99, bare_p99, Aim("figure", "at most", 25.0)),
        ],
        cpu=shares,
        notes=[
            f"Constant arrival over {CONNECTIONS} kept-alive connections; a request that waits for a free "
            "connection is not excused. A rate is kept up if every answer is 200 and the median delay of the last "
            "quarter stays below 50 ms, so that no queue grows. The service has one core to itself; load "
            "generator and database share the other: the shares are those at half the highest rate.",
            "The endpoint doing nothing reads the body and answers as much, in the same framework and server.",
        ],
    )  # fmt: skip


@contextmanager
def gateway(ground: Ground) -> Iterator[tuple[int, Child]]:
    """A real gateway process on a core of its own, over a workspace that knows the customers."""
    settings = ground.settings(like=ground.known).model_copy(update={"gateway_port": free_port()})
    with serve(ground, settings, "services.gateway", settings.gateway_port) as child:
        yield settings.gateway_port, child
    ground.drop(settings)


@contextmanager
def nothing(ground: Ground) -> Iterator[tuple[int, Child]]:
    """The endpoint that does nothing, in the gateway's place."""
    port = free_port()
    log = ground.folder / "nothing.log"
    with Child("nothing", ["-m", "bench.nothing", str(port)], {}, log, halves()[0]) as child:
        yield port, child.answers(f"http://127.0.0.1:{port}/health")


@contextmanager
def serve(ground: Ground, settings: Settings, module: str, port: int) -> Iterator[Child]:
    """One of our HTTP processes, on a core of its own."""
    log = ground.folder / f"{module}.log"
    with Child(module, ["-m", module], environment(settings), log, halves()[0]) as child:
        yield child.answers(f"http://127.0.0.1:{port}/health")


def _load(ground: Ground, port: int, name: str, run: int) -> Load:
    senders = Senders(SEED, f"{name}{run}")
    bodies = (senders.touch(number * 7919 % ground.sizes.people) for number in range(MOST))
    requests = [post(PATH, body) for body in bodies]
    return Load(ground, port, requests, connections=CONNECTIONS, on=halves()[1], again=name == "nothing")
