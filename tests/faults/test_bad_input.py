"""Whatever is sent to any door: a verdict, never a defect; what is healthy beside it is taken.

The short form has 5,000 payloads, FAULTS=long 100,000. A failing run prints how to repeat it.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from dataclasses import replace as changed
from random import Random
from time import perf_counter

import httpx
import pytest
from prometheus_client import REGISTRY

from events.envelope import IdentifierRef
from infra.attempts import Attempts
from infra.consent.unsubscribing import Unsubscribing
from infra.process.heart import Heart
from infra.quarantine.codes import DEFECTS
from infra.workspace import open_workspace
from services.gateway.app import create_app
from services.workers.intake import Taker, settle
from tests.support.doors import CONNECTORS, Entrance, entrances, messages
from tests.support.faults.running import LONG, SEED
from tests.support.folding import fold
from tests.support.mutating import HEALTHY, Payload, mutated, renamed
from tests.support.sending import email, item, phone, send

PAYLOADS = 100_000 if LONG else 5_000
SENDERS = 12
"""Who send at once."""
AFTER_SIGNING = 1 / 6
"""Of the payloads are changed on the way, so that their signature is another's."""
TAKEN, TURNED_AWAY = {200, 204}, {400, 401, 403, 404, 413, 415}
VERDICTS = ("accepted", "duplicate", "refused", "quarantined")
ANSWERING = ("gateway", "segment", "cloudevents")
"""Doors whose samples are all good, and whose answers say what was accepted."""
COUNTED = ("touchstone_received_total", "touchstone_verdicts_total")
WAYS = "ways"
DOORS = ("gateway", "segment", "cloudevents", "connectors", "unsubscribe", "intake")


@dataclass
class Book:
    """What the senders saw: statuses, what each way of mutating came to, what the answers say was received."""

    statuses: Counter[int] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    untold: Counter[str] = field(default_factory=Counter)
    """Calls whose answer, as the vendor wants it, does not say how much was received."""

    def note(self, door: str, answer: httpx.Response) -> None:
        """Count an answer. A call without a key, or to no address, was never received."""
        self.sent[door] += 1
        self.statuses[answer.status_code] += 1
        told = _told(answer)
        if "received" in told:
            self.received[door] += told["received"]
        elif answer.status_code in TAKEN and door == "connectors":
            self.untold[door] += 1
        elif told.get("code") not in ("no_key", "no_such_door"):
            self.received[door] += 1


@pytest.fixture
def workspace(settings, clock, tmp_path):
    """A workspace whose gateway knows a system of each kind."""
    path = tmp_path / "connectors.toml"
    path.write_text(CONNECTORS)
    opened = open_workspace(settings.model_copy(update={"connectors": path}), clock)
    yield opened
    opened.close()


@pytest.fixture
def tokens(workspace):
    """Tokens that say no for people who are known here."""
    refs = []
    for number in range(20):
        send(workspace, item(f"known {number}", phone(), email(f"ann{number}@example.com"), channel="chat"))
        draft = workspace.intake.read(
            json.dumps(item("x", email(f"ann{number}@example.com"))).encode(), workspace.clock.now()
        ).draft
        refs += [value.ref for value in draft.values]
    return [_token(workspace, one) for one in refs]


def test_a_storm_of_bad_input_kills_nothing_and_every_door_says_what_became_of_each(
    workspace, tokens, figures
):
    before, began = _counted(), perf_counter()
    book = asyncio.run(_storm(workspace, entrances(tokens[1:])))
    seconds, counted = perf_counter() - began, _since(before)
    figures |= {
        "seed": SEED,
        "payloads": sum(book.sent.values()),
        "seconds": round(seconds),
        "statuses": dict(book.statuses),
    }
    figures |= dict(counted)
    assert set(book.statuses) <= TAKEN | TURNED_AWAY
    for door, told in counted.items():
        assert told["received"] == sum(told[verdict] for verdict in VERDICTS), door
        assert told["accepted"], door
        assert told["refused"], door
        more = told["received"] - book.received[door]
        assert more >= 0 if book.untold[door] else more == 0, door
    assert [code for code in workspace.quarantine.counts() if code in DEFECTS] == []
    asyncio.run(_healthy(workspace, entrances(tokens[:1])))
    held = workspace.quarantine.counts()
    fold(workspace)
    assert workspace.quarantine.counts() == held, "what was accepted folds"


async def _storm(workspace, doors: list[Entrance]) -> Book:
    book, numbers = Book(), iter(range(PAYLOADS))
    topic, taker = messages(), _taker(workspace)

    async def senders(client: httpx.AsyncClient) -> None:
        for number in numbers:
            chance = Random(f"{SEED} {number}")
            if number % 8 == 0:
                payload, headers = chance.choice(topic)
                payload = mutated(_new(payload, chance), chance)
                named = [(name, mutated(Payload(value), chance).body if chance.random() < 0.1 else value)
                         for name, value in headers]  # fmt: skip
                await asyncio.to_thread(asyncio.run, settle(taker, f"0:{number}", payload.body, named))
                book.sent["intake"] += 1
                book.received["intake"] += 1
            else:
                door = chance.choice(doors)
                request = _request(door, chance)
                answer = await client.send(request)
                assert answer.status_code < 500, (number, door.path, answer.text)
                book.note(door.door, answer)
                if request.extensions[WAYS] == (HEALTHY,) and door.door in ANSWERING:
                    told = answer.json()
                    assert told["received"] == told["accepted"] + told["duplicates"], (
                        number,
                        door.path,
                        told,
                    )

    async with _client(workspace) as client, asyncio.TaskGroup() as group:
        for _ in range(SENDERS):
            group.create_task(senders(client))
    return book


def _request(door: Entrance, chance: Random) -> httpx.Request:
    """A call at this door with a mutated body; sometimes what is mutated is a header, or what was signed before."""
    sample = _new(chance.choice(door.samples), chance)
    told = mutated(sample, chance)
    if chance.random() < 0.1 and (names := [name for name in sample.headers if name.startswith("ce-")]):
        name = chance.choice(names)
        value = mutated(Payload(sample.headers[name].encode()), chance).body.decode(errors="replace")
        told = changed(told, headers={**told.headers, name: value[:60_000]}, ways=(*told.ways, "a header"))
    late = told.ways != (HEALTHY,) and chance.random() < AFTER_SIGNING
    request = door.request(told, sample.body if late else None)
    request.extensions[WAYS] = told.ways
    return request


def _new(sample: Payload, chance: Random) -> Payload:
    """Mostly something new; else it may be a repeat."""
    return changed(sample, body=renamed(sample.body, chance)) if chance.random() < 0.9 else sample


async def _healthy(workspace, doors: list[Entrance]) -> None:
    """Something healthy and new is accepted at every address."""
    async with _client(workspace) as client:
        for number, door in enumerate(doors):
            before = _counted()
            sample = door.samples[0]
            body = (
                sample.body
                if door.door == "unsubscribe"
                else renamed(sample.body, Random(f"healthy {number}"))
            )
            answer = await client.send(door.request(changed(sample, body=body)))
            assert answer.status_code in TAKEN, (door.path, answer.text)
            assert _since(before)[door.door]["accepted"] >= 1, (door.path, answer.text)
        assert (await client.get("/health/ready")).status_code == 200
    before = _counted()
    for number, (payload, headers) in enumerate(messages()):
        body, named = renamed(payload.body, Random(f"told {number}")), _renamed(headers, number)
        await asyncio.to_thread(asyncio.run, settle(_taker(workspace), f"1:{number}", body, named))
    assert _since(before)["intake"]["accepted"] == len(messages())


def _renamed(headers, number: int) -> list[tuple[str, bytes]]:
    return [(name, b"told-%d" % number if name == "ce_id" else value) for name, value in headers]


def _client(workspace) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(workspace), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://gateway", timeout=60)


def _taker(workspace) -> Taker:
    attempts = Attempts(workspace.settings.var / "intake.attempts")
    return Taker(workspace.door("intake"), workspace.clock, Heart(), attempts, "topic:intake")


def _token(workspace, ref: IdentifierRef) -> str:
    return Unsubscribing(workspace).token(ref, "email")


def _told(answer: httpx.Response) -> dict:
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _counted() -> dict[str, dict[str, int]]:
    """The doors' own counters."""
    counted = {door: dict.fromkeys(("received", *VERDICTS), 0) for door in DOORS}
    for metric in REGISTRY.restricted_registry(COUNTED).collect():
        for sample in metric.samples:
            if sample.name in COUNTED and (door := sample.labels["door"]) in counted:
                counted[door][sample.labels.get("verdict", "received")] = int(sample.value)
    return counted


def _since(before: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    now = _counted()
    return {
        door: {name: count - before[door][name] for name, count in told.items()} for door, told in now.items()
    }
