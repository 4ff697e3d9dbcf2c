"""After a mapping was mended: stored bodies are told anew, and what they tell otherwise is recorded, as history."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from events import registry
from events.envelope import Envelope
from events.touch import TouchRetracted
from infra.database import unavailable
from infra.identity import store as identity_store
from infra.intake import Pending, Rejected
from infra.item import Accepted, Item
from infra.raw_body import RawBodies, RawBody, belongs_to
from infra.told_events import MARK, REMAP, told_events
from infra.workspace import Workspace
from services.gateway.connectors.connector import Connector, Instance
from services.gateway.connectors.remap import Remapped, remap

GROUPS = 200
"""Calls, messages or persons whose bodies are told together."""
SHOWN = 50

Kind = Literal["missing", "differs", "no_longer_told", "unreadable", "unsure"]
_MARKED = re.compile(f"(?P<id>.*?){MARK}", re.DOTALL)


class Difference(Struct, frozen=True):
    """One event on which bodies and journal do not agree, or a body that can't be told any more.

    `unsure`: nothing tells it any more, but whether its own body is still there can't be said, or another
    body of the same call can't be read. It is left alone.
    """

    source_id: str
    kind: Kind


class Mended(Struct, kw_only=True):
    """What was found, and what was done about it. `shown` are the first differences."""

    bodies: int = 0
    events: int = 0
    found: dict[Kind, int] = {}
    shown: list[Difference] = msgspec.field(default_factory=list)
    recorded: int = 0
    taken_back: int = 0
    failed: int = 0


class Standing(Struct, frozen=True):
    """What the journal holds under an id: the event that stands, if one does, and how often it was told anew."""

    event: Envelope | None
    number: int


def standing(events: Iterable[Envelope]) -> dict[str, Standing]:
    """What stands by the vendor's own ids, after earlier runs took events back and recorded others."""
    found: dict[str, Standing] = {}
    for one in sorted(events, key=lambda event: event.position):
        marked = _MARKED.fullmatch(one.source_id) if one.actor == REMAP else None
        name = marked["id"] if marked else one.source_id
        number = int(one.source_id.rpartition("~")[2]) if marked else 0
        before = found.get(name, Standing(None, 0))
        number = max(number, before.number)
        found[name] = Standing(None if isinstance(one.event, TouchRetracted) and marked else one, number)
    return found


def mend(
    workspace: Workspace, connector: Connector, instance: Instance, *, since: datetime | None = None,
    record: bool = False, told: Callable[[int], None] = lambda bodies: None,
) -> Mended:  # fmt: skip
    """Tell an instance's bodies anew and compare; with `record`, take back what is wrong and record what is right.

    Stopping it halfway and starting it anew is harmless: what was mended agrees. An event whose body was
    forgotten stands. Raises `Unavailable`.
    """
    bodies, report, kinds, after = RawBodies(workspace.engine, workspace.vault), Mended(), Counter[Kind](), ""
    with told_events(workspace.engine, instance.name) as find:
        while groups := bodies.groups(instance.name, after=after, since=since, limit=GROUPS):
            after = groups[-1]
            page, stands = bodies.of(instance.name, groups), standing(find(groups))
            recorded = {name: one.event for name, one in stands.items() if one.event is not None}
            different = remap(
                ((one.key, one.raw) for one in page), recorded, connector, instance, workspace.intake.identify
            )
            differences = [(one, _kind(one, recorded, page, different)) for one in different]
            report.bodies += len(page)
            report.events += len(recorded)
            kinds.update(kind for _, kind in differences)
            room = SHOWN - len(report.shown)
            report.shown += [Difference(one.source_id, kind) for one, kind in differences[:room]]
            if record:
                _record(workspace, instance, differences, page, stands, report)
            told(report.bodies)
    report.found = dict(kinds)
    return report


def _kind(
    one: Remapped, recorded: Mapping[str, Envelope], page: Sequence[RawBody], different: Sequence[Remapped]
) -> Kind:
    before = recorded.get(one.source_id)
    if before is not None and registry.of(before.event).family not in ("touch", "contact"):
        return (
            "unsure"  # only what was reported can be taken back; a consent has a word of its own against it
        )
    if one.difference != "no_longer_told":
        return one.difference
    group = belongs_to(one.source_id)
    unread = any(
        other.difference == "unreadable" and belongs_to(other.source_id) == group for other in different
    )
    return "no_longer_told" if not unread and _body_of(one.source_id, page) else "unsure"


def _body_of(source_id: str, page: Sequence[RawBody]) -> RawBody | None:
    """The body whose key an event's id begins with."""
    return next((one for one in page if source_id == one.key or source_id.startswith(f"{one.key}/")), None)


def _record(
    workspace: Workspace, instance: Instance, differences: Sequence[tuple[Remapped, Kind]],
    page: Sequence[RawBody], stands: Mapping[str, Standing], report: Mended,
) -> None:  # fmt: skip
    """An item a difference: the wrong event goes and the right one comes, both or neither."""
    now, items = workspace.clock.now(), list[list[Pending]]()
    for one, kind in differences:
        before = stands.get(one.source_id, Standing(None, 0))
        number, parts = before.number + 1, list[Pending | Rejected]()
        if before.event is not None and kind in ("differs", "no_longer_told"):
            parts.append(_taken_back(workspace, instance, one.source_id, before.event, number, now))
        if kind in ("differs", "missing"):
            parts.append(_told(workspace, one, before, page))
        pending = [part for part in parts if isinstance(part, Pending)]
        if len(pending) < len(parts):
            report.failed += 1
        elif pending:
            items.append(pending)
    for verdict, item in zip(workspace.journal.append(_sealed(workspace, items)), items, strict=True):
        if isinstance(verdict, Accepted):
            backs = sum(isinstance(part.event, TouchRetracted) for part in item)
            report.taken_back += backs
            report.recorded += len(item) - backs
        else:
            report.failed += 1


def _taken_back(
    workspace: Workspace, instance: Instance, source_id: str, wrong: Envelope, number: int, now: datetime
) -> Pending | Rejected:
    data = {"touch_id": wrong.event_id, "why": "a mended mapping tells it otherwise"}
    item = {"type": TouchRetracted.WIRE, "source": instance.name, "source_id": source_id, "data": data}
    pending = workspace.intake.read(msgspec.json.encode(item), now)
    if isinstance(pending, Pending):
        _as_history(pending, f"{source_id}~retracted~{number}", wrong.event_id)
    return pending


def _told(
    workspace: Workspace, one: Remapped, before: Standing, page: Sequence[RawBody]
) -> Pending | Rejected:
    """The right event, read as at its body's arrival, and known from then on: or since the wrong one was."""
    group = belongs_to(one.source_id)
    body = _body_of(one.source_id, page) or next(body for body in page if belongs_to(body.key) == group)
    pending = workspace.intake.read(one.told, body.received_at)
    if isinstance(pending, Pending):
        again = before.event is not None or before.number > 0
        source_id = f"{one.source_id}~{before.number + 1}" if again else one.source_id
        if pending.draft.origin == "live":
            pending.draft.known_at = body.received_at
        if before.event is not None:
            pending.draft.known_at, pending.draft.known_assumed = (
                before.event.known_at,
                before.event.known_assumed,
            )
        _as_history(pending, source_id, before.event.event_id if before.event else "", mark=again)
    return pending


def _as_history(pending: Pending, source_id: str, cause: str, *, mark: bool = True) -> None:
    draft = pending.draft
    draft.source_id, draft.origin, draft.cause = source_id, "replay", cause
    if mark:
        draft.actor = REMAP


def _sealed(workspace: Workspace, items: Sequence[Sequence[Pending]]) -> list[Item]:
    flat = [part for item in items for part in item]
    keys = {value.ref.key for part in flat for value in part.draft.values}
    with unavailable(), workspace.engine.connect() as connection:
        unknown = identity_store.unknown(connection, keys)
    drafts = iter([one.drafts[0] for one in workspace.intake.seal(flat, unknown)])
    return [Item(tuple(next(drafts) for _ in item)) for item in items]
