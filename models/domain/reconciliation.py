"""A switch's own report of a day against our journal: contact by contact, and in sums."""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from models.domain.conversation import Conversation

Disposition = Literal["answered", "abandoned", "other"]
NOT_THERE = "-"
_SLACK = {"offered": 0, "answered": 0, "abandoned": 0, "wait": 1, "talk": 1}
"""Contacts are counted, seconds are measured."""


class Call(Struct, frozen=True, kw_only=True):
    """What is compared of a contact; None is not said. Times are seconds."""

    contact: str
    queue: str | None = None
    agent: str | None = None
    wait: float | None = None
    talk: float | None = None
    disposition: str | None = None


class Sums(Struct, frozen=True, kw_only=True):
    """A queue's day. None is not said. Times are seconds, summed."""

    offered: int | None = None
    answered: int | None = None
    abandoned: int | None = None
    wait: float | None = None
    talk: float | None = None


class Difference(Struct, frozen=True, kw_only=True):
    """One thing on which the two do not agree. `of` is the contact or the queue, and empty for all queues.

    `what` is the field; of a contact that one side does not have it is `missing here` or `missing there`.
    """

    of: str
    what: str
    here: str = NOT_THERE
    there: str = NOT_THERE


class Reconciled(Struct, frozen=True, kw_only=True):
    """What comparing gave: how many agreed, what did not, and the sums of both sides by queue (empty: all)."""

    agree: int
    differences: tuple[Difference, ...]
    here: Mapping[str, Sums]
    there: Mapping[str, Sums]


def call_of(contact: Conversation, name: str) -> Call:
    """Our side of a contact: its first queue, whoever answered last, and the sums over its legs."""
    queues = [leg.queue for leg in contact.legs if leg.queue]
    agents = [leg.agent for leg in contact.legs if leg.answered_at is not None and leg.agent]
    return Call(
        contact=name, queue=queues[0] if queues else "", agent=agents[-1] if agents else "",
        wait=contact.seconds("wait"), talk=contact.seconds("talk"), disposition=disposition(contact),
    )  # fmt: skip


def disposition(contact: Conversation) -> Disposition:
    """Was it answered by a person, given up by the customer, or neither?"""
    if contact.answered:
        return "answered"
    last = contact.legs[-1].ended if contact.legs else ""
    return "abandoned" if contact.outcome == "abandoned" or last == "abandoned" else "other"


def by_contact(here: Mapping[str, Call], there: Mapping[str, Call], *, tolerance: float = 0.0) -> Reconciled:
    """Contact by contact. Fields that the report does not have are not compared; seconds may differ by `tolerance`."""
    differences, agree = list[Difference](), 0
    for name in sorted(here.keys() | there.keys()):
        if name not in there:
            differences.append(Difference(of=name, what="missing there"))
        elif name not in here:
            differences.append(Difference(of=name, what="missing here"))
        else:
            found = _fields(name, here[name], there[name], tolerance)
            differences += found
            agree += not found
    return Reconciled(agree=agree, differences=tuple(differences), here=sums(here), there=sums(there))


def by_queue(here: Mapping[str, Call], there: Mapping[str, Sums], *, tolerance: float = 0.0) -> Reconciled:
    """Queue by queue, where the report has no more than sums: of seconds, each contact may add `tolerance`."""
    ours, differences, agree = sums(here), list[Difference](), 0
    theirs = dict(there)
    theirs.setdefault("", _add(theirs.values()))
    for queue in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(queue, _sum([])), theirs.get(queue)
        if other is None:
            differences.append(Difference(of=queue, what="missing there", here=_shown(mine.offered)))
            continue
        found = [
            Difference(
                of=queue, what=name, here=_shown(getattr(mine, name)), there=_shown(getattr(other, name))
            )
            for name, may_differ in _SLACK.items()
            if not _alike(
                getattr(mine, name), getattr(other, name), may_differ * tolerance * (mine.offered or 0)
            )
        ]
        differences += found
        agree += not found
    return Reconciled(agree=agree, differences=tuple(differences), here=ours, there=theirs)


def sums(calls: Mapping[str, Call]) -> dict[str, Sums]:
    """Offered, answered, abandoned, waited and talked: by queue, and under the empty name of all."""
    queues: dict[str, list[Call]] = {"": list(calls.values())}
    for call in calls.values():
        if call.queue:
            queues.setdefault(call.queue, []).append(call)
    return {queue: _sum(found) for queue, found in queues.items()}


def _sum(calls: list[Call]) -> Sums:
    return Sums(
        offered=len(calls), answered=sum(call.disposition == "answered" for call in calls),
        abandoned=sum(call.disposition == "abandoned" for call in calls),
        wait=sum(call.wait or 0.0 for call in calls), talk=sum(call.talk or 0.0 for call in calls),
    )  # fmt: skip


def _add(parts: Iterable[Sums]) -> Sums:
    found: dict[str, float | None] = {}
    for one in parts:
        for name in Sums.__struct_fields__:
            if (value := getattr(one, name)) is not None:
                found[name] = (found.get(name) or 0) + value
    return msgspec.convert(found, Sums)


def _fields(name: str, here: Call, there: Call, tolerance: float) -> list[Difference]:
    return [
        Difference(
            of=name, what=field, here=_shown(getattr(here, field)), there=_shown(getattr(there, field))
        )
        for field in ("queue", "agent", "wait", "talk", "disposition")
        if not _alike(getattr(here, field), getattr(there, field), tolerance)
    ]


def _alike(here: object, there: object, tolerance: float) -> bool:
    if there is None:
        return True
    if isinstance(here, (int, float)) and isinstance(there, (int, float)):
        return abs(here - there) <= tolerance
    return here == there


def _shown(value: object) -> str:
    if value is None:
        return NOT_THERE
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
