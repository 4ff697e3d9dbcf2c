"""Which events there are: one entry a type, made by the `@event` decorator."""

from collections.abc import Callable
from typing import Literal, TypeVar, cast

import msgspec

from events.envelope import Event, EventMeta

E = TypeVar("E", bound=type[Event])
Door = Literal["touches", "facts", "none"]


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the contract.

    `door` is where outsiders would send it (either takes both); `none`: it is decided here. A decision
    has the `category` of its stream, and `key` is the field with the stream's id; a fact of no customer
    may have a `key` alone, which keeps its order on a topic. A decision with a door is the opening event
    of a stream, imported.
    """

    wire: str
    schema: int
    cls: type[Event]
    strict: type[Event]
    door: Door
    by: str
    category: str
    key: str

    @property
    def family(self) -> str:
        """The first part of the wire name; subscribers find a topic per family."""
        return self.wire.split(".", 1)[0].replace("_", "-")

    def stream(self, event: Event) -> str:
        """The stream an event of this type belongs to; empty for facts."""
        return f"{self.category}-{getattr(event, self.key)}" if self.category else ""


_BY_WIRE: dict[str, EventType] = {}


def event(
    wire: str, *, schema: int = 1, door: Door = "none", by: str, category: str = "", key: str = ""
) -> Callable[[E], E]:
    """Register an event class under its wire name, which is never reused.

    `by` says who records it, for the catalogue; the rest is as in `EventType`.
    """

    def register(cls: E) -> E:
        if wire in _BY_WIRE:
            raise ValueError(f"{wire} is registered twice")
        cls.WIRE, cls.SCHEMA = wire, schema
        strict = _strict(cls)
        _BY_WIRE[wire] = EventType(
            wire=wire, schema=schema, cls=cls, strict=strict, door=door, by=by, category=category,
            key=key,
        )  # fmt: skip
        return cls

    return register


def find(wire: str) -> EventType | None:
    """The entry of a wire name, or None where there is no such type."""
    if wire not in _BY_WIRE:
        _load()
    return _BY_WIRE.get(wire)


def all_types() -> list[EventType]:
    """Every registered type, by wire name."""
    _load()
    return [_BY_WIRE[wire] for wire in sorted(_BY_WIRE)]


def of(event: Event) -> EventType:
    """The entry of an event's own type."""
    return _BY_WIRE[event.WIRE]


def _strict(cls: E) -> E:
    """The twin that reads a sender's payload: the same fields, but unknown ones are refused."""
    namespace = {"__module__": cls.__module__, "__doc__": cls.__doc__}
    return cast(E, EventMeta(cls.__name__, (cls,), namespace, forbid_unknown_fields=True))


def _load() -> None:
    from events import catalogue  # noqa: F401  the modules register themselves, once
