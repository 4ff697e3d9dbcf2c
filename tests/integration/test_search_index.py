"""What was said is found again, in any language, by its owner of today; and after forgetting by nobody."""

import asyncio
import dataclasses
from contextlib import aclosing
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select, text
from typer.testing import CliRunner

from infra.attempts import Attempts
from infra.careful import Careful
from infra.feeds import JournalFeed
from infra.process.heart import Heart
from infra.projector import Fenced
from infra.quarantine.aside import Aside
from infra.search.index import READER, Indexer, SearchIndex, clean, forget
from models.tables.search import search_name, search_text
from services.cli import app as cli
from services.cli import commands
from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.folding import fold
from tests.support.sending import account, email, item, phone, send


@pytest.fixture
def api(workspace):
    return caller(workspace)


@pytest.fixture
def index(workspace):
    return SearchIndex(workspace.engine, workspace.vault, workspace.matcher)


def catch_up(workspace, index, holder="test"):
    """Fold and index everything recorded so far, as the workers do."""
    fold(workspace)
    asyncio.run(drain(workspace, Indexer(workspace.engine, index, holder)))


async def drain(workspace, indexer):
    head = workspace.journal.head()
    aside = Aside(workspace.engine, workspace.quarantine, workspace.clock, READER)
    attempts = Attempts(workspace.settings.var / "search.attempts")
    careful = Careful(workspace.engine, Heart(), attempts, aside, indexer.take)
    async with aclosing(JournalFeed(workspace.engine).batches(indexer.claim)) as source:
        if at(workspace) >= head:
            return
        async for batches in source:
            careful.take(batches)
            if batches[-1].next_offset >= head:
                return


def at(workspace):
    with workspace.engine.connect() as connection:
        query = text("SELECT coalesce(max(position), 0) FROM reader_position WHERE reader = :reader")
        return connection.execute(query, {"reader": READER}).scalar_one()


def said(number, who, words, *, hours=1, channel="chat", **more):
    told = {"channel": channel, "text": words, **more}
    return item(number, who, at=MONDAY - timedelta(hours=hours), **told)


def described(number, who, **told):
    return item(number, who, type="customer.described", at=MONDAY - timedelta(days=9), **told)


def found(api, asked, **more):
    return [hit["event_id"] for hit in read(api, "/v1/search", text=asked, **more)["hits"]]


def owners(api, asked, **more):
    return {hit["customer"] for hit in read(api, "/v1/search", text=asked, **more)["hits"]}


def named(api, asked):
    return [one["customer"] for one in read(api, "/v1/search", name=asked)["customers"]]


def rows(workspace, table):
    with workspace.engine.connect() as connection:
        return connection.execute(select(table).order_by(table.c.event_id)).all()


def test_texts_are_found_in_english_chinese_and_both_the_newest_first(workspace, index, api):
    answers = send(
        workspace,
        said("1", phone(), "Where is my Réfund?", hours=3),
        said("2", phone(), "我要求退款，已经三天了", hours=2),
        said("3", email(), "客户说退款refund没到账", hours=1, channel="voice"),
        item("4", email(), type="survey.answered", at=MONDAY, question="nps", method="follow_up", phase="after",
             text="Refund came late"),
        described("5", email(), note="Wants refunds by cheque", name="Bo Quill"),
    )  # fmt: skip
    one, two, three, four, five = [answer.event_id for answer in answers]
    catch_up(workspace, index)
    assert found(api, "refund") == [four, three, one]
    assert found(api, "退款") == [three, two]
    assert found(api, "退款 REFUND") == [three]
    assert found(api, "refunds cheque") == [five]
    assert found(api, "quill") == []
    hit = read(api, "/v1/search", text="求退款")["hits"][0]
    assert hit == {
        "customer": answers[1].customer, "event_id": two, "type": "touch.recorded",
        "occurred_at": "2026-03-02T07:00:00Z", "snippet": "我要求退款，已经三天了",
    }  # fmt: skip


def test_a_search_is_narrowed_by_time_and_channel_and_read_page_by_page(workspace, index, api):
    answers = send(
        workspace,
        *[
            said(str(n), phone(), f"refund number {n}", hours=n, channel="voice" if n % 2 else "chat")
            for n in range(1, 8)
        ],
    )
    catch_up(workspace, index)
    ids = [answer.event_id for answer in answers]
    since, until = (MONDAY - timedelta(hours=5)).isoformat(), (MONDAY - timedelta(hours=2)).isoformat()
    assert found(api, "refund", since=since, until=until) == ids[2:5]
    assert found(api, "refund", channel="voice") == ids[::2]
    seen, after = [], None
    while True:
        page = read(api, "/v1/search", text="refund", limit=3, after=after)
        seen += [hit["event_id"] for hit in page["hits"]]
        after = page["next"]
        if after is None:
            break
    assert seen == ids


def test_more_hits_than_are_looked_at_at_once_are_all_found(workspace, index, api):
    send(workspace, *[said(str(n), phone(), "refund", hours=n / 60) for n in range(450)])
    send(workspace, said("other", account(), "refund", hours=20), described("d", account(), name="Ann Quill"))
    catch_up(workspace, index)
    assert len(found(api, "refund", limit=100)) == 100
    assert len(found(api, "refund", name="Quill")) == 1


def test_a_corrected_touch_is_found_where_it_was_and_a_retracted_one_nowhere(workspace, index, api):
    wrong, gone = (one.event_id for one in send(
        workspace, said("1", phone(), "refund", channel="voice"), said("2", phone(), "refund too", channel="voice")
    ))  # fmt: skip
    there = MONDAY - timedelta(days=3)
    send(
        workspace,
        item("c", type="touch.corrected", touch_id=wrong, channel="chat", occurred_at=there.isoformat()),
        item("r", type="touch.retracted", touch_id=gone, why="not ours"),
    )
    catch_up(workspace, index)
    assert found(api, "refund", channel="voice") == []
    assert found(api, "refund", channel="chat", until=(there + timedelta(hours=1)).isoformat()) == [wrong]


def test_hits_and_names_move_with_a_merge_and_back_with_an_un_merge(workspace, index, api):
    older, younger = send(
        workspace,
        said("1", account("1"), "refund for the elder"),
        said("2", account("2"), "refund for the younger"),
    )
    send(
        workspace,
        described("d1", account("1"), name="Ann Quill", note="likes tea"),
        described("d2", account("2"), name="张伟", note="likes coffee"),
    )
    catch_up(workspace, index)
    one, other = older.customer, younger.customer
    assert (owners(api, "refund"), owners(api, "likes")) == ({one, other}, {one, other})
    assert api.post(f"/v1/customers/{one}/merge", json={"other": other}).status_code == 202
    assert named(api, "张伟") == [one]  # before anything is folded
    catch_up(workspace, index)
    assert (owners(api, "refund"), owners(api, "likes")) == ({one}, {one})
    assert len(found(api, "refund", name="Zhang Wei")) == 2
    assert api.post(f"/v1/customers/{one}/unmerge", json={"why": "two people"}).status_code == 202
    catch_up(workspace, index)
    assert (owners(api, "refund"), owners(api, "likes")) == ({one, other}, {one, other})
    assert (named(api, "张伟"), named(api, "Quill")) == ([other], [one])
    assert found(api, "refund", name="Zhang Wei") == [younger.event_id]


def test_a_name_is_found_with_a_slip_and_in_pinyin_the_likest_first(workspace, index, api):
    told = ["张伟", "张玮", "张强", "Ann Smith", "Anne Smithe", "Bob Jones", "李娜"]
    answers = send(workspace, *[described(str(n), account(str(n)), name=name) for n, name in enumerate(told)])
    catch_up(workspace, index)
    customer = {name: answer.customer for name, answer in zip(told, answers, strict=True)}
    assert named(api, "张伟") == [customer["张伟"], customer["张玮"]]
    assert set(named(api, "zhang wei")) == {customer["张伟"], customer["张玮"]}
    assert set(named(api, "wei zhnag")) == {customer["张伟"], customer["张玮"]}
    assert named(api, "Ann Smiht") == [customer["Ann Smith"]]
    assert named(api, "Ann Smith") == [customer["Ann Smith"], customer["Anne Smithe"]]
    assert named(api, "lina") == [customer["李娜"]]
    assert named(api, "Nobody") == []
    first = read(api, "/v1/search", name="zhangwei")["customers"][0]
    assert first["name"] in ("张伟", "张玮")


def test_no_word_of_a_text_stands_in_the_tables_and_none_is_found_with_another_key(workspace, index, api):
    send(workspace, said("1", phone(), "refund 退款"), described("2", phone(), name="Quill"))
    catch_up(workspace, index)
    (row,), (name,) = rows(workspace, search_text), rows(workspace, search_name)
    assert len(row.tokens) == 2
    assert len(set(name.tokens)) == len(name.tokens) == len({"quill", "uill", "qill", "qull", "quil"})
    other = type(workspace.matcher)(b"another key of 32 bytes, at least")
    assert {other.word("text", "refund"), workspace.matcher.word("name", "refund")}.isdisjoint(row.tokens)
    assert workspace.matcher.word("text", "refund") in row.tokens


def test_a_key_without_personal_data_is_told_where_and_not_what(workspace, index):
    send(workspace, said("1", phone(), "refund"), described("2", phone(), name="Ann Quill", note="likes tea"))
    catch_up(workspace, index)
    settings = workspace.settings.model_copy(update={"api_keys": SecretStr("test-key,other:plain")})
    answer = read(
        caller(dataclasses.replace(workspace, settings=settings), "other"),
        "/v1/search", text="likes", name="Quill",
    )  # fmt: skip
    assert len(answer["hits"]) == 1
    assert [one["snippet"] for one in answer["hits"]] == [None]
    assert [one["name"] for one in answer["customers"]] == [None]
    assert "Quill" not in str(answer)


def test_who_is_forgotten_is_found_no_more_and_not_a_token_is_left(workspace, index, api):
    gone = send(workspace, said("1", phone(), "zanzibar 退款"), described("2", phone(), name="Ann Quill"))
    kept = send(workspace, said("3", email(), "refund"), described("4", email(), name="Bo Jones"))
    catch_up(workspace, index)
    ids = [one.event_id for one in gone]
    tokens = [token for table in (search_text, search_name) for row in rows(workspace, table)
              if str(row.event_id) in ids for token in row.tokens]  # fmt: skip
    assert len(tokens) > 5
    workspace.vault.forget(ids)
    with workspace.engine.begin() as connection:
        assert forget(connection, ids) == 2
    clean(workspace.engine)
    assert (found(api, "zanzibar"), named(api, "Quill")) == ([], [])
    assert found(api, "refund") == [kept[0].event_id]
    everything = b"".join(dump(workspace))
    assert kept[0].event_id.replace("-", "") in everything.hex()
    assert [token for token in tokens if token.to_bytes(8, "little", signed=True) in everything] == []
    list(index.rebuild())
    send(workspace, said("5", email(), "once more"))
    catch_up(workspace, index, "another")
    assert {str(row.event_id) for row in rows(workspace, search_text)}.isdisjoint(ids)
    assert [str(row.event_id) for row in rows(workspace, search_name)] == [kept[1].event_id]


def dump(workspace):
    """The index's files as they lie on the disk, but for free space within the tables' own pages."""
    with workspace.engine.connect() as connection:
        for name in ("search_text", "search_name"):
            table = connection.execute(text(f"SELECT tokens, event_id::text AS id FROM {name}")).all()
            yield from (
                b"".join(one.to_bytes(8, "little", signed=True) for one in row.tokens) for row in table
            )
            yield from (bytes.fromhex(row.id.replace("-", "")) for row in table)
            connection.execute(text("CHECKPOINT"))
            for part in (f"{name}_tokens", f"{name}_pkey"):
                query = text("SELECT pg_read_binary_file(pg_relation_filepath(:part))")
                yield bytes(connection.execute(query, {"part": part}).scalar_one())


def test_whoever_indexes_while_somebody_is_forgotten_brings_nothing_back(workspace, index):
    (one,) = send(workspace, said("1", phone(), "zanzibar"))
    envelopes = workspace.journal.read()
    with workspace.engine.begin() as indexing:
        index.write(indexing, envelopes)  # its key is read, and nothing is committed yet
        workspace.vault.forget([one.event_id])
        with workspace.engine.connect() as forgetting, forgetting.begin():
            forgetting.execute(text("SET LOCAL lock_timeout = '200ms'"))
            with pytest.raises(Exception, match="lock"):
                forget(forgetting, [one.event_id])
    with workspace.engine.begin() as forgetting:
        assert forget(forgetting, [one.event_id]) == 1
    with workspace.engine.begin() as indexing:
        index.write(indexing, envelopes)
    assert rows(workspace, search_text) == []


def test_a_stopped_worker_goes_on_where_it_was_and_a_second_one_takes_over(workspace, index, api):
    send(workspace, said("1", phone(), "refund one"))
    catch_up(workspace, index, "first")
    before = at(workspace)
    (two,) = send(workspace, said("2", phone(), "refund two"))
    first = Indexer(workspace.engine, index, "first")
    catch_up(workspace, index, "second")
    assert at(workspace) > before
    assert len(found(api, "refund")) == 2
    (three,) = send(workspace, said("3", phone(), "refund three"))

    async def zombie():
        async with aclosing(JournalFeed(workspace.engine).batches(lambda *_: at(workspace))) as source:
            first.take(await anext(source))

    with pytest.raises(Fenced):
        asyncio.run(zombie())
    catch_up(workspace, index, "second")
    assert found(api, "refund two") == [two.event_id]
    assert found(api, "refund three") == [three.event_id]


def test_the_index_is_filled_anew_by_one_command(workspace, index, api, monkeypatch):
    send(workspace, said("1", phone(), "refund one"), described("2", phone(), name="Quill"))
    catch_up(workspace, index)
    before = rows(workspace, search_text), rows(workspace, search_name)
    with workspace.engine.begin() as connection:
        connection.execute(text("TRUNCATE search_text"))
        connection.execute(text("UPDATE search_name SET tokens = '{1}'"))
    settings = workspace.settings
    for name, value in {
        "DATABASE_URL": settings.database_url, "VAULT_URL": settings.vault_url, "KAFKA_BOOTSTRAP": "",
        "TOUCHSTONE_VAR": str(settings.var), "TOUCHSTONE_TOPIC_PREFIX": settings.topic_prefix,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    if not cli.registered_commands:
        commands.register(cli)
    answer = CliRunner().invoke(cli, ["search", "--rebuild"])
    assert answer.exit_code == 0, answer.output
    assert "1 texts and 1 names" in answer.output
    assert (rows(workspace, search_text), rows(workspace, search_name)) == before


@pytest.mark.parametrize(
    "params, code",
    [
        ({}, "search.one_wanted"),
        ({"text": " …"}, "search.empty"),
        ({"name": "?"}, "search.empty"),
        ({"text": "a", "after": "nonsense"}, "cursor.invalid"),
        ({"text": "a", "limit": 0}, "invalid"),
        ({"text": "a", "since": "yesterday"}, "moment.invalid"),
        ({"text": "x" * 401}, "invalid"),
    ],
)
def test_what_cannot_be_searched_for_is_refused_with_a_code(api, params, code):
    answer = api.get("/v1/search", params=params)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_question_with_a_nul_or_a_lone_surrogate_finds_nothing_and_breaks_nothing(api):
    for asked in ("%00", "a%00b", "%ED%A0%80"):
        assert api.get(f"/v1/search?text={asked}").status_code in (200, 422)
        assert api.get(f"/v1/search?name={asked}").status_code in (200, 422)
