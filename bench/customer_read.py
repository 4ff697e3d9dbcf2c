"""Reading a customer at a glance among a million, beside one SELECT by primary key over HTTP."""

from collections.abc import Callable
from random import Random

from sqlalchemy import text

from bench.figures import Aim, Figure, Line, Path
from bench.gateway import serve
from bench.ground import Ground
from bench.loading import Load, free_port, get
from bench.processes import Child, Meter, halves, postgres, postgres_on
from bench.sizes import SEED
from infra.settings import Settings
from services.cli.stack import environment

RATE = 300.0
CONNECTIONS = 32


def measure(ground: Ground, say: Callable[[str], None]) -> Path:
    """p99 at 300 requests a second, customers drawn at random; both processes run, and take turns."""
    sizes = ground.sizes
    settings = ground.customers_of(sizes.read_customers).model_copy(update={"api_port": free_port()})
    requests = [
        get(f"/v1/customers/{one}") for one in _some(ground, settings, int(sizes.read_seconds * RATE * 2))
    ]
    bare_port, log = free_port(), ground.folder / "one_select.log"
    delays: dict[str, list[float]] = {"GET /v1/customers/{id}": [], "one SELECT": []}
    middle: dict[str, list[float]] = {name: [] for name in delays}
    shares: dict[str, float] = {}
    with (
        postgres_on(ground, halves()[1]),
        serve(ground, settings, "services.api", settings.api_port) as api,
        Child(
            "one_select", ["-m", "bench.one_select", str(bare_port)], environment(settings), log, halves()[0]
        ) as bare,
    ):
        bare.answers(f"http://127.0.0.1:{bare_port}/health")
        ports = dict(zip(delays, ((settings.api_port, api), (bare_port, bare)), strict=True))
        for number in range(1, sizes.runs + 1):
            for name, (port, child) in ports.items():
                with Load(ground, port, requests, connections=CONNECTIONS, on=halves()[1]) as load:
                    load.at(RATE, sizes.read_seconds / 2)
                    meter = Meter(
                        **{name: child.told, "load generator": load.process, "PostgreSQL": postgres(ground)}
                    )
                    told = load.at(RATE, sizes.read_seconds)
                    if child is api:
                        shares = meter.shares()
                if told.good != told.answered:
                    raise RuntimeError(f"{name} answered {told.refusal}")
                delays[name].append(told.p99 * 1_000)
                middle[name].append(told.p50 * 1_000)
            said = ", ".join(f"{name} p99 {delays[name][-1]:.1f} ms" for name in delays)
            say(f"run {number} of {sizes.runs}: {said}")
        peak = api.peak_mb()
    ground.drop(settings)
    p99, bare_p99 = (Figure(f"{name}, p99", "ms", tuple(values)) for name, values in delays.items())
    p50, bare_p50 = (Figure(f"{name}, median", "ms", tuple(values)) for name, values in middle.items())
    return Path(
        name="customer_read", title=f"GET /v1/customers/{{id}} among {sizes.read_customers:,} customers",
        lines=[Line(p99, bare_p99, Aim("figure", "at most", 15.0)), Line(p50, bare_p50)],
        cpu=shares, peak_mb={"API": peak},
        notes=[
            f"{RATE:.0f} requests a second, constant arrival, latency from the intended send time, customers drawn at "
            "random. Each answer reads the customer's rows of all views, opens the identifiers' values with keys from "
            "the vault, and presents them for the moment of asking. The API has a core to itself; load generator and "
            "database share the other.",
            "The customers are copies of 500 real ones under other ids, made inside PostgreSQL; copies of one "
            "identifier share its vault key.",
        ],
    )  # fmt: skip


def _some(ground: Ground, settings: Settings, count: int) -> list[str]:
    """Customers drawn at random."""
    engine = ground.engine(settings)
    with engine.connect() as connection:
        everybody = list(connection.execute(text("SELECT key FROM customer_360 ORDER BY key")).scalars())
    engine.dispose()
    return Random(SEED).choices(everybody, k=count)
