"""Everything that readers can ask, in words that two installations share: no ids, no positions."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from random import Random
from typing import Any

import msgspec

from events.prediction import ChurnScored
from infra.target_list.building import build
from infra.target_list.rows import frozen
from infra.views import Views
from infra.workspace import Workspace
from models.domain.target_list import Part
from models.errors import Refused
from models.ports import By, Write
from services.api.customer_answer import answer
from tests.support.disorder import Name
from tests.support.folding import rows
from tests.support.viewing import recorded

BY_ARRIVAL = {"since"}
"""Of an identifier. The touch that arrives first links it, and need not be the one that happened first."""

PARTS: tuple[Part, ...] = ("member", "holdout", "beyond", "suppressed")
MODEL = "churn:test"
Reading = dict[str, Any]


class Readings:
    """Asks a workspace whose views are up to date. `names` are hashes of identifiers, and what tests call them."""

    def __init__(self, workspace: Workspace, names: Mapping[str, Name]) -> None:
        self._workspace = workspace
        self._views = Views(workspace.engine, workspace.rules, workspace.settings.zone)
        self._customers = {
            customer: "+".join(sorted(names[one.hash] for one in row.identifiers))
            for customer, row in rows(workspace, "customer_360").items()
        }
        self._words = {**names, **self._customers}
        self._learn_events()

    def views(self, at: datetime) -> Reading:
        """What a GET of each customer answers, and their timeline, leaf by leaf."""
        return dict(_leaves({name: self._view(one, at) for one, name in self._customers.items()}))

    def lists(self, at: datetime, seed: int) -> Reading:
        """Everybody is scored (the same seed says the same of the same people), then every row of each list."""
        self._score(at, seed)
        self._learn_events()
        return dict(_leaves({purpose: self._list(purpose, at) for purpose in ("retention", "win_back")}))

    def _view(self, customer: str, at: datetime) -> Reading:
        view = self._views.customer(customer, at)
        assert view is not None
        zone = self._workspace.settings.zone
        found: Reading = answer(
            view, {}, at=at, as_of=None, known_at=None, zone=zone, during=None
        ).model_dump()
        return self._said({
            **found, "identity": _identity(found["identity"]), "lifecycle": _cycle(found["lifecycle"]),
            "timeline": self._timeline(customer),
        })  # fmt: skip

    def _timeline(self, customer: str) -> list[Reading]:
        """Without places in the journal. Entries of one instant come as they arrived: here by their names."""
        found = self._views.timeline(customer, wanted=lambda entry: True, limit=10_000)
        entries = [{**_plain(one), "position": None} for one in found]
        return sorted(entries, key=lambda one: (one["occurred_at"], self._words[one["event_id"]]))

    def _score(self, at: datetime, seed: int) -> None:
        drawn = [(Random(f"{seed} {name}").random(), name, one) for one, name in self._customers.items()]
        self._workspace.log.record_batch([
            (
                By(source=MODEL, source_id=customer, actor="test", origin="replay", customer=customer),
                [Write(stream="", expected=0, events=[(ChurnScored(
                    run="run", artifact="churn-1", as_of=at, horizon_days=180, probability=round(number, 3),
                    rank=rank, of=len(drawn),
                ), at)])],
            )
            for rank, (number, _, customer) in enumerate(sorted(drawn, reverse=True), start=1)
        ])  # fmt: skip

    def _list(self, purpose: str, at: datetime) -> Any:
        try:
            built = build(self._workspace, purpose, as_of=at)
        except Refused as refused:
            return refused.code
        with self._workspace.engine.connect() as connection:
            return self._said([_plain(row) for _, row in frozen(connection, built.list_id, PARTS)])

    def _learn_events(self) -> None:
        for one in recorded(self._workspace):
            said = self._customers[one.customer] if one.source == MODEL else one.source_id
            self._words[one.event_id] = f"{one.type} {said}"

    def _said(self, value: Any) -> Any:
        match value:
            case dict():
                return {self._said(key): self._said(one) for key, one in value.items()}
            case list() | tuple():
                return [self._said(one) for one in value]
            case str():
                return self._words.get(value, value)
        return value


def _identity(found: Reading) -> Reading:
    """Who was ever taken for another is about records, and so about arrival."""
    held = [
        {name: value for name, value in one.items() if name not in BY_ARRIVAL} for one in found["identifiers"]
    ]
    return {
        **found,
        "absorbed": None,
        "identifiers": sorted(held, key=lambda one: (one["kind"], one["issuer"])),
    }


def _cycle(found: Reading | None) -> Reading | None:
    """Who did nothing yet but show an identifier is known since that: see `BY_ARRIVAL`."""
    if found is None:
        return None
    log = [one for one in found["log"] if one["stage"] != "identified"]
    return {**found, "log": log} if log else {"stage": found["stage"], "log": log}


def _plain(row: Any) -> Reading:
    found: Reading = msgspec.json.decode(msgspec.json.encode(row))
    return found


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if value and isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(one, f"{path}.{key}")
    elif value and isinstance(value, list):
        for number, one in enumerate(value):
            yield from _leaves(one, f"{path}.{number}")
    else:
        yield path, value
