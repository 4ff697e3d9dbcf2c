"""Customers who may be one are proposed by name and birthday, once; a person decides, and nothing is merged by it."""

from datetime import timedelta

import pytest
from typer.testing import CliRunner

from events.identity import MergeProposed
from infra.identity.duplicates import look, propose
from infra.rebuilding.verify import verify
from models.projections.catalogue import projections
from services.cli import app as cli
from services.cli import commands
from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.folding import fold
from tests.support.sending import account, item, purchase, send


@pytest.fixture
def api(workspace):
    return caller(workspace)


@pytest.fixture
def two(workspace):
    """The same man, once as his passport has him and once as he writes himself."""
    answers = send(
        workspace,
        described("1", account("1"), name="张伟", birthday="1980-05-03"),
        described("2", account("2"), name="Zhang Wei", birthday="1980-05-03"),
        described("3", account("3"), name="张强", birthday="1980-05-03"),
        described("4", account("4"), name="张伟", birthday="1961-12-24"),
        described("5", account("5"), name="张伟"),
    )
    fold(workspace)
    return sorted(answer.customer for answer in answers[:2])


def described(number, who, **told):
    return item(number, who, type="customer.described", at=MONDAY - timedelta(days=9), **told)


def recorded(workspace):
    return [one for one in workspace.journal.read() if isinstance(one.event, MergeProposed)]


def open_work(api):
    return [
        (sorted((one["one"], one["other"])), one["why"])
        for one in read(api, "/v1/identity/work")["proposals"]
    ]


def test_whoever_may_be_one_is_put_before_a_person_once(workspace, api, two):
    done = propose(workspace, 10)
    assert (done.people, done.pairs, done.proposed) == (4, 1, 1)
    (event,) = recorded(workspace)
    assert [event.event.customer, event.event.other] == two
    assert (event.source, event.source_id) == ("identity", f"proposed:{two[0]}:{two[1]}")
    assert (event.actor, event.customer) == ("rule:duplicates", two[0])
    assert open_work(api) == [(two, "name_and_birthday")]
    assert propose(workspace, 10).proposed == 0
    assert len(recorded(workspace)) == 1


def test_nobody_is_merged_by_a_proposal_and_every_view_stays_right(workspace, api, two):
    propose(workspace, 10)
    fold(workspace)
    assert {read(api, f"/v1/customers/{one}")["customer"] for one in two} == set(two)
    assert verify(workspace.engine, projections(workspace.rules), 100, 1).wrong == []
    send(workspace, purchase("p", account("1"), at=MONDAY))
    fold(workspace)
    assert verify(workspace.engine, projections(workspace.rules), 100, 1).wrong == []


def test_what_a_person_declined_is_not_proposed_again(workspace, api, two):
    propose(workspace, 10)
    answer = api.post(f"/v1/customers/{two[0]}/decline", json={"other": two[1], "why": "father and son"})
    assert answer.status_code in (200, 202), answer.text
    assert open_work(api) == []
    assert propose(workspace, 10).open == []


def test_two_whom_a_person_parted_are_not_proposed(workspace, api, two):
    assert api.post(f"/v1/customers/{two[0]}/merge", json={"other": two[1]}).status_code == 202
    assert look(workspace).pairs == 0  # they are one
    assert api.post(f"/v1/customers/{two[0]}/unmerge", json={"why": "two people"}).status_code == 202
    looked = propose(workspace, 10)
    assert (looked.pairs, looked.proposed) == (1, 0)


def test_the_last_word_on_name_and_birthday_counts(workspace, two):
    later = item(
        "6", account("2"), type="customer.described", at=MONDAY - timedelta(days=1), birthday="1999-01-01"
    )
    send(workspace, later)
    assert look(workspace).pairs == 0


def test_whose_keys_are_gone_is_like_nobody(workspace, two):
    described_ = [one.event_id for one in workspace.journal.read() if one.type == "customer.described"]
    workspace.vault.forget(described_)
    assert (look(workspace).people, look(workspace).pairs) == (0, 0)


def test_a_limit_takes_the_surest_first(workspace):
    send(
        workspace,
        described("1", account("1"), name="Ann Quill", birthday="1980-05-03"),
        described("2", account("2"), name="Anne Quill", birthday="1980-05-03"),
        described("3", account("3"), name="Bo Reed", birthday="1980-05-03"),
        described("4", account("4"), name="Reed, Bo", birthday="1980-05-03"),
    )
    assert propose(workspace, 1).proposed == 1
    (event,) = recorded(workspace)
    assert {event.event.customer, event.event.other} == {look_up(workspace, "3"), look_up(workspace, "4")}
    assert propose(workspace, 1).proposed == 1
    assert propose(workspace, 1).proposed == 0


def look_up(workspace, source_id):
    return next(one.customer for one in workspace.journal.read() if one.source_id == source_id)


def test_the_command_shows_without_names_and_records_only_when_not_dry(workspace, two, monkeypatch):
    settings = workspace.settings
    for name, value in {
        "DATABASE_URL": settings.database_url, "VAULT_URL": settings.vault_url, "KAFKA_BOOTSTRAP": "",
        "TOUCHSTONE_VAR": str(settings.var), "TOUCHSTONE_TOPIC_PREFIX": settings.topic_prefix,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    if not cli.registered_commands:
        commands.register(cli)
    dry = CliRunner().invoke(cli, ["duplicates", "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert "1 pairs are alike" in dry.output
    assert two[0] in dry.output
    assert "张" not in dry.output
    assert recorded(workspace) == []
    wet = CliRunner().invoke(cli, ["duplicates", "--limit", "5"])
    assert wet.exit_code == 0, wet.output
    assert len(recorded(workspace)) == 1
