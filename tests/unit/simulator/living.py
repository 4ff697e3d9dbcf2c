"""A world, lived through and taken apart."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from services.simulator.secret import Assignment, Fate
from services.simulator.spec import Spec
from services.simulator.telling import Told
from services.simulator.world import world

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Lived:
    """Everything of a world: what was told, and the truth."""

    told: list[Told]
    items: list[dict[str, Any]]
    assignments: list[Assignment]
    fates: list[Fate]

    def of(self, type: str) -> list[dict[str, Any]]:
        return [item for item in self.items if item["type"] == type]


def live_through(spec: Spec) -> Lived:
    everything = list(world(spec))
    told = [one for one in everything if isinstance(one, Told)]
    return Lived(
        told,
        [msgspec.json.decode(one.body) for one in told],
        [one for one in everything if isinstance(one, Assignment)],
        [one for one in everything if isinstance(one, Fate)],
    )
