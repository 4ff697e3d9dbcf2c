"""Feeds: what a reader is given, though a claim fails, a topic is made anew, or two want the same."""

import asyncio
import time
from contextlib import aclosing, suppress

import pytest
from confluent_kafka.admin import AdminClient
from sqlalchemy import func, select

from events.topics import PARTITIONS, events_topic
from infra import feeds
from infra.feeds import KafkaFeed
from infra.process.heart import Heart
from infra.projector import READER
from infra.relay import Relay
from infra.topics_admin import create_topics, topic_id
from models.errors import Unavailable
from models.tables.readers import ledger, reader_position
from services.workers import loops
from tests.support.clock import MONDAY
from tests.support.sending import account, purchase, send

PATIENCE_SECONDS = 60


@pytest.fixture
def topic(kafka, workspace):
    """A topic with events of many customers on it."""
    send(workspace, *(purchase(str(number), account(str(number)), at=MONDAY) for number in range(60)))
    create_topics(kafka.bootstrap, workspace.settings.topic_prefix)
    name = events_topic(workspace.settings.topic_prefix)
    known(kafka, name)
    send_all(workspace, kafka)
    return name


def in_time(work):
    return asyncio.run(asyncio.wait_for(work, PATIENCE_SECONDS))


async def until(found):
    """Look again and again, while others get their turn."""
    while not await asyncio.to_thread(found):
        await asyncio.sleep(0.01)


async def positions(feed, claim, wanted):
    """The journal positions a feed tells, until there are as many as wanted."""
    seen = set()
    async with aclosing(feed.batches(claim)) as found:
        async for batches in found:
            seen |= {one.position for batch in batches for one in batch.envelopes}
            if len(seen) >= wanted:
                return seen
    return seen


async def endless(feed, claim, began):
    """Read for ever; `began` is set with the first batch."""
    async with aclosing(feed.batches(claim)) as found:
        async for _ in found:
            began.set()


def remake(kafka, workspace, topic):
    """Delete a topic and make it again; a broker takes a moment to forget."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.delete_topics([topic])[topic].result(30)
    while topic not in create_topics(kafka.bootstrap, workspace.settings.topic_prefix):
        pass


def send_all(workspace, kafka):
    relay = Relay(workspace.engine, kafka.bootstrap, workspace.settings.topic_prefix)
    topics = relay.topics()
    while relay.step(topics):
        pass


def known(kafka, topic):
    """The topic's id, once the broker knows it; it takes a moment."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return topic_id(kafka.bootstrap, topic)
        except Unavailable:
            assert time.monotonic() < deadline


def test_a_claim_that_failed_stops_the_reading_and_the_next_one_is_told_everything(kafka, workspace, topic):
    claims = []

    def claim(partition, identity):
        claims.append(partition)
        if len(claims) == 3:
            raise Unavailable("the database does not answer")
        return 0

    feed, everything = KafkaFeed(kafka.bootstrap, topic, f"{topic}.readers"), workspace.journal.head()
    with pytest.raises(Unavailable, match="the database does not answer"):
        in_time(positions(feed, claim, everything + 1))
    assert len(claims) == 3
    assert in_time(positions(feed, claim, everything)) == set(range(1, everything + 1))
    assert len(claims) == 3 + PARTITIONS


def test_a_defect_in_a_claim_is_raised_as_it_is(kafka, workspace, topic):
    def claim(partition, identity):
        raise ZeroDivisionError

    feed = KafkaFeed(kafka.bootstrap, topic, f"{topic}.readers")
    with pytest.raises(ZeroDivisionError):
        in_time(positions(feed, claim, 1))


def test_a_reader_hears_that_its_topic_was_made_anew(kafka, workspace, topic, monkeypatch):
    monkeypatch.setattr(feeds, "LOOK_SECONDS", 0.0)
    feed, identities = KafkaFeed(kafka.bootstrap, topic, f"{topic}.readers"), set()

    def claim(partition, identity):
        identities.add(identity)
        return 0

    async def read_while_it_is_made_anew():
        began = asyncio.Event()
        reading = asyncio.create_task(endless(feed, claim, began))
        await began.wait()
        await asyncio.to_thread(remake, kafka, workspace, topic)
        with pytest.raises(Unavailable):
            await reading

    before = known(kafka, topic)
    in_time(read_while_it_is_made_anew())
    assert identities == {before}
    now = known(kafka, topic)
    send_all(workspace, kafka)
    everything = workspace.journal.head()
    assert in_time(positions(feed, claim, everything)) == set(range(1, everything + 1))
    assert before != now
    assert identities == {before, now}


def test_a_rebalance_tells_too_that_the_topic_was_made_anew(kafka, workspace, topic, monkeypatch):
    monkeypatch.setattr(feeds, "LOOK_SECONDS", float("inf"))
    feed = KafkaFeed(kafka.bootstrap, topic, f"{topic}.readers")

    async def join():
        while True:
            with suppress(Unavailable):  # the broker does not know the new topic yet
                await endless(feed, lambda *_: 0, asyncio.Event())

    async def join_after_it_was_made_anew():
        began = asyncio.Event()
        reading = asyncio.create_task(endless(feed, lambda *_: 0, began))
        await began.wait()
        await asyncio.to_thread(remake, kafka, workspace, topic)
        joining = asyncio.create_task(join())
        with pytest.raises(Unavailable):
            await reading
        joining.cancel()

    in_time(join_after_it_was_made_anew())


def test_of_two_plain_workers_the_fenced_one_stands_by(workspace, monkeypatch):
    monkeypatch.setattr(loops, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(loops, "STANDBY_SECONDS", 3_600.0)

    def holder():
        with workspace.engine.connect() as connection:
            return connection.execute(
                select(reader_position.c.holder).where(reader_position.c.reader == READER)
            ).scalar()

    def folded():
        with workspace.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(ledger)).scalar_one()

    async def one_after_the_other():
        first = asyncio.create_task(loops.project(workspace, Heart()))
        await until(holder)
        before = holder()
        second = asyncio.create_task(loops.project(workspace, Heart()))
        await until(lambda: holder() != before)
        held = holder()
        for number in range(10):
            send(workspace, purchase(str(number), account(str(number)), at=MONDAY))
            await until(lambda: folded() == workspace.journal.head())
            assert holder() == held
        first.cancel()
        second.cancel()

    in_time(one_after_the_other())
