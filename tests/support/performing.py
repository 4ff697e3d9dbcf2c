"""Performing drawn acts on a real journal, each time with people of its own."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any

import msgspec

from infra.workspace import Workspace
from models.domain import opportunity
from models.domain.opportunity import ReopenOpportunity, StageOpportunity, WinOpportunity
from models.errors import Refused
from models.handling import handle
from models.ports import By
from tests.support.histories import BEGIN, Act
from tests.support.sending import item, send

_runs = count(1)


class Performance:
    """One run of acts in a workspace: names carry the run's number, so that no two runs share a person."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self._run, self._done = workspace, next(_runs), 0
        self._sent: dict[int, dict[str, Any]] = {}
        self._ids: dict[int, str] = {}
        self.began_at = workspace.journal.head()

    def perform(self, acts: Sequence[Act]) -> None:
        """Do them one after the other; what a rule refuses is not done."""
        for act in acts:
            self._one(self._done, act)
            self._done += 1

    def _one(self, number: int, act: Act) -> None:
        match act:
            case Act("send", item=drawn):
                self._send(number, self._own(number, drawn))
            case Act("repeat", on) if on in self._sent:
                self._send(number, self._sent[on])
            case Act("correct" | "move" | "retract" as kind, on) if on in self._ids:
                self._send(number, self._righting(number, kind, self._ids[on]))
            case Act("stage" | "win" | "reopen" as kind, on):
                self._decide(number, kind, f"{self._run}-{'xy'[on]}")

    def _own(self, number: int, drawn: dict[str, Any]) -> dict[str, Any]:
        data = drawn["data"]
        for name in ("opportunity_id", "contact_id"):
            if name in data:
                data = {**data, name: f"{self._run}-{data[name]}"}
        refs = [{**ref, "value": self._name(ref)} for ref in drawn["identifiers"]]
        return {**drawn, "data": data, "identifiers": refs, "source_id": f"{self._run}-{number}"}

    def _name(self, ref: dict[str, str]) -> str:
        if ref["kind"] == "phone":
            return f"+1415{2_000_000 + 10 * self._run + int(ref['value'][-1])}"
        return f"{self._run}.{ref['value']}"

    def _righting(self, number: int, kind: str, touch: str) -> dict[str, Any]:
        source_id = f"{self._run}-{number}"
        if kind == "retract":
            return item(source_id, type="touch.retracted", at=BEGIN, touch_id=touch, why="wrong record")
        if kind == "correct":
            return item(
                source_id, type="touch.corrected", at=BEGIN, touch_id=touch, reason="other", channel="chat"
            )
        moved = (BEGIN + timedelta(hours=37 * number)).isoformat()
        return item(source_id, type="touch.corrected", at=BEGIN, touch_id=touch, occurred_at=moved)

    def _send(self, number: int, one: dict[str, Any]) -> None:
        (answer,) = send(self._workspace, one)
        if answer.verdict == "accepted":
            self._sent[number], self._ids[number] = one, answer.event_id

    def _decide(self, number: int, kind: str, one: str) -> None:
        now = BEGIN + timedelta(days=301 + number)
        command: Any = {
            "stage": StageOpportunity(opportunity_id=one, now=now, stage="proposal"),
            "win": WinOpportunity(opportunity_id=one, now=now),
            "reopen": ReopenOpportunity(opportunity_id=one, now=now),
        }[kind]
        by = By(source="person", source_id=f"{self._run}-{number}", actor="ann", origin="replay")
        decider = opportunity.decider(self._workspace.rules.opportunity)
        with suppress(Refused):
            handle(self._workspace.log, decider, f"opportunity-{one}", command, by)


def decoded(row: Any) -> Any:
    """A row as it comes back from its table."""
    return msgspec.json.decode(msgspec.json.encode(row), type=type(row))
