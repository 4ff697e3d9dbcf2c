"""The view of a customer with a thousand events as of a moment in the middle, over HTTP."""

import time
from collections.abc import Callable
from datetime import timedelta

import httpx
from sqlalchemy import select

from bench.figures import Aim, Figure, Line, Path, percentile
from bench.gateway import serve
from bench.ground import KEY, Ground
from bench.loading import free_port
from bench.people import BEGIN, Senders, batches
from bench.sizes import SEED
from infra.workspace import Workspace
from models.tables.journal import COLUMNS, journal

EVENTS = 1_000
SOMEBODY = 7_000_003
"""A person of whom nothing is known in the base."""


def measure(ground: Ground, say: Callable[[str], None]) -> Path:
    """p95 of reading as of each of many moments, one after the other; beside reading the rows alone."""
    sizes = ground.sizes
    settings = ground.settings(like=ground.folded).model_copy(update={"api_port": free_port()})
    workspace = ground.open(settings)
    customer = _with_history(workspace)
    own: list[float] = []
    bare: list[float] = []
    with serve(ground, settings, "services.api", settings.api_port) as api:
        url = f"http://127.0.0.1:{settings.api_port}/v1/customers/{customer}"
        with httpx.Client(headers={"X-API-Key": KEY}) as client:
            for number in range(1, sizes.runs + 1):
                moments = [BEGIN + timedelta(hours=5 * n) for n in range(1, sizes.as_of_reads + 1)]
                own.append(percentile([_ask(client, url, at.isoformat()) for at in moments], 0.95))
                bare.append(percentile([_read(workspace, customer) for _ in moments], 0.95))
                say(f"run {number} of {sizes.runs}: p95 {own[-1]:.1f} ms, rows alone {bare[-1]:.1f} ms")
        peak = api.peak_mb()
    workspace.close()
    ground.drop(settings)
    return Path(
        name="as_of", title="As-of view of a customer with 1,000 events",
        lines=[
            Line(
                Figure("GET ?as_of=, p95", "ms", tuple(own)),
                Figure("its rows of the journal alone, p95", "ms", tuple(bare)),
                Aim("figure", "at most", 50.0),
            )
        ],
        peak_mb={"API": peak},
        notes=[
            f"{sizes.as_of_reads} moments spread over the history, one request at a time; each answer reads the "
            "whole history and folds it as far as the moment says."
        ],
    )  # fmt: skip


def _with_history(workspace: Workspace) -> str:
    """A customer to whom a thousand things happened, ten hours apart."""
    senders, door, customer = Senders(SEED, "as_of"), workspace.door("bench"), ""
    for batch in batches(
        (senders.anything(SOMEBODY, BEGIN + timedelta(hours=n / 2)) for n in range(EVENTS)), EVENTS
    ):
        customer = door.receive(batch)[0].customer
    return customer


def _ask(client: httpx.Client, url: str, moment: str) -> float:
    began = time.perf_counter()
    client.get(url, params={"as_of": moment}).raise_for_status()
    return (time.perf_counter() - began) * 1_000


def _read(workspace: Workspace, customer: str) -> float:
    began = time.perf_counter()
    with workspace.engine.connect() as connection:
        connection.execute(
            select(*(journal.c[name] for name in COLUMNS)).where(journal.c.customer == customer)
        ).all()
    return (time.perf_counter() - began) * 1_000
