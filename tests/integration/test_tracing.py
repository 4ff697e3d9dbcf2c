"""A request's trace context goes with what it brought: into the journal, onto the topics, to what follows."""

import asyncio
from itertools import pairwise

import msgspec
import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import select, text

from events.asyncapi import HEADERS
from events.topics import events_topic, family_topic
from infra import tracing
from infra.messages import from_row
from infra.relay import Relay
from infra.topics_admin import create_topics
from models.tables.journal import WRITTEN, journal
from services.gateway.app import create_app
from tests.support.calling import caller
from tests.support.folding import fold, react, sweeper
from tests.support.reading import read_topic
from tests.support.sending import item, phone, send

KEY = {"Authorization": "Bearer test-key"}
ID = "0af7651916cd43dd8448eb211c80319c"
TRACE = f"00-{ID}-b7ad6b7169203331-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"

NO_TRACES = [
    "", "00", TRACE.upper(), TRACE + "-00", TRACE[:-1], TRACE.replace("00-", "ff-"), TRACE.replace("00-", "01-"),
    f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{ID}-{'0' * 16}-01", " " + TRACE, "+1 415 555 2671", TRACE + "\n",
]  # fmt: skip


@pytest.fixture
def gateway(workspace):
    with TestClient(create_app(workspace), headers=KEY, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def spans(monkeypatch):
    """What a collector gets to see while this test runs."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: provider)
    return kept


def traces(workspace):
    """Every event with the trace it came under, in the journal's order."""
    with workspace.engine.connect() as connection:
        rows = connection.execute(select(journal.c.type, journal.c.trace).order_by(journal.c.position))
        return [tuple(row) for row in rows]


def test_an_event_and_what_it_taught_of_identity_keep_the_trace_of_their_request(gateway, workspace):
    gateway.post("/v1/touches", json=[item("1", phone()), item("2")], headers={"traceparent": TRACE})
    gateway.post("/v1/touches", json=item("3"), headers={"traceparent": OTHER})
    gateway.post("/v1/touches", json=item("4"))
    assert traces(workspace) == [
        ("touch.recorded", TRACE), ("identity.linked", TRACE), ("touch.recorded", TRACE),
        ("touch.recorded", OTHER), ("touch.recorded", None),
    ]  # fmt: skip


def test_what_is_no_trace_context_is_not_kept(gateway, workspace):
    for number, given in enumerate(NO_TRACES):
        assert tracing.valid(given) is None, given
        header = {"traceparent": given.strip().encode()}
        assert gateway.post("/v1/touches", json=item(str(number)), headers=header).status_code == 200
    kept = {trace for _, trace in traces(workspace)}
    assert kept == {None, TRACE}  # two of them are one, once HTTP has taken the blanks away


def test_a_command_its_routing_by_policy_and_its_missed_clock_are_one_trace(workspace, clock):
    react(workspace)
    body = {"subject": "leased_line"}
    answer = caller(workspace).post("/v1/opportunities", json=body, headers={"traceparent": TRACE})
    assert answer.status_code == 202
    react(workspace)
    fold(workspace)
    clock.pass_time(days=2)
    sweeper(workspace).sweep(clock.now())
    assert traces(workspace) == [
        ("opportunity.captured", TRACE), ("opportunity.routed", TRACE), ("opportunity.follow_up_missed", TRACE),
    ]  # fmt: skip


def test_a_message_names_its_trace_only_if_there_is_one(gateway, workspace):
    gateway.post("/v1/touches", json=item("1"), headers={"traceparent": TRACE})
    send(workspace, item("2"))
    with workspace.engine.connect() as connection:
        rows = connection.execute(
            select(*(journal.c[name] for name in WRITTEN)).order_by(journal.c.position)
        ).all()
    traced, plain = (dict(from_row(row).headers) for row in rows)
    assert traced["traceparent"] == TRACE.encode()
    assert tracing.of_headers(list(traced.items())) == tracing.of_headers(traced) == TRACE
    assert "traceparent" not in plain
    assert tracing.of_headers(plain) is None
    assert traced.keys() <= HEADERS.keys()
    assert from_row(rows[0][: len(WRITTEN) - 1]) == from_row([*rows[0][:-1], None])


def test_the_events_topic_and_the_copy_of_the_family_carry_the_trace(kafka, gateway, workspace):
    prefix = workspace.settings.topic_prefix
    create_topics(kafka.bootstrap, prefix)
    gateway.post("/v1/touches", json=item("1"), headers={"traceparent": TRACE})
    relay = Relay(workspace.engine, kafka.bootstrap, prefix)
    assert relay.step(relay.topics()) == 1
    for topic in (events_topic(prefix), family_topic(prefix, "touch")):
        (message,) = read_topic(kafka.bootstrap, topic, 1)
        assert tracing.of_headers(message.headers()) == TRACE


def test_a_trace_is_carried_into_threads_and_ends_with_its_work():
    async def work():
        with tracing.span("receive", TRACE):
            return await asyncio.to_thread(tracing.current)

    assert asyncio.run(work()) == TRACE
    assert tracing.current() is None


def test_where_somebody_collects_each_piece_of_work_is_a_span_below_the_callers(gateway, workspace, spans):
    gateway.post("/v1/touches", json=item("1", phone()), headers={"traceparent": TRACE})
    append, receive = spans.get_finished_spans()
    assert (receive.name, append.name) == ("gateway", "append")
    assert f"{receive.parent.span_id:016x}" == "b7ad6b7169203331"
    assert receive.attributes["http.route"] == "/v1/touches"
    (link,) = append.links  # the commit is shared by many requests: it is linked, not below
    ours = f"00-{ID}-{receive.context.span_id:016x}-01"
    assert link.context.span_id == receive.context.span_id
    assert traces(workspace) == [("touch.recorded", ours), ("identity.linked", ours)]


def test_spans_repeat_nothing_of_a_request_nor_of_what_went_wrong(gateway, workspace, spans):
    secret = "4155552671"
    with workspace.engine.begin() as connection:
        connection.execute(text("ALTER TABLE identifier RENAME TO elsewhere"))
    answer = gateway.post(f"/v1/touches?phone={secret}", json=item("1", phone(secret), text=secret))
    assert answer.status_code == 500
    caller(workspace).get(f"/v1/customers?phone={secret}")
    gateway.get(f"/{secret}")
    told = [msgspec.json.decode(one.to_json()) for one in spans.get_finished_spans()]
    assert len(told) == 3
    assert secret not in repr(told)
    failed = told[0]
    assert failed["attributes"]["http.response.status_code"] == "500"


def test_a_span_says_which_kind_of_error_ended_it_and_no_more(spans):
    with pytest.raises(ValueError), tracing.span("fold", links=[TRACE, None, TRACE], events=3):
        raise ValueError("Ann Miller")
    (told,) = spans.get_finished_spans()
    assert (told.status.description, told.events, dict(told.attributes)) == ("ValueError", (), {"events": 3})
    assert [link.context.trace_id for link in told.links] == [int(ID, 16)]


def test_a_span_within_a_span_is_its_child(spans):
    seen = []
    with tracing.span("outer"):
        seen.append(tracing.current())
        with tracing.span("inner"):
            seen.append(tracing.current())
        seen.append(tracing.current())
    assert seen[0] == seen[2]
    assert all(before != after for before, after in pairwise(seen))
    inner, outer = spans.get_finished_spans()
    assert inner.parent.span_id == outer.context.span_id
