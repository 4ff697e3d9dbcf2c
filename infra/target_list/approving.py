"""Approval of a list by a second person, where its definition asks for it."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from events.target_list import TargetListApproved, TargetListPublished
from infra.target_list.drawing import draw
from infra.target_list.rows import is_live
from infra.workspace import Workspace
from models.errors import Refused
from models.ports import By, Write

Approval = Literal["not_needed", "waiting", "approved"]


class Approved(Struct, frozen=True, kw_only=True):
    """Who approved a list, and when."""

    by: str
    at: datetime


def approve(workspace: Workspace, list_id: str, by: str) -> Approved:
    """Let a list be pulled; a repeat changes nothing, and the first approval stands.

    Raises `Refused`: `list.unknown`, `list.no_approval_needed`, `list.second_person` where `by` is who asked for the
    list, `Conflict` where somebody else approves at the same time.
    """
    by = by.strip()
    if not by or len(by) > 200:
        raise Refused("list.second_person", "say who approves, in at most 200 letters")
    stream = f"target_list-{list_id}"
    history = workspace.log.stream(stream)
    published = next((one.event for one in history if isinstance(one.event, TargetListPublished)), None)
    if published is None:
        raise Refused("list.unknown", "no list has this id")
    if "approval" not in published.definition:
        raise Refused(
            "list.no_approval_needed", "this list's definition asks for no approval: it can be pulled"
        )
    if (known := _approved(workspace, list_id)) is not None:
        _draw(workspace, published, known.at)
        return known
    if by.casefold() == published.definition["asked_by"].strip().casefold():
        raise Refused(
            "list.second_person", "who asked for a list cannot approve it: somebody else must look at it"
        )
    now = workspace.clock.now()
    who = By(source=f"target_list:{list_id}", source_id="approved", actor=by)
    write = Write(
        stream=stream, expected=len(history), events=[(TargetListApproved(list_id=list_id, by=by), now)]
    )
    workspace.log.record(who, [write])
    _draw(workspace, published, now)
    return Approved(by=by, at=now)


def _draw(workspace: Workspace, published: TargetListPublished, at: datetime) -> None:
    """From its approval on a list can be pulled: then its draw begins to count. One of the past never does."""
    if is_live(workspace, published.list_id):
        draw(workspace, published, at)


def approval(workspace: Workspace, published: TargetListPublished) -> Approval:
    """Whether a list waits for somebody."""
    if "approval" not in published.definition:
        return "not_needed"
    return "approved" if _approved(workspace, published.list_id) else "waiting"


def require_approval(workspace: Workspace, published: TargetListPublished) -> None:
    """Raises `Refused` (`list.not_approved`) for a list that nobody may pull yet."""
    if approval(workspace, published) == "waiting":
        raise Refused(
            "list.not_approved",
            f"a second person must approve this list first: touchstone list approve {published.list_id} --by NAME",
        )


def _approved(workspace: Workspace, list_id: str) -> Approved | None:
    for one in workspace.log.stream(f"target_list-{list_id}"):
        if isinstance(one.event, TargetListApproved):
            return Approved(by=one.event.by, at=one.occurred_at)
    return None
