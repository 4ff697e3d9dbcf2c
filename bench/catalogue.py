"""The plain list of all paths, in the order in which they are measured."""

from collections.abc import Callable

from bench import (
    as_of,
    customer_read,
    gateway,
    gateway_batches,
    growth,
    journal_append,
    projector,
    prompts,
    rebuild,
    relay,
    visible,
)
from bench.figures import Path
from bench.ground import Ground

Measure = Callable[[Ground, Callable[[str], None]], Path]

PATHS: dict[str, Measure] = {
    "journal_append": journal_append.measure,
    "gateway": gateway.measure,
    "gateway_batches": gateway_batches.measure,
    "relay": relay.measure,
    "projector": projector.measure,
    "visible": visible.measure,
    "prompts": prompts.measure,
    "customer_read": customer_read.measure,
    "as_of": as_of.measure,
    "growth": growth.measure,
    "rebuild": rebuild.measure,
}
"""Growth makes the journal of a million events that the rebuild goes on with."""
