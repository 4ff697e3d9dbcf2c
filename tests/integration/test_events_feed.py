"""The journal for those without Kafka: every event once, in order, whenever and however it is asked for."""

import asyncio
import json
import threading
import time

import httpx
import pytest
from cloudevents.v1.http import from_json
from httpx_sse import connect_sse
from jsonschema import Draft202012Validator
from sqlalchemy import event, select

from infra.journal import page as journal_page
from infra.journal.page import Wanted, read_page
from infra.journal.tail import KEPT, Tail
from infra.messages import from_row, to_envelope
from infra.workspace import open_workspace
from models.errors import Refused
from models.tables.journal import WRITTEN, journal
from services.api import events_feed
from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.receiving import serving
from tests.support.sending import account, email, item, phone, purchase, send
from tests.support.viewing import recorded

KEY = {"Authorization": "Bearer test-key"}


@pytest.fixture
def busy(workspace):
    """A workspace with something of several families in its journal, a merge among it."""
    send(
        workspace, item("1", phone(), channel="voice", text="call me"), item("2", email(), channel="chat"),
        purchase("3", account(), at=MONDAY), item("4", phone(), email(), channel="store", direction="inbound"),
        item("5", type="opportunity.imported", origin="import", at=MONDAY, opportunity_id="o", subject="loan"),
        *(purchase(f"many {n}", account(str(n % 7)), at=MONDAY) for n in range(60)),
    )  # fmt: skip
    return workspace


@pytest.fixture
def api(busy):
    return caller(busy)


def rows(workspace):
    columns = [journal.c[name] for name in WRITTEN]
    with workspace.engine.connect() as connection:
        return connection.execute(select(*columns).order_by(journal.c.position)).all()


def messages(workspace):
    return [from_row(row) for row in rows(workspace)]


def positions(events):
    return [int(one["position"]) for one in events]


def walk(api, limit, **params):
    """Page by page to the end."""
    found, after = [], 0
    while True:
        page = read(api, "/v1/events", after=after, limit=limit, **params)
        found += page["events"]
        assert page["next"] > after or page["end_of_stream"]
        after = page["next"]
        if page["end_of_stream"]:
            return found, after


def attribute(header):
    """The name that a Kafka header's content has here."""
    return {"content-type": "datacontenttype"}.get(header, header[3:].replace("_", ""))


@pytest.mark.parametrize("limit", [1, 7, 500])
def test_page_by_page_it_is_the_whole_journal_with_what_a_kafka_message_has(api, busy, limit):
    found, cursor = walk(api, limit)
    sent = messages(busy)
    assert positions(found) == [one.position for one in sent] == list(range(1, len(sent) + 1))
    assert cursor == len(sent)
    for one, message in zip(found, sent, strict=True):
        said = {attribute(name): value.decode() for name, value in message.headers}
        assert one == said | {"data": json.loads(message.value), "partitionkey": message.keys[0].decode()}


def test_each_is_a_cloud_event_that_the_library_understands(api):
    for one in read(api, "/v1/events")["events"]:
        understood = from_json(json.dumps(one))
        assert understood["id"] == one["id"]
        assert understood.data == one["data"]
        assert all(name.isalnum() and name == name.lower() and len(name) <= 20 for name in one)


def test_a_merge_is_told_once_with_both_customers(api):
    found, _ = walk(api, 500, topic="identity")
    (merge,) = [one for one in found if one["type"] == "identity.merged"]
    assert merge["data"]["survivor"] == merge["customer"] != merge["data"]["absorbed"]


def test_a_family_is_read_alone_and_its_cursor_passes_over_the_others(api, busy):
    everything, end = walk(api, 500)
    prefix = busy.settings.topic_prefix
    for family in ("touch", "purchase", "opportunity", f"{prefix}.identity"):
        found, cursor = walk(api, 5, topic=family)
        wire = family.rpartition(".")[2]
        assert found == [one for one in everything if one["type"].split(".")[0] == wire]
        assert found
        assert cursor == end
    assert walk(api, 500, topic=f"{prefix}.events")[0] == everything
    page = read(api, "/v1/events", topic="target-list")
    assert page == {"events": [], "next": end, "end_of_stream": True}


def test_a_rare_family_is_found_however_little_is_looked_through_at_once(api, busy, monkeypatch):
    monkeypatch.setattr(journal_page, "WINDOW", 3)
    monkeypatch.setattr(journal_page, "SECONDS", 0.0)
    assert positions(walk(api, 500, topic="opportunity")[0]) == [
        one.position for one in messages(busy) if one.family == "opportunity"
    ]


def test_a_page_ends_where_it_is_large_enough(api, monkeypatch):
    monkeypatch.setattr(journal_page, "PAGE_BYTES", 1_000)
    monkeypatch.setattr(journal_page, "CHUNK", 2)
    everything = read(api, "/v1/events", after=0, limit=10_000)["events"]
    assert positions(everything) == [1, 2]
    assert len(walk(api, 10_000)[0]) > 60


def test_a_type_that_only_a_newer_release_knows_is_of_its_family():
    asked = Wanted(families=frozenset({"target-list"}))
    assert asked.takes("target_list.renamed")
    assert not asked.takes("touch.recorded")
    assert "split_part" in str(asked.where()[0])


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"topic": "touchstone.none"}, "topic.invalid"), ({"topic": ""}, "topic.invalid"),
        ({"after": -1}, "invalid"), ({"after": "x"}, "invalid"), ({"after": 2**63}, "invalid"),
        ({"after": 2**63 - 1}, "cursor.ahead"), ({"limit": 0}, "invalid"), ({"limit": 10_001}, "invalid"),
        ({"wait": 31}, "invalid"), ({"wait": "nan"}, "invalid"), ({"topic": "\0"}, "invalid"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(api, params, code):
    answer = api.get("/v1/events", params=params)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_an_unknown_topic_is_answered_with_those_that_there_are(api):
    told = api.get("/v1/events", params={"topic": "calls"}).json()["detail"]
    assert "events, " in told
    assert "touch" in told
    assert "calls" not in told


def test_a_plain_batch_has_its_cursor_in_the_headers(api):
    answer = api.get("/v1/events?limit=3", headers={"Accept": "application/cloudevents-batch+json"})
    assert answer.headers["content-type"] == "application/cloudevents-batch+json"
    assert positions(answer.json()) == [1, 2, 3]
    assert answer.headers["touchstone-next"] == "3"
    assert answer.headers["touchstone-end-of-stream"] == "false"
    followed = api.get(answer.links["next"]["url"])
    assert positions(followed.json()["events"]) == [4, 5, 6]


def test_who_waits_is_answered_when_something_comes_and_with_nothing_after_his_time(busy):
    with serving(busy) as url, httpx.Client(base_url=url, headers=KEY, timeout=40) as api:
        end = read(api, "/v1/events", limit=10_000)["next"]
        began = time.monotonic()
        assert read(api, "/v1/events", after=end, wait=0.3) == {
            "events": [], "next": end, "end_of_stream": True,
        }  # fmt: skip
        assert 0.3 <= time.monotonic() - began < 5
        threading.Timer(0.5, send, (busy, item("late", phone(), channel="web"))).start()
        began = time.monotonic()
        page = read(api, "/v1/events", after=end, wait=30)
        assert time.monotonic() - began < 10
        assert positions(page["events"]) == [end + 1]
        assert page["next"] == end + 1


def test_none_is_passed_over_while_many_write(workspace):
    """Several processes' appends end in any order; a position is seen only when all before it are."""
    stop = threading.Event()

    def write(name):
        for number in range(40):
            send(workspace, item(f"{name} {number}", account(str(number)), channel="web"))

    writers = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    found, after = [], 0
    with serving(workspace) as url, httpx.Client(base_url=url, headers=KEY, timeout=40) as api:
        for one in writers:
            one.start()
        while not stop.is_set():
            ended = not any(one.is_alive() for one in writers)
            page = read(api, "/v1/events", after=after, wait=0.2)
            found += positions(page["events"])
            after = page["next"]
            if ended and page["end_of_stream"] and not page["events"]:
                stop.set()
    assert found == list(range(1, len(messages(workspace)) + 1))
    assert len(found) >= 120


def stream(api, count, **given):
    """The first messages of a stream: (id, type) each."""
    found = []
    with connect_sse(api, "GET", "/v1/events", **given) as source:
        for one in source.iter_sse():
            if one.data:
                found.append((int(one.id), json.loads(one.data)["type"]))
            if len(found) == count:
                return found
    raise AssertionError("the stream ended")


def test_a_stream_goes_on_where_it_was_cut_and_with_what_comes(busy):
    everything = [(one.position, dict(one.headers)["ce_type"].decode()) for one in messages(busy)]
    with serving(busy) as url, httpx.Client(base_url=url, headers=KEY, timeout=40) as api:
        first = stream(api, 10)
        threading.Timer(0.5, send, (busy, item("late", channel="web"))).start()
        rest = stream(
            api, len(everything) - 9, headers={"Last-Event-ID": str(first[-1][0])}, params={"after": 0}
        )
        assert [*first, *rest][:-1] == everything
        assert rest[-1] == (len(everything) + 1, "touch.recorded")
        assert (
            stream(api, 1, params={"topic": "opportunity"})
            == [one for one in everything if one[1].startswith("opportunity")][:1]
        )
        assert (
            api.get("/v1/events", headers={"Accept": "text/event-stream", "Last-Event-ID": "x"}).status_code
            == 422
        )


def test_a_quiet_stream_beats_and_tells_how_far_it_is(busy, monkeypatch):
    monkeypatch.setattr(events_feed, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(events_feed, "QUIET", 10)
    accept = {"Accept": "text/event-stream"}
    with (
        serving(busy) as url,
        httpx.stream("GET", f"{url}/v1/events?topic=target-list", headers=KEY | accept, timeout=40) as answer,
    ):
        lines = answer.iter_lines()
        told = [next(line for line in lines if line.startswith(("id:", ":"))) for _ in range(2)]
    assert told[0] == f"id: {len(messages(busy))}"
    assert told[1].startswith(": ping")


def test_a_thousand_idle_readers_cost_no_thread_and_hardly_a_question(busy):
    """They wait at the end for what is read once for all of them."""
    end = len(messages(busy))
    asked, threads = [], []

    def count(*_):
        asked.append(threading.active_count())

    async def wait_and_hear():
        tail = Tail(busy.engine)
        families = [Wanted(), Wanted(families=frozenset({"touch"})), Wanted(families=frozenset({"case"}))]
        await tail.page(Wanted(), end, 10, wait=0.2)  # somebody is there already
        before = threading.active_count()
        event.listen(busy.engine, "before_cursor_execute", count)
        began = time.monotonic()
        readers = [asyncio.create_task(tail.page(families[n % 3], end, 10, wait=3)) for n in range(1_000)]
        await asyncio.sleep(1)
        idle = len(asked)
        threads.append(threading.active_count() - before)
        await asyncio.to_thread(send, busy, item("late", channel="web"))
        pages = await asyncio.gather(*readers)
        return idle, pages, time.monotonic() - began

    idle, pages, took = asyncio.run(wait_and_hear())
    event.remove(busy.engine, "before_cursor_execute", count)
    assert idle <= 60, "one question each 50 ms"
    assert len(asked) < 200
    assert max(threads) < 10, "beside those that were there"
    assert [len(page.events) for page in pages] == [1, 1, 0] * 333 + [1]
    assert {page.next for page in pages} == {end + 1}
    assert took < 10


def test_what_is_kept_for_those_at_the_end_is_as_the_journal_has_it(busy):
    """More comes than is kept: whoever is behind is answered by the journal."""

    async def follow():
        tail = Tail(busy.engine)
        found, after = [], len(messages(busy))
        await tail.page(Wanted(), after, 10, wait=0.1)
        many = [item(f"more {n}", account(str(n % 5)), channel="web") for n in range(KEPT + 300)]
        adding = asyncio.create_task(asyncio.to_thread(send, busy, *many))
        last = 0
        while not adding.done() or after < last:
            page = await tail.page(Wanted(), after, 700, wait=0.2)
            found += page.events
            after = page.next
            last = await asyncio.to_thread(lambda: len(messages(busy))) if adding.done() else 0
        return found

    found = asyncio.run(follow())
    start = found[0].position - 1
    assert found == list(read_all(busy, start))


def read_all(workspace, after):
    while True:
        page = read_page(workspace.engine, Wanted(), after, 1_000)
        yield from page.events
        after = page.next
        if page.end:
            return


def test_a_database_that_is_away_is_said_so_however_it_is_asked(settings, postgres):
    away = settings.model_copy(
        update={"database_url": postgres.url("postgres").replace("/postgres", "/nowhere")}
    )
    opened = open_workspace(away)
    api = caller(opened)
    for asked in ({}, {"headers": {"Accept": "text/event-stream"}}, {"params": {"wait": 1}}):
        answer = api.get("/v1/events", **asked)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    opened.close()


def test_a_cursor_of_another_journal_is_refused(busy):
    with pytest.raises(Refused, match="the journal ends at"):
        read_page(busy.engine, Wanted(), 10_000, 10)


def test_the_schema_of_every_event_is_served_by_its_type_and_number(api):
    for one in read(api, "/v1/events")["events"]:
        _, _, name = one["dataschema"].partition("urn:touchstone:")
        answer = api.get(f"/v1/schemas/{name.replace(':', '/')}")
        assert answer.headers["content-type"] == "application/schema+json"
        assert answer.json()["$id"] == one["dataschema"]
        Draft202012Validator(answer.json()).validate(one["data"])
    for name in ("touch.recorded/99", "touch.none/1", "../pyproject/1", "touch.recorded/0"):
        assert api.get(f"/v1/schemas/{name}").status_code in (404, 422)


def test_where_the_api_has_a_public_address_events_name_their_schemas_there(busy, settings, clock):
    public = open_workspace(settings.model_copy(update={"public_url": "https://api.example.com"}), clock)
    served = caller(public)
    for one in read(served, "/v1/events")["events"]:
        path = one["dataschema"].removeprefix("https://api.example.com")
        assert path == f"/v1/schemas/{one['type']}/1"
        schema = read(served, path)
        assert schema["$id"] == one["dataschema"]
        Draft202012Validator(schema).validate(one["data"])
    public.close()
    for envelope, row in zip(recorded(busy), rows(busy), strict=True):
        for url in ("", "https://api.example.com"):
            message = from_row(row, url)
            assert to_envelope(message.value, message.headers) == envelope
