"""The one path of every command: load, settle clocks, decide, append."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Generic, Protocol, TypeVar

import msgspec

from events.envelope import Envelope, Event
from models.errors import Conflict, Refused
from models.ports import By, Log, Write

TRIES = 3
S = TypeVar("S")


class Timed(Protocol):
    """A command knows the moment at which it is given."""

    @property
    def now(self) -> datetime:
        """That moment."""
        ...


C = TypeVar("C", bound=Timed)


@dataclass(frozen=True)
class Decider(Generic[S, C]):
    """The pure functions of one kind of stream, with its rules already applied."""

    initial: S
    evolve: Callable[[S, Envelope], S]
    decide: Callable[[S, C], list[Event]]
    settle: Callable[[S, datetime], list[tuple[Event, datetime]]]


def handle(log: Log, decider: Decider[S, C], stream: str, command: C, by: By) -> list[Event]:
    """Append what follows from a command as one item and return it; empty where nothing was new.

    Whose a decision is, its stream's opening event says. Raises `Refused` by rule, or where the source id
    was used for another stream; `Conflict` when the stream moved on three times; `Unavailable`.
    """
    for attempt in range(TRIES):
        history = log.stream(stream)
        if _given_before(history, by):
            return []
        happened = _happened(decider, history, command, by)
        if not happened:
            return []
        whose = msgspec.structs.replace(by, customer=history[0].customer) if history else by
        try:
            new = log.record(whose, [Write(stream=stream, expected=len(history), events=happened)])
        except Conflict:
            if attempt == TRIES - 1:
                raise
            continue
        if new:
            return [event for event, _ in happened]
        if not _given_before(log.stream(stream), by):
            raise Refused("id_used_before", "this id was given to another request: take a fresh one")
        return []
    raise AssertionError("a try returns or raises")


def _given_before(history: list[Envelope], by: By) -> bool:
    return any((e.source, e.source_id) == (by.source, by.source_id) for e in history)


def _happened(
    decider: Decider[S, C], history: list[Envelope], command: C, by: By
) -> list[tuple[Event, datetime]]:
    """Clocks first: what ran out is part of the state in which the command is judged."""
    state = reduce(decider.evolve, history, decider.initial)
    last = history[-1].occurred_at if history else command.now
    missed = [(event, max(at, last)) for event, at in decider.settle(state, command.now)]
    for event, at in missed:
        state = decider.evolve(state, _as_recorded(event, at, by))
    decided = decider.decide(state, command)
    return [*missed, *((event, max(command.now, last)) for event in decided)]


def _as_recorded(event: Event, at: datetime, by: By) -> Envelope:
    return Envelope(
        event=event, event_id="", position=0, occurred_at=at, known_at=at, recorded_at=at,
        source=by.source, source_id=by.source_id, origin=by.origin,
    )  # fmt: skip
