"""Journal → receivers: in order for each, at least once, and none waits for another."""

import asyncio
import random
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import structlog
from prometheus_client import Counter

from infra.clock import Clock
from infra.cloud_event import CloudEvent
from infra.journal.page import wanted
from infra.journal.tail import Tail
from infra.logs import described
from infra.process.heart import Heart
from infra.webhooks import patience, signing
from infra.webhooks.patience import Trouble
from infra.webhooks.posting import GONE, SECONDS, Answer, Post
from infra.webhooks.turns import Turn, Turns
from models.errors import Refused, Unavailable

log = structlog.get_logger()
T = TypeVar("T")
OUTCOMES = ("taken", "refused", "silent", "gone")
ATTEMPTS = Counter(
    "touchstone_webhook_attempts_total", "Requests to webhooks, by what became of them", ["outcome"]
)
ENDED = Counter("touchstone_webhooks_disabled_total", "Webhooks that were given up after a day, or are gone")
LOOK_SECONDS = 2.0
"""Between two looks which webhooks there are."""
WAIT_SECONDS = 1.0
STEP_SECONDS = 0.2
AT_ONCE = 100
NOTE_SECONDS = 5.0
"""So often it is noted how far the journal was read without finding anything to send."""


class _Lost(Exception):
    """The webhook is not ours any more: deleted, disabled, or somebody else's."""


class Sender:
    """Sends for all webhooks whose turns it holds. One instance a process; run in one event loop."""

    def __init__(
        self,
        turns: Turns,
        tail: Tail,
        post: Post,
        clock: Clock,
        prefix: str,
        heart: Heart | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._turns, self._tail, self._post, self._clock, self._prefix = turns, tail, post, clock, prefix
        self._chance = chance
        self._heart = heart or Heart()
        self._held: dict[str, Turn] = {}
        self._looked = self._until = 0.0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        for outcome in OUTCOMES:
            ATTEMPTS.labels(outcome)

    async def run(self) -> None:
        """Go on until cancelled; then give back what is held."""
        try:
            while True:
                try:
                    await self._look()
                except Unavailable as error:
                    log.warning("waiting", why=str(error))
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            await self._post.close()
            try:
                self._turns.release()
            except Unavailable as error:
                log.warning("not given back", why=str(error))

    async def _look(self) -> None:
        """Which webhooks are ours now: one task for each, and none for any other."""
        asked = time.monotonic()
        with self._heart.asking():
            held, self._until = await asyncio.to_thread(self._turns.hold)
        self._held, self._looked = {one.id: one for one in held}, asked
        for id in [id for id, task in self._tasks.items() if id not in self._held or task.done()]:
            self._tasks.pop(id).cancel()
        for id in self._held.keys() - self._tasks.keys():
            self._tasks[id] = asyncio.create_task(self._guarded(id), name=f"webhook {id}")

    async def _guarded(self, id: str) -> None:
        """What goes wrong with one keeps no other; it begins again with the next look."""
        try:
            await self._serve(id)
        except _Lost:
            log.info("webhook ended", webhook=id)
        except (Unavailable, Refused) as error:
            log.warning("waiting", webhook=id, why=str(error))
        except Exception as error:
            log.error("webhook failed", webhook=id, **described(error))

    async def _serve(self, id: str) -> None:
        turn = self._held[id]
        asked, place, noted = wanted(self._prefix, turn.topics, turn.types), turn.position, turn.position
        trouble, noted_at, wait = turn.trouble, 0.0, 0.0
        while True:
            page = await self._tail.page(asked, place, AT_ONCE, wait)
            for event in page.events:
                await self._deliver(id, event, trouble)
                trouble, noted, noted_at = None, event.position, time.monotonic()
            place, wait = page.next, NOTE_SECONDS
            if place > noted and (not page.end or time.monotonic() - noted_at >= NOTE_SECONDS):
                await self._note(partial(self._turns.passed, id, place))
                noted, noted_at = place, time.monotonic()

    async def _deliver(self, id: str, event: CloudEvent, trouble: Trouble | None) -> None:
        """Send until it is taken. Raises `_Lost` where it is not ours to send any more."""
        began = 0.0
        while True:
            await self._pause(id, trouble, began)
            answer = await self._attempt(id, event)
            now, began = self._clock.now(), time.monotonic()
            if answer.taken:
                await self._note(partial(self._turns.taken, id, event.position, now, answer.says))
                return
            asked = patience.asked_to_wait(answer.retry_after, now) if answer.retry_after else None
            trouble = patience.after_failure(trouble, now, self._chance(), asked)
            if answer.status == GONE:
                await self._give_up(id, "the receiver says that it is gone (410)", answer)
            elif trouble is None:
                await self._give_up(id, f"it took nothing for a day; at last: {answer.says}", answer)
            else:
                log.info("webhook not taken", webhook=id, attempts=trouble.attempts, why=answer.says)
                await self._note(partial(self._turns.failed, id, trouble, now, answer.says))

    async def _attempt(self, id: str, event: CloudEvent) -> Answer:
        """One request, within a turn that lasts as long as the request may."""
        secrets = await self._asked(partial(self._turns.secrets, id))
        while time.monotonic() + SECONDS + WAIT_SECONDS > self._until:
            await asyncio.sleep(STEP_SECONDS)
            secrets = await self._asked(partial(self._turns.secrets, id))
        turn = self._held.get(id)
        if turn is None or not secrets:
            raise _Lost
        headers = {
            "content-type": "application/cloudevents+json; charset=utf-8", "user-agent": "Touchstone-Webhooks/1",
            **signing.signed(secrets, event.event_id, event.body, self._clock.now()),
        }  # fmt: skip
        answer = await self._post.send(turn.url, headers, event.body)
        outcome = "gone" if answer.status == GONE else "refused" if answer.status else "silent"
        ATTEMPTS.labels("taken" if answer.taken else outcome).inc()
        return answer

    async def _pause(self, id: str, trouble: Trouble | None, since: float) -> None:
        """Wait until it may be tried again; no longer once somebody has enabled it anew."""
        while trouble is not None and self._clock.now() < trouble.next_at:
            await asyncio.sleep(STEP_SECONDS)
            turn = self._held.get(id)
            if turn is None:
                raise _Lost
            if turn.trouble is None and self._looked > since:
                return

    async def _give_up(self, id: str, why: str, answer: Answer) -> None:
        now = self._clock.now()
        await self._note(partial(self._turns.disable, id, why, now, answer.says))
        ENDED.inc()
        log.warning("webhook disabled", webhook=id, why=why)
        raise _Lost

    async def _note(self, note: Callable[[], bool]) -> None:
        """What was sent is noted, however long the database is away: else it would be sent again.

        Raises `_Lost` where it is not ours to note.
        """
        if not await self._asked(note):
            raise _Lost

    @staticmethod
    async def _asked(ask: Callable[[], T]) -> T:
        """What a database says, however long it is away."""
        while True:
            try:
                return await asyncio.to_thread(ask)
            except Unavailable as error:
                log.warning("waiting", why=str(error))
                await asyncio.sleep(WAIT_SECONDS)
