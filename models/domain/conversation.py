"""One contact out of its raw parts: legs, and how long it waited, rang, was talked, held and wrapped up.

Parts come in any order and more than once, and many sources know whole seconds only. So a contact keeps its parts
and is told anew from all of them, sorted by time and, at one instant, by what comes first in any conversation.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import Literal

import msgspec
from msgspec import Struct

from events.envelope import Envelope
from events.vocabulary import Channel, Direction
from models.domain.contact import converses
from models.domain.contact_leg import Leg, between, whole
from models.domain.contact_part import RANK, Part, contact_of, part_of, same

Spent = Literal["wait", "ring", "talk", "hold", "wrap_up"]
"""What the seconds of a contact are spent on."""


class Conversation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A contact: what it was about, how it went, leg by leg. `parts` are what it is told from."""

    contact_id: str
    started_at: datetime
    channel: Channel = "unknown"
    direction: Direction = "unknown"
    ended_at: datetime | None = None
    reason: str = ""
    outcome: str = "unknown"
    confirmed: bool | None = None
    outside: str = ""
    legs: tuple[Leg, ...] = ()
    messages: int = 0
    callback_at: datetime | None = None
    callback_asked: bool = False
    handed_to: str = ""
    parts: tuple[Part, ...] = ()

    def seconds(self, what: Spent) -> float:
        """The sum over all legs."""
        return sum(getattr(leg, what) for leg in self.legs)

    @property
    def answered(self) -> bool:
        """Did a person answer?"""
        return any(leg.answered_at is not None and not leg.bot for leg in self.legs)


STEPS = frozenset({"queued", "rang", "answered", "left_queue"})
"""Kinds of parts that tell a call step by step, whatever a record of it says as a whole."""


def fold(state: Conversation | None, envelope: Envelope) -> Conversation | None:
    """The contact after one more of its parts, in whatever order they come; None while none is known."""
    part = part_of(envelope)
    known = state.parts if state else ()
    if any(same(part, one) for one in known):
        return state
    parts = tuple(sorted((*known, part), key=lambda one: (one.at, RANK[one.kind], one.event_id)))
    return tell(contact_of(envelope), parts)


def tell(contact_id: str, parts: tuple[Part, ...]) -> Conversation:
    """The contact that these parts, in order, tell of."""
    teller = _Teller(by_steps=any(part.kind in STEPS for part in parts))
    for _, instant in groupby(parts, key=lambda part: part.at):
        together = list(instant)
        if teller.goes_on:  # what ends a leg comes before what begins the next at the same instant
            together.sort(key=lambda part: part.kind not in ("transferred", "left_queue"))
        for part in together:
            teller.take(part)
    return teller.told(contact_id, parts)


def counts(contact: Conversation) -> bool:
    """Is it a contact in the figures? A test call is not, nor a message that asks for no answer."""
    return not contact.outside and converses(contact.channel, contact.direction)


class _Teller:
    """Goes through the parts of one contact once."""

    def __init__(self, *, by_steps: bool) -> None:
        self.by_steps = by_steps
        self.legs: list[Leg] = []
        self.counted: dict[int, float] = {}
        self.direction: Direction | None = None
        self.said: dict[str, object] = {}
        self.first: datetime | None = None
        self.ended_at: datetime | None = None
        self.ringing: Part | None = None
        self.messages = 0

    @property
    def goes_on(self) -> bool:
        """Is there a leg that has not ended?"""
        return bool(self.legs) and not self.legs[-1].ended

    def take(self, part: Part) -> None:
        """Take the next part in."""
        self.first = self.first or part.at
        self._hear(part)
        if part.kind in ("queued", "answered"):
            self.ended_at = None  # it goes on after what seemed its end
        match part.kind:
            case "queued":
                self._begin(part, queued=True)
            case "rang":
                self._ring(part)
            case "answered":
                self._answer(part)
            case "held":
                self._last(part, hold=self._now(part).hold + (part.hold or 0.0))
            case "transferred":
                self._transfer(part)
            case "left_queue":
                self._end(part, part.how or "unknown")
            case "ended":
                self.ended_at = part.at
                if self.goes_on and self._passed_on(part):
                    self.legs.pop()
                elif self.legs:
                    self._end(part, "hung_up" if self.legs[-1].answered_at else "abandoned")
            case "wrapped_up":
                self._wrap_up(part)
            case "touch":
                self._touch(part)

    def _hear(self, part: Part) -> None:
        for name in ("channel", "reason", "outcome", "outside"):
            if (value := getattr(part, name)) not in ("", "unknown"):
                self.said[name] = value
        if part.direction != "unknown":
            if part.kind == "started" and self.direction is None:
                self.direction = part.direction  # whoever began it; each message of it has a way of its own
            self.said.setdefault("direction", part.direction)
        if part.confirmed is not None:
            self.said["confirmed"] = part.confirmed
        if part.kind == "callback_asked":
            self.said |= {"callback_asked": True, "callback_at": part.due_at}
        if part.kind == "handed_over":
            self.said["handed_to"] = part.to

    def _now(self, part: Part) -> Leg:
        """The leg that goes on; a part that comes out of nowhere begins one."""
        if not self.legs or self.legs[-1].ended:
            self.legs.append(Leg(began_at=part.at))
        return self.legs[-1]

    def _last(self, part: Part, **said: object) -> None:
        self.legs[-1] = msgspec.structs.replace(self._now(part), **said)

    def _begin(self, part: Part, *, queued: bool) -> None:
        """A transfer to somewhere begins a leg, and the queue there does not begin another."""
        now = self.legs[-1] if self.legs else None
        if now and not now.ended and now.answered_at is None and now.queue in ("", part.queue):
            self.legs[-1] = msgspec.structs.replace(now, queue=part.queue, queued=queued)
            return
        if now and not now.ended:
            self._end(part, "transferred")
        self.legs.append(Leg(began_at=part.at, queue=part.queue, queued=queued))

    def _transfer(self, part: Part) -> None:
        """A new leg; but not to the agent who has it already, or to whom it is on its way."""
        now = self.legs[-1] if self.goes_on else None
        on_its_way = now is not None and (now.answered_at is not None or now.queue == part.queue)
        if now and part.agent and now.agent == part.agent and on_its_way:
            return
        self._end(part, "transferred")
        self.legs.append(Leg(began_at=part.at, queue=part.queue, agent=part.agent, team=part.team,
                             queued=bool(part.queue)))  # fmt: skip

    def _passed_on(self, part: Part) -> bool:
        """Was it put through to where nobody tells us of it, and ended here at that instant?"""
        last = self.legs[-1]
        before = self.legs[-2] if len(self.legs) > 1 else None
        fresh = last.began_at == part.at and last.answered_at is None and not self.ringing
        return fresh and before is not None and before.ended == "transferred" and before.ended_at == part.at

    def _ring(self, part: Part) -> None:
        """Told with its seconds, it has rung; without, it begins to, until an answer, another ring or the leg's end."""
        if part.how == "given_up" and part.ring is None:
            if self.ringing and self.ringing.agent in ("", part.agent):
                self._rung(part)
            return
        now = self._now(part)
        if part.ring is not None:
            self._last(part, ring=now.ring + part.ring)
            return
        if now.bot and now.answered_at is not None:  # the program is done, whoever may answer now
            self._end(part, "transferred")
            self.legs.append(Leg(began_at=part.at))
        self._rung(part)
        self.ringing = part

    def _rung(self, part: Part) -> None:
        """What has rung until now belongs to a leg that waits for its answer."""
        if self.ringing and self.goes_on and self.legs[-1].answered_at is None:
            rang = self.legs[-1].ring + between(self.ringing.at, part.at)
            self.legs[-1] = msgspec.structs.replace(self.legs[-1], ring=rang)
        self.ringing = None

    def _answer(self, part: Part) -> None:
        now = self._now(part)
        if now.answered_at is not None:  # another agent took over without a word of a transfer
            if now.agent == part.agent and now.bot == part.bot:
                return
            rang = self.ringing if self.ringing and self.ringing.agent in ("", part.agent) else None
            begun = rang.at if rang else part.at
            self._end(msgspec.structs.replace(part, at=begun), "transferred")
            self.legs.append(Leg(began_at=begun))
            self.ringing = rang
        self._rung(part)
        now = self._now(part)
        waited = part.wait
        if waited is None:
            waited = between(now.began_at, part.at) if now.queued else now.ring
        self._last(part, answered_at=part.at, agent=part.agent or now.agent, team=part.team or now.team,
                   bot=part.bot, wait=waited)  # fmt: skip

    def _end(self, part: Part, how: str) -> None:
        if not self.legs or self.legs[-1].ended:
            return
        self._rung(part)
        now = self.legs[-1]
        said: dict[str, object] = {"ended_at": part.at, "ended": how}
        if now.answered_at is None:
            waited = part.wait if part.wait is not None else between(now.began_at, part.at)
            said["wait"] = waited if now.queued else max(now.wait, now.ring)
        else:
            before = sum(leg.talk for leg in self.legs[:-1])
            talked = between(now.answered_at, part.at) - now.hold
            said["talk"] = max(0.0, part.talk - before if part.talk is not None else talked)
            said["talk"] = self.counted.get(len(self.legs) - 1, said["talk"])
        self._last(part, **said)

    def _wrap_up(self, part: Part) -> None:
        """The work after the talk belongs to the agent that it names, else to whoever talked last."""
        answered = [at for at, leg in enumerate(self.legs) if leg.answered_at is not None]
        named = [at for at in answered if part.agent and self.legs[at].agent == part.agent]
        if not answered:
            return
        at = (named or answered)[-1]
        if part.wrap_up is not None:
            self.legs[at] = msgspec.structs.replace(self.legs[at], wrap_up=part.wrap_up)
        if part.talk is not None and named:
            self.counted[at] = part.talk
            if self.legs[at].ended:
                self.legs[at] = msgspec.structs.replace(self.legs[at], talk=part.talk)

    def _touch(self, part: Part) -> None:
        """A touch tells a contact whole, or is one message of it."""
        if part.said:
            self.messages += 1
        told = (part.queue, part.agent, part.wait, part.ring, part.talk, part.hold, part.wrap_up)
        if not any(one not in ("", None) for one in told) and not part.bot:
            return
        if self.by_steps and part.channel == "voice":
            return
        if any(leg.answered_at and leg.agent == part.agent for leg in self.legs) and part.talk is None:
            return
        self.legs.append(whole(part))

    def told(self, contact_id: str, parts: tuple[Part, ...]) -> Conversation:
        assert self.first is not None
        contact = Conversation(
            contact_id=contact_id, started_at=self.first, ended_at=self.ended_at, legs=tuple(self.legs),
            messages=self.messages, parts=parts,
        )  # fmt: skip
        told = self.said | ({"direction": self.direction} if self.direction else {})
        contact = msgspec.structs.replace(contact, **told)
        return msgspec.structs.replace(contact, outcome="abandoned") if _given_up(contact) else contact


def _given_up(contact: Conversation) -> bool:
    """Nobody says how it went, and it was over before any person answered: whoever called has hung up."""
    if contact.outcome != "unknown" or contact.direction == "outbound" or contact.ended_at is None:
        return False
    return bool(contact.legs) and contact.legs[-1].ended == "abandoned" and not contact.answered


def of(events: Iterable[Envelope]) -> dict[str, Conversation]:
    """The contacts that these events are parts of, by id."""
    found: dict[str, Conversation] = {}
    for envelope in events:
        if contact := contact_of(envelope):
            told = fold(found.get(contact), envelope)
            if told is not None:
                found[contact] = told
    return found
