"""One stretch of a contact: with one queue and, once it was answered, one agent or bot."""

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from models.domain.contact_part import Part

Ended = Literal[
    "", "hung_up", "abandoned", "transferred", "timeout", "key", "full", "callback", "voicemail", "unknown"
]
"""How a leg ended; empty while it lasts."""


class Leg(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A leg of a contact. Times are seconds."""

    began_at: datetime
    queue: str = ""
    agent: str = ""
    team: str = ""
    bot: bool = False
    queued: bool = False
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    ended: Ended = ""
    wait: float = 0.0
    ring: float = 0.0
    talk: float = 0.0
    hold: float = 0.0
    wrap_up: float = 0.0


def whole(part: Part) -> Leg:
    """The leg of a touch that tells a contact whole."""
    waited = part.wait or 0.0
    answered = part.talk is not None or bool(part.agent) or part.bot
    lasted = sum(one or 0.0 for one in (part.talk, part.hold))
    return Leg(
        began_at=part.at, queue=part.queue, agent=part.agent, team=part.team, bot=part.bot,
        queued=bool(part.queue), answered_at=part.at + timedelta(seconds=waited) if answered else None,
        ended_at=part.at + timedelta(seconds=waited + lasted),
        ended="hung_up" if answered else "abandoned", wait=waited, ring=part.ring or 0.0,
        talk=part.talk or 0.0, hold=part.hold or 0.0, wrap_up=part.wrap_up or 0.0,
    )  # fmt: skip


def between(begin: datetime, end: datetime) -> float:
    """Seconds from one to the other; none where they are the wrong way round."""
    return max(0.0, (end - begin).total_seconds())
