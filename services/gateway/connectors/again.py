"""Telling anew what could not be told: parts in quarantine, after their mapping was mended."""

from collections.abc import Mapping

from msgspec import Struct

from infra.intake import Pending, Rejected
from infra.quarantine.replay import DOOR
from infra.quarantine.store import Held
from infra.raw_body import NewBody, RawBodies
from infra.workspace import Workspace
from services.gateway.connectors.connector import UNREAD, Connector, Instance, Part, parts_of
from services.gateway.connectors.telling import events_of

CHUNK = 500


class ToldAgain(Struct, frozen=True, kw_only=True):
    """What became of the parts: tried = told + held."""

    tried: int = 0
    told: int = 0
    held: int = 0


def tell_again(workspace: Workspace, instances: Mapping[str, tuple[Connector, Instance]]) -> ToldAgain:
    """Try every part of these instances that is held. Stopping it halfway and starting it anew is harmless.

    Its events are read as at its arrival and known from then on, and cause nothing. Raises `Unavailable`.
    """
    tried = told = after = 0
    while entries := workspace.quarantine.open_entries(after=after, limit=CHUNK):
        after = entries[-1].id
        for entry in entries:
            if entry.source in instances:
                tried += 1
                told += _tell(workspace, entry, *instances[entry.source])
    return ToldAgain(tried=tried, told=told, held=tried - told)


def _tell(workspace: Workspace, entry: Held, connector: Connector, instance: Instance) -> bool:
    part = _part(entry, connector, instance)
    found = events_of(part, connector, instance, workspace.intake, entry.received_at)
    if isinstance(found, Rejected):
        return False
    body = NewBody(instance.name, part.key, part.raw, entry.received_at)
    RawBodies(workspace.engine, workspace.vault).keep([body])
    read = [workspace.intake.read(one, entry.received_at) for one in found]
    pending = [_as_history(one, entry) for one in read if isinstance(one, Pending)]
    answers = workspace.door(DOOR).settle(pending, workspace.clock.now())
    if any(answer.verdict == "quarantined" for answer in answers):
        return False
    workspace.quarantine.settle(entry.id, "accepted", workspace.clock.now())
    return True


def _part(entry: Held, connector: Connector, instance: Instance) -> Part:
    """Its key stands, unless it had none: then the mended mapping may give it one."""
    if entry.source_id.startswith(UNREAD):
        parts = parts_of(entry.raw, "", connector, instance)
        if len(parts) == 1:
            return parts[0]
    return Part(entry.source_id, entry.raw)


def _as_history(pending: Pending, entry: Held) -> Pending:
    if pending.draft.origin == "live":
        pending.draft.known_at = entry.received_at
    pending.draft.origin = "replay"
    return pending
