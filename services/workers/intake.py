"""The Kafka door: an agent that records what other systems put on the intake topic: items, or CloudEvents."""

from collections.abc import Mapping, Sequence, Set
from functools import partial
from typing import Any

import faust
import structlog
from faust.types import TP

from events.topics import intake_topic
from infra import cloud_event_in, tracing
from infra.attempts import MOST, Attempts
from infra.clock import Clock
from infra.door import Door
from infra.intake import Rejected
from infra.logs import described
from infra.process.heart import Heart
from infra.process.stuck import StuckWatch
from infra.telemetry import code_label
from infra.workspace import Workspace
from models.errors import Unavailable
from services.workers import loops

log = structlog.get_logger()
NAME = "intake"

Headers = Sequence[tuple[str, bytes]]


def install(app: faust.App, workspace: Workspace, heart: Heart) -> None:
    """Add the agent to the worker, and a watch over its consumer."""
    settings = workspace.settings
    name = intake_topic(settings.topic_prefix)
    topic = app.topic(
        name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", internal=False
    )
    watch = StuckWatch(settings.kafka_bootstrap, name, app.conf.id, "")
    watch.start()
    attempts = loops.attempts(workspace, NAME)
    taker = Taker(workspace.door(NAME), workspace.clock, heart, attempts, f"topic:{name}")

    async def assigned(_: Any, parts: Set[TP], **__: Any) -> None:
        numbers = [one.partition for one in parts]
        places = await loops.patiently(partial(watch.reads_from_committed, numbers))
        taker.done_before(places)

    async def revoked(*_: Any, **__: Any) -> None:
        watch.gives_back()

    app.on_partitions_assigned.connect(assigned)  # type: ignore[arg-type]
    app.on_partitions_revoked.connect(revoked)

    @app.agent(topic, name=NAME)
    async def intake(stream: faust.StreamT[bytes]) -> None:
        """Faust acks a message even when we raise, so each ending is decided here."""
        async for event in stream.events():
            watch.works(True)
            place = f"{event.message.partition}:{event.message.offset}"
            await settle(taker, place, event.message.value or b"", _pairs(event.message.headers))
            watch.went_on(event.message.partition, event.message.offset + 1)
            watch.works(False)


class Taker:
    """Gives messages their verdicts. On a topic no sender keeps what is refused, so it is quarantined too;
    and so is what fails by a defect of ours, or what hung until the parent had killed three times.
    """

    def __init__(self, door: Door, clock: Clock, heart: Heart, attempts: Attempts, source: str) -> None:
        self._door, self._clock, self._heart, self._attempts = door, clock, heart, attempts
        self._source = source
        """Of a message that does not say its own, so that whoever sent it can be found by its place."""

    def take(self, place: str, message: bytes, headers: Headers = ()) -> None:
        """Take one message in; its headers tell a CloudEvent. Raises `Unavailable`; then nothing was done."""
        event = cloud_event_in.of_message(message, headers)
        if self._attempts.counts().get(place, 0) >= MOST:  # kept: until faust commits, it may come again
            self._hold(place, event or message, "hung", "taking it in did not come to an end")
        else:
            self._receive(
                place, event or message, tracing.of_headers(headers), is_cloud_event=event is not None
            )

    def done_before(self, places: Mapping[int, int]) -> None:
        """Forget the attempts of what lies before these offsets: it never comes again."""
        tried = {one: tuple(map(int, one.split(":"))) for one in self._attempts.counts()}
        self._attempts.forget([one for one, (part, at) in tried.items() if at < places.get(part, 0)])

    def _receive(self, place: str, message: bytes, trace: str | None, *, is_cloud_event: bool) -> None:
        self._heart.handle(place)
        try:
            now = self._clock.now()
            with tracing.span("receive", trace):
                read = self._door.read(
                    [cloud_event_in.translate(message) if is_cloud_event else message], now
                )
            if is_cloud_event:
                read = [cloud_event_in.in_their_terms(one, message) for one in read]
            if isinstance(read[0], Rejected) and not read[0].source:
                read[0].source, read[0].source_id = self._source, place
            self._heart.wait()
            (answer,) = self._door.settle(read, now)
        except Unavailable:
            raise
        except Exception as error:
            log.error("failed", loop=NAME, place=place, **described(error))
            self._hold(
                place, message, "failed", "taking it in failed; it can be replayed when that is mended"
            )
            return
        finally:
            self._heart.rest()
        if answer.verdict == "refused":
            self._hold(place, message, answer.code, answer.detail, answer.path)
        if answer.verdict not in ("accepted", "duplicate"):
            log.warning("not taken", verdict=answer.verdict, code=code_label(answer.code), place=place)

    def _hold(self, place: str, message: bytes, code: str, detail: str, path: str = "$") -> None:
        self._door.hold(Rejected(code, path, detail, message, self._source, place))


def _pairs(headers: Any) -> Headers:
    """Headers as faust has them, a list or a mapping; one without a value says nothing."""
    found = headers.items() if isinstance(headers, Mapping) else headers or ()
    return tuple((name, value) for name, value in found if value is not None)


async def settle(taker: Taker, place: str, message: bytes, headers: Headers = ()) -> None:
    """Give a message its verdict; while the journal does not answer, wait with it in hand."""
    await loops.patiently(partial(taker.take, place, message, headers))
