"""Registers of people who do not want to be called: each number is a withdrawal, whoever's it turns out to be."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from events.vocabulary import Channel, Purpose
from infra.workspace import Workspace

DOOR = "do_not_call"
BATCH = 1_000
BASIS = "do_not_call_register"


def take_register(
    workspace: Workspace, numbers: Iterable[str], register: str, channel: Channel = "voice",
    purpose: Purpose | None = None,
) -> Iterator[Counter[str]]:  # fmt: skip
    """Record a register, a batch at a time; what became of each batch's numbers, by verdict.

    The same number of the same register is recorded once, however often the register is taken. A number
    that nobody has shown yet is known from then on: whoever shows it later is not called. Raises `Unavailable`.
    """
    door = workspace.door(DOOR)
    seen = iter(numbers)
    while batch := list(islice(seen, BATCH)):
        answers = door.receive([_item(workspace, one, register, channel, purpose) for one in batch])
        yield Counter(answer.verdict for answer in answers)


def _item(
    workspace: Workspace, number: str, register: str, channel: Channel, purpose: Purpose | None
) -> bytes:
    """Named by the number's keyed hash: a bare number would say whose it is in the journal."""
    digits = "".join(one for one in number if one.isdigit())
    name = workspace.matcher.content(
        digits.encode(), register.encode(), channel.encode(), str(purpose).encode()
    )
    data = {"channel": channel, "basis": BASIS, "proof": register} | ({"purpose": purpose} if purpose else {})
    return msgspec.json.encode({
        "type": "consent.withdrawn", "source": f"register:{hashlib.sha256(register.encode()).hexdigest()[:16]}",
        "source_id": name.hex(), "identifiers": [{"kind": "phone", "value": number}], "data": data,
    })  # fmt: skip
