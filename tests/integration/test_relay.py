"""Journal to Kafka and back: every event, in order, under its customer's key, though processes and topics end."""

import asyncio
import json
import threading
import time
from collections import defaultdict
from itertools import pairwise

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from sqlalchemy import select, text

import infra.relay
from events.asyncapi import ALWAYS, HEADERS
from events.topics import events_topic, family_topic
from infra.feeds import KafkaFeed
from infra.messages import from_row, to_envelope
from infra.projector import Projector
from infra.relay import Relay
from infra.topics_admin import create_topics, topic_id
from models.errors import Unavailable
from models.projections.catalogue import projections
from models.tables.journal import COLUMNS, journal
from models.tables.readers import reader_position
from tests.support.clock import MONDAY
from tests.support.folding import fold
from tests.support.reading import count_in, read_topic
from tests.support.sending import account, email, item, phone, purchase, send
from tests.support.viewing import actual, expected, recorded


@pytest.fixture
def busy(workspace):
    """A workspace with something of every sort in its journal."""
    send(
        workspace, item("1", phone(), channel="voice", text="call me"), item("2", email(), channel="chat"),
        purchase("3", account(), at=MONDAY), item("4", {"kind": "cookie", "value": "c", "issuer": "web"}),
        item("5", channel="web"), item("6", phone(), email(), channel="store", direction="inbound"),
        item("7", type="opportunity.imported", origin="import", at=MONDAY, opportunity_id="o", subject="loan"),
        item("\u98de", phone(), cause="\u539f\u56e0", actor="\u738b"),
        *(purchase(f"many {n}", account(str(n % 7)), at=MONDAY) for n in range(60)),
    )  # fmt: skip
    return workspace


@pytest.fixture
def topics(kafka, busy):
    """The workspace's topics, made."""
    create_topics(kafka.bootstrap, busy.settings.topic_prefix)
    return events_topic(busy.settings.topic_prefix)


def journal_rows(workspace):
    with workspace.engine.connect() as connection:
        return connection.execute(
            select(*(journal.c[name] for name in COLUMNS)).order_by(journal.c.position)
        ).all()


def relay(workspace, kafka):
    return Relay(workspace.engine, kafka.bootstrap, workspace.settings.topic_prefix)


def send_all(workspace, kafka):
    one = relay(workspace, kafka)
    topics = one.topics()
    while one.step(topics):
        pass


def headers(message):
    return {name: value.decode() for name, value in message.headers()}


def sent_count(workspace):
    """Messages on the events topic: one an event, and a merge under both its customers' keys."""
    return sum(len(from_row(row).keys) for row in journal_rows(workspace))


def test_a_message_has_only_the_documented_headers_and_carries_the_whole_envelope(busy):
    for row, envelope in zip(journal_rows(busy), recorded(busy), strict=True):
        message = from_row(row)
        assert to_envelope(message.value, message.headers) == envelope
        said = {name: value.decode() for name, value in message.headers}
        assert set(ALWAYS) <= set(said) <= set(HEADERS)
        assert len(said) == len(message.headers)
        assert all(value for value in said.values())


def test_a_message_goes_under_the_customer_else_the_stream_else_the_identifier_else_its_own_id(busy):
    for row, envelope in zip(journal_rows(busy), recorded(busy), strict=True):
        key = from_row(row).keys[0].decode()
        assert key == (envelope.customer or envelope.stream or envelope.event_id)
    blocked = [*journal_rows(busy)[0]]
    blocked[COLUMNS.index("customer")] = None  # all its identifiers are blocked by now
    assert from_row(blocked).keys == (recorded(busy)[0].identifiers[0].hash.encode(),)


def test_every_event_is_on_the_topic_once_in_order_and_copied_for_its_family(kafka, busy, topics):
    send_all(busy, kafka)
    send_all(busy, kafka)  # nothing is new: nothing is sent
    messages = read_topic(kafka.bootstrap, topics, sent_count(busy))
    everything = {one.position: one for one in recorded(busy)}
    by_key, partition_of = defaultdict(list), defaultdict(set)
    for message in messages:
        position = int(headers(message)["ts_position"])
        assert to_envelope(message.value(), message.headers()) == everything[position]
        by_key[message.key()].append(position)
        partition_of[message.key()].add(message.partition())
    assert {position for found in by_key.values() for position in found} == set(everything)
    assert all(before < after for found in by_key.values() for before, after in pairwise(found))
    assert all(len(partitions) == 1 for partitions in partition_of.values())
    (merge,) = [one for one in everything.values() if one.type == "identity.merged"]
    under = {key.decode() for key, positions in by_key.items() if merge.position in positions}
    assert under == {merge.event.survivor, merge.event.absorbed}
    for family in ("touch", "identity", "purchase", "opportunity"):
        of_family = [one for one in everything.values() if one.type.startswith(family)]
        copies = read_topic(kafka.bootstrap, family_topic(busy.settings.topic_prefix, family), len(of_family))
        assert {headers(one)["ce_id"] for one in copies} == {one.event_id for one in of_family}


def test_no_personal_value_is_on_a_topic(kafka, busy, topics):
    send_all(busy, kafka)
    for message in read_topic(kafka.bootstrap, topics, sent_count(busy)):
        everything = message.value() + message.key() + json.dumps(headers(message)).encode()
        assert b"4155552671" not in everything
        assert b"call me" not in everything
        assert b"ann@example" not in everything


def test_a_relay_that_died_before_its_checkpoint_repeats_and_loses_nothing(kafka, busy, topics):
    send_all(busy, kafka)
    with busy.engine.begin() as connection:  # the checkpoint as it stood before the last commit
        connection.execute(text("UPDATE relay_checkpoint SET position = position - 20"))
    again = sum(len(from_row(row).keys) for row in journal_rows(busy)[-20:])
    send(busy, item("new", phone(), channel="voice"))
    send_all(busy, kafka)
    messages = read_topic(kafka.bootstrap, topics, sent_count(busy) + again)
    highest = defaultdict(int)
    for message in messages:
        position = int(headers(message)["ts_position"])
        highest[message.partition()] = max(highest[message.partition()], position)
    assert {int(headers(one)["ts_position"]) for one in messages} == {one.position for one in recorded(busy)}
    assert max(highest.values()) == busy.journal.head()


def test_what_is_read_while_much_is_under_way_keeps_its_order(kafka, busy, topics, monkeypatch):
    """Rows come few at a time and the producer has hardly any room: one step sends all, each once."""
    monkeypatch.setattr(infra.relay, "BATCH", 7)
    monkeypatch.setattr(infra.relay, "UNACKNOWLEDGED", 10)
    monkeypatch.setattr(infra.relay, "STEP_SECONDS", 60.0)  # a client's first request may take a second
    one = relay(busy, kafka)
    assert one.step(one.topics()) == busy.journal.head()
    expect_each_once(read_topic(kafka.bootstrap, topics, sent_count(busy)), recorded(busy))


def test_what_was_under_way_when_a_step_failed_is_sent_again_in_order(kafka, busy, topics, monkeypatch):
    """Some of it may be with the broker all the same: then it comes twice, and nothing before its time."""
    monkeypatch.setattr(infra.relay, "BATCH", 7)
    one, rows = relay(busy, kafka), iter(range(3))
    read = infra.relay._after
    with monkeypatch.context() as broken:
        broken.setattr(infra.relay, "_after", lambda *asked: read(*asked) if next(rows) < 2 else lost())
        with pytest.raises(Unavailable):
            one.step(one.topics())
    assert checkpoint(busy) == 0
    assert one.step(one.topics()) == busy.journal.head() == checkpoint(busy)
    highest, seen = defaultdict(int), set()
    for message in read_topic(kafka.bootstrap, topics, count_in(kafka.bootstrap, topics)):
        position, part = int(headers(message)["ts_position"]), message.partition()
        if (message.key(), position) not in seen:
            assert position >= highest[part]
            highest[part] = position
        seen.add((message.key(), position))
    assert len(seen) == sent_count(busy)


def lost():
    raise Unavailable("the database is gone")


def checkpoint(workspace):
    """Up to where the relay knows to have sent; 0 before its first step."""
    with workspace.engine.connect() as connection:
        return connection.execute(text("SELECT position FROM relay_checkpoint")).scalar() or 0


def expect_each_once(messages, wanted):
    """All of these events, each once under a key, in the journal's order on each partition."""
    places = [(one.partition(), int(headers(one)["ts_position"])) for one in messages]
    assert places == sorted(places)
    assert len({(one.key(), place) for one, place in zip(messages, places, strict=True)}) == len(messages)
    assert {position for _, position in places} == {one.position for one in wanted}


@pytest.mark.parametrize("family", ["", "touch"], ids=["the events", "a family"])
def test_a_topic_deleted_and_made_anew_is_filled_again_in_order_while_the_relay_runs(
    kafka, busy, topics, family
):
    topic = family_topic(busy.settings.topic_prefix, family) if family else topics
    send_all(busy, kafka)
    first, stop = topic_id(kafka.bootstrap, topic), threading.Event()
    running = threading.Thread(target=relay(busy, kafka).run, args=(stop,))
    running.start()
    try:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        admin.delete_topics([topic])[topic].result(30)
        remake(kafka, busy, topic)
        assert topic_id(kafka.bootstrap, topic) != first
        send(busy, item("sent before it is seen to be new", phone(), channel="voice"))
        wanted = [one for one in recorded(busy) if one.type.startswith(family)]
        count = len(wanted) if family else sent_count(busy)
        messages = until_filled(kafka, topic, count)
    finally:
        stop.set()
        running.join(60)
    expect_each_once(messages, wanted)


def until_filled(kafka, topic, count):
    """All that is on a topic, as soon as it is so much."""
    deadline = time.monotonic() + 60
    while counted(kafka, topic) != count:
        assert time.monotonic() < deadline, f"{topic} is not filled"
        time.sleep(0.1)
    return read_topic(kafka.bootstrap, topic, count)


def counted(kafka, topic):
    """How many messages a topic holds; None while a new partition has no leader yet."""
    try:
        return count_in(kafka.bootstrap, topic)
    except KafkaException:
        return None


def remake(kafka, workspace, topic):
    """Make what is missing; a broker takes a moment to forget a topic."""
    while topic not in create_topics(kafka.bootstrap, workspace.settings.topic_prefix):
        pass


def test_views_fed_by_kafka_are_the_same_as_views_fed_by_the_journal(kafka, busy, topics):
    send_all(busy, kafka)
    projector = Projector(busy.engine, projections(busy.rules), "over kafka")
    prefix, ends = busy.settings.topic_prefix, sent_count(busy)
    feed = KafkaFeed(kafka.bootstrap, topics, f"{prefix}.projector")

    async def until_done() -> None:
        seen = 0
        source = feed.batches(projector.claim)
        async for batches in source:
            await asyncio.to_thread(projector.fold, batches)
            seen += sum(len(one.envelopes) for one in batches)
            if seen >= ends:
                break
        await source.aclose()

    asyncio.run(asyncio.wait_for(until_done(), 60))
    everything = recorded(busy)
    over_kafka = actual(busy, everything)
    with busy.engine.connect() as connection:
        offsets = connection.execute(select(reader_position.c.offset)).scalars()
        assert sum(offsets) == ends
    fold(busy)  # the journal's own feed tells nothing new
    assert over_kafka == actual(busy, everything) == expected(busy, everything)
