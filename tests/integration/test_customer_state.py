"""The compacted topic: where each customer stands, true at a position, behind the projector and never ahead of it."""

import json
from datetime import timedelta

import pytest
import typer
from jsonschema import Draft202012Validator
from sqlalchemy import text
from typer.testing import CliRunner

from events import customer_state, schema
from events.asyncapi import STATE_HEADERS
from events.customer import CustomerErased
from events.topics import events_topic, state_topic
from infra.customer_state.topic import StateTopic, place_of, refill
from infra.relay import Relay
from infra.topics_admin import create_topics
from models.ports import By, Write
from services.cli.commands import register
from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.folding import fold
from tests.support.reading import count_in, ends, read_topic
from tests.support.sending import account, email, item, phone, purchase, send
from tests.support.viewing import recorded

SCHEMA = Draft202012Validator(json.loads((schema.FOLDER / customer_state.FILE).read_text()))


class Topic:
    """The topic of one workspace, and its writer."""

    def __init__(self, workspace, kafka):
        self.workspace, self.bootstrap = workspace, kafka.bootstrap
        self.prefix = workspace.settings.topic_prefix
        create_topics(self.bootstrap, self.prefix)
        self.id = self.writer().topic()

    def writer(self):
        known = self.workspace
        return StateTopic(
            known.engine, self.bootstrap, self.prefix, known.rules, known.settings.zone, known.clock
        )

    def write(self):
        """Whatever waits; how many messages there are on the topic then."""
        writer = self.writer()
        while writer.step(self.id):
            pass
        return self.count()

    def count(self):
        return sum(ends(self.bootstrap, state_topic(self.prefix)).values())

    def messages(self):
        return read_topic(self.bootstrap, state_topic(self.prefix), self.count())

    def said(self):
        """Customer → their last document, None for a tombstone."""
        found = {}
        for message in self.messages():
            found[message.key().decode()] = json.loads(message.value()) if message.value() else None
        return found


@pytest.fixture
def topic(workspace, kafka):
    return Topic(workspace, kafka)


@pytest.fixture
def two(workspace):
    """Two customers of whom something is known."""
    one, other = send(
        workspace,
        purchase("1", account("1"), phone(), at=MONDAY - timedelta(days=90), amount="30"),
        purchase("2", account("2"), email(), at=MONDAY - timedelta(days=60), amount="50"),
    )
    send(
        workspace,
        item("3", account("1"), channel="voice", direction="inbound", text="my name is Ann"),
        item("4", account("1"), type="holding.started", holding_id="h", product="line"),
        item("5", account("2"), type="consent.granted", channel="email", purpose="retention", basis="consent",
             proof="Ann said so"),
        item("6", account("2"), type="case.imported", origin="import", at=MONDAY, case_id="c", kind="fault",
             reason="line.dead", status="open"),
        item("7", account("2"), type="opportunity.imported", origin="import", at=MONDAY, opportunity_id="o",
             subject="loan"),
    )  # fmt: skip
    return one.customer, other.customer


def test_a_customer_is_told_as_the_views_have_them_and_without_anything_personal(workspace, topic, two):
    fold(workspace)
    assert topic.write() == 2
    said, api = topic.said(), caller(workspace)
    for one in two:
        view, told = read(api, f"/v1/customers/{one}"), said[one]
        SCHEMA.validate(told)
        assert told["contacts_ever"] == view["contacts"]["ever"]
        assert [each["amount"] for each in told["value"]] == [each["amount"] for each in view["value"]]
        assert told["stage"]["stage"] == view["lifecycle"]["stage"]
        assert [each["case_id"] for each in told["open_cases"]] == [each["case_id"] for each in view["cases"]]
        theirs = [event.position for event in recorded(workspace) if event.customer == one]
        assert told["position"] == max(theirs)
    for message in topic.messages():
        headers = {name: value.decode() for name, value in message.headers()}
        assert headers.keys() == STATE_HEADERS.keys()
        assert headers["ce_subject"] == message.key().decode()
        for value in (b"Ann", b"ann@example", b"5552671", b"+1"):
            assert value not in message.value()


def test_a_key_lies_on_the_partition_of_its_events(workspace, topic, two):
    fold(workspace)
    topic.write()
    relay = Relay(workspace.engine, topic.bootstrap, topic.prefix)
    topics = relay.topics()
    while relay.step(topics):
        pass
    everything = events_topic(topic.prefix)
    events = read_topic(topic.bootstrap, everything, count_in(topic.bootstrap, everything))
    places = {message.key(): message.partition() for message in events}
    assert {message.partition() == places[message.key()] for message in topic.messages()} == {True}


def test_nothing_is_told_before_the_views_have_it(workspace, topic, two):
    assert topic.write() == 0
    fold(workspace)
    assert topic.write() == 2
    send(workspace, item("8", account("1"), channel="chat", direction="inbound"))
    assert topic.write() == 2
    fold(workspace)
    assert topic.write() == 3
    assert topic.write() == 3
    assert topic.said()[two[0]]["contacts_ever"] == 2


def test_whoever_is_in_the_projectors_hands_is_told_when_it_is_done(workspace, topic, two):
    """A later event of theirs is folded, an earlier one not yet: no position would be the truth."""
    fold(workspace)
    topic.write()
    sent = send(
        workspace,
        item("8", account("1"), channel="chat", direction="inbound"),
        item("9", account("2"), channel="chat", direction="inbound"),
        item("10", account("1"), channel="chat", direction="inbound"),
    )
    fold(workspace)
    at = {event.event_id: event.position for event in recorded(workspace)}
    first = at[sent[0].event_id]
    with workspace.engine.begin() as connection:
        connection.execute(text("DELETE FROM ledger WHERE position = :first"), {"first": first})
        connection.execute(text("UPDATE state_checkpoint SET filling = true"))
    topic.write()
    said = topic.said()
    assert said[two[0]]["position"] < first
    assert said[two[1]]["position"] == at[sent[1].event_id]
    with workspace.engine.begin() as connection:
        connection.execute(text("INSERT INTO ledger (position) VALUES (:first)"), {"first": first})
    topic.write()
    assert topic.said()[two[0]]["position"] == at[sent[2].event_id]


def test_merged_parted_split_and_erased_are_followed(workspace, topic, two):
    one, other = two
    api = caller(workspace)

    def decide(path, **body):
        assert api.post(path, json=body).status_code == 202
        fold(workspace)
        topic.write()
        return topic.said()

    said = decide(f"/v1/customers/{one}/merge", other=other)
    assert said[other] is None
    assert said[one]["absorbed"] == [other]
    assert sum(each["purchases"] for each in said[one]["value"]) == 2
    said = decide(f"/v1/customers/{one}/unmerge", why="two people")
    assert said[one]["absorbed"] == []
    assert [each["case_id"] for each in said[other]["open_cases"]] == ["c"]
    said = decide(f"/v1/customers/{one}/split", identifiers=[phone()], why="the brother's")
    (third,) = said.keys() - {one, other}
    assert said[third]["contacts_ever"] == 0
    erased = (CustomerErased(customer=other, asked_by="customer"), workspace.clock.now())
    by = By(source="test", source_id="erase", actor="test", customer=other)
    workspace.log.record(by, [Write(stream=f"customer-{other}", expected=0, events=[erased])])
    fold(workspace)
    topic.write()
    assert topic.said()[other] is None


def test_a_new_topic_is_filled_and_a_refill_says_the_same_again(workspace, topic, two):
    fold(workspace)
    assert topic.write() == 2
    before = topic.said()
    position, filling, head = place_of(workspace.engine, topic.prefix)
    assert (position, filling) == (head, False)
    assert refill(workspace.engine, topic.prefix)
    assert topic.write() == 4
    assert topic.said() == before
    topic.id = "another"  # as a topic that was deleted and made anew would say
    assert topic.write() == 6


def test_a_writer_that_fails_says_it_all_again(workspace, topic, two, monkeypatch):
    fold(workspace)
    writer = topic.writer()
    monkeypatch.setattr(writer, "_send", lambda _: (_ for _ in ()).throw(RuntimeError("killed")))
    with pytest.raises(RuntimeError):
        writer.step(topic.id)
    assert topic.write() == 2


def test_the_command_says_how_far_it_is_and_has_everybody_written_anew(workspace, topic, two, monkeypatch):
    app = typer.Typer()
    register(app)
    for name, value in (
        ("DATABASE_URL", workspace.settings.database_url), ("KAFKA_BOOTSTRAP", topic.bootstrap),
        ("TOUCHSTONE_TOPIC_PREFIX", topic.prefix), ("TOUCHSTONE_VAR", str(workspace.settings.var)),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    assert "nothing is written yet" in CliRunner().invoke(app, ["state"]).output
    fold(workspace)
    assert topic.write() == 2
    assert "0 events behind" in CliRunner().invoke(app, ["state"]).output
    assert "is being filled" in CliRunner().invoke(app, ["state", "--refill"]).output
    assert topic.write() == 4
