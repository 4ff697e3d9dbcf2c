"""How much of everything a run measures: the full run fits in twenty minutes on two cores."""

from msgspec import Struct

SEED = 20_260_302
"""All data of the benchmark is drawn from it."""


class Sizes(Struct, frozen=True, kw_only=True):
    """Counts of events, customers, seconds and runs."""

    runs: int
    people: int
    append_events: int
    batch_events: int
    relay_events: int
    fold_customers: int
    rival_events: int
    rebuild_events: int
    growth: tuple[int, ...]
    step_seconds: float
    visible_seconds: float
    read_customers: int
    read_seconds: float
    as_of_reads: int


FULL = Sizes(
    runs=5, people=20_000, append_events=50_000, batch_events=30_000, relay_events=50_000,
    fold_customers=6_000, rival_events=3_000, rebuild_events=1_000_000, growth=(10_000, 100_000, 1_000_000),
    step_seconds=2.0, visible_seconds=5.0, read_customers=1_000_000, read_seconds=4.0, as_of_reads=100,
)  # fmt: skip

QUICK = Sizes(
    runs=2, people=1_000, append_events=4_000, batch_events=3_000, relay_events=5_000,
    fold_customers=400, rival_events=500, rebuild_events=20_000, growth=(1_000, 10_000),
    step_seconds=1.0, visible_seconds=2.0, read_customers=5_000, read_seconds=1.0, as_of_reads=20,
)  # fmt: skip
"""A smoke run of a minute or two: shows that everything works, its figures mean nothing."""

LARGEST = 10_000_000
"""Events of the journal to which growth is followed where one asks for it."""
