"""Plays a story into a workspace, through the doors that everybody uses; the relay carries it to the topics."""

import time
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import text

from events import registry
from events.customer import CustomerErased
from events.envelope import Event
from events.topics import events_topic
from infra.database import unavailable
from infra.identity.desk import IdentityDesk
from infra.ids import new_id
from infra.intake import InboundIdentifier
from infra.workspace import Workspace
from models.domain.identity_decision import Merge, Unmerge
from models.domain.identity_decision import Split as SplitOff
from models.errors import Conflict
from models.ports import By, Write
from services.sandbox.world import (
    SOURCE,
    Decided,
    Erased,
    Joined,
    Parted,
    Repeated,
    Sent,
    Split,
    Step,
    story,
)

Say = Callable[[str], None]
ACTOR = "sandbox"
TRIES = 3


class NotPlayed(Exception):
    """The workspace did not take a step of the story; the text says which and why."""


class Player:
    """Plays rounds into a workspace. `pause` is the seconds between two steps; `say` tells what happens."""

    def __init__(self, workspace: Workspace, pause: float = 0.0, say: Say = lambda _: None) -> None:
        self._workspace, self._pause, self._say = workspace, pause, say
        self._desk = IdentityDesk(workspace)
        self._door = workspace.door(SOURCE)
        self._people: dict[str, str] = {}

    def play(self, number: str) -> dict[str, str]:
        """Play one round; name → customer of the people in it. Raises `NotPlayed`, `Unavailable`."""
        self._people = {}
        for count, step in enumerate(story(number, self._workspace.clock.now())):
            self._take(step, f"{number}:step-{count}")
            if self._pause:
                time.sleep(self._pause)
        return dict(self._people)

    def _take(self, step: Step, source_id: str) -> None:
        match step:
            case Sent():
                self._send(step)
            case Decided(who=who, event=event):
                self._record(event, self._people.get(who, ""), source_id)
                self._say(event.WIRE)
            case Joined(who=who, other=other):
                ids = (self._people[who], self._people[other])
                self._give(Merge(customer=ids[0], other=ids[1]), source_id)
            case Parted(who=who, other=other):
                older, younger = sorted((self._people[who], self._people[other]))  # by when they came
                self._give(Unmerge(customer=older, restored=younger, why="two people"), source_id)
            case Split(who=who, other=other, identifier=identifier):
                ref = self._workspace.intake.identify([InboundIdentifier(**identifier)])[0].ref
                restored = new_id()
                split = SplitOff(
                    customer=self._people[who], restored=restored, identifiers=(ref,), why="the brother's"
                )
                self._give(split, source_id)
                self._people[other] = restored
            case Erased(who=who):
                erased = CustomerErased(customer=self._people[who], asked_by="customer")
                self._record(erased, self._people[who], source_id)
                self._say(erased.WIRE)
            case Repeated(events=events):
                self._send_again(events)

    def _send(self, step: Sent) -> None:
        (answer,) = self._door.receive([msgspec.json.encode(step.item)])
        if answer.verdict not in ("accepted", "duplicate"):
            raise NotPlayed(f"{step.item['type']}: {answer.verdict}, {answer.code}: {answer.detail}")
        if step.who and answer.verdict == "accepted":
            self._people.setdefault(step.who, answer.customer)
        self._say(f"{step.item['type']} of {step.who or 'nobody'}: {answer.verdict}")

    def _record(self, event: Event, customer: str, source_id: str) -> None:
        stream, now = registry.of(event).stream(event), self._workspace.clock.now()
        by = By(source=SOURCE, source_id=source_id, actor=ACTOR, customer=customer)
        for tried in range(TRIES):  # a policy may record on the same stream just now
            revision = len(self._workspace.log.stream(stream)) if stream else 0
            try:
                self._workspace.log.record(
                    by, [Write(stream=stream, expected=revision, events=[(event, now)])]
                )
                return
            except Conflict:
                if tried == TRIES - 1:
                    raise

    def _give(self, command: Merge | Unmerge | SplitOff, source_id: str) -> None:
        recorded: Sequence[Event] = self._desk.give(
            command, By(source=SOURCE, source_id=source_id, actor=ACTOR)
        )
        self._say(", ".join(event.WIRE for event in recorded) or "was so already")

    def _send_again(self, events: int) -> None:
        """The relay's mark goes back, as if it had crashed before it was moved."""
        topic = events_topic(self._workspace.settings.topic_prefix)
        with unavailable(), self._workspace.engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE relay_checkpoint SET position = greatest(0, position - :events) WHERE topic = :topic"
                ),
                {"events": events, "topic": topic},
            )
        self._say(f"the last {events} events come again on the topics")
