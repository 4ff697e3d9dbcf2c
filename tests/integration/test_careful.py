"""An event that its handler cannot take is set aside after three attempts; nothing else suffers."""

import pytest
from msgspec import structs
from sqlalchemy import select, update

from infra.attempts import Attempts
from infra.careful import Careful
from infra.feeds import JOURNAL, Batch
from infra.policy_runner import PolicyRunner
from infra.process.heart import Heart
from infra.projector import Fenced, Projector
from infra.quarantine.aside import POLICIES, PROJECTOR, Aside
from infra.quarantine.replay import ReplayReport, replay
from infra.records import Strange
from models.domain import opportunity
from models.domain.opportunity import CaptureOpportunity
from models.errors import Unavailable
from models.handling import handle
from models.policies.opportunity import RouteCaptured
from models.ports import By
from models.projections.catalogue import projections
from models.projections.timeline import Timeline
from models.tables.journal import journal
from models.tables.readers import ledger
from models.tables.set_aside import set_aside
from tests.support.clock import MONDAY
from tests.support.folding import rows
from tests.support.sending import account, purchase, send


class Broken(Timeline):
    """A timeline whose rule fails on the purchases named `bad`."""

    def __init__(self):
        self.tries = 0

    def apply(self, row, envelope, owner):
        if envelope.source_id.startswith("bad"):
            self.tries += 1
            raise ZeroDivisionError
        return super().apply(row, envelope, owner)


@pytest.fixture
def broken():
    return Broken()


@pytest.fixture
def attempts(tmp_path):
    return Attempts(tmp_path / "projector.attempts")


def careful(workspace, attempts, act, heart, reader=PROJECTOR):
    aside = Aside(workspace.engine, workspace.quarantine, workspace.clock, reader)
    return Careful(workspace.engine, heart, attempts, aside, act)


def projecting(workspace, attempts, *views):
    """A projector of these views, between feed and fold the one thing that is tested here."""
    heart = Heart()
    views = views or projections(workspace.rules)
    projector = Projector(workspace.engine, views, "test", heart)
    projector.claim(0, JOURNAL)
    return careful(workspace, attempts, projector.fold, heart)


def everything(workspace):
    events = workspace.journal.read()
    return [Batch(0, JOURNAL, events, events[-1].position)]


def lying_aside(workspace):
    with workspace.engine.connect() as connection:
        return connection.execute(select(set_aside.c.reader, set_aside.c.event_id)).all()


def entered(workspace):
    with workspace.engine.connect() as connection:
        return connection.execute(select(ledger.c.position).order_by(ledger.c.position)).scalars().all()


@pytest.fixture
def sold(workspace):
    """Three customers; the second has one purchase among others that the broken rule cannot take."""
    send(
        workspace,
        *(purchase(str(n), account(str(n)), at=MONDAY) for n in range(3)),
        purchase("bad", account("1"), at=MONDAY),
        purchase("later", account("1"), at=MONDAY),
    )
    return [one for one in workspace.journal.read() if one.type == "purchase.recorded"]


def purchases(workspace, name="timeline"):
    return sorted(row.event_id for row in rows(workspace, name).values())


def test_with_the_third_attempt_it_is_set_aside_and_everything_else_is_folded(
    workspace, attempts, broken, sold
):
    projecting(workspace, attempts, broken).take(everything(workspace))
    bad = next(e for e in workspace.journal.read() if e.source_id == "bad")
    assert broken.tries == 3
    assert [(one.reader, str(one.event_id)) for one in lying_aside(workspace)] == [(PROJECTOR, bad.event_id)]
    (held,) = workspace.quarantine.open_entries()
    assert (held.code, held.source, held.source_id) == ("projector_failed", "reader:projector", bad.event_id)
    assert bad.event_id.encode() in held.raw
    facts = {e.event_id for e in workspace.journal.read() if e.source != "identity"}
    assert facts - set(purchases(workspace)) == {bad.event_id}
    assert entered(workspace) == [e.position for e in workspace.journal.read()]
    assert attempts.counts() == {}


def test_after_the_fix_a_replay_makes_the_views_as_if_it_had_never_been_late(
    workspace, attempts, broken, sold, tmp_path
):
    views = (broken, *projections(workspace.rules)[1:])
    projecting(workspace, attempts, *views).take(everything(workspace))
    assert replay(workspace) == ReplayReport(tried=1, accepted=1)
    assert lying_aside(workspace) == []
    mended = {name: rows(workspace, name) for name in ("timeline", "customer_360", "lifecycle", "pipeline")}
    again = projecting(workspace, Attempts(tmp_path / "other"))
    with workspace.engine.begin() as connection:
        for name in ("ledger", "fold_head", *mended):
            connection.exec_driver_sql(f"DELETE FROM {name}")
    again.take(everything(workspace))
    assert mended == {name: rows(workspace, name) for name in mended}


def test_a_replay_before_the_fix_changes_nothing(workspace, attempts, broken, sold, monkeypatch):
    projecting(workspace, attempts, broken).take(everything(workspace))
    monkeypatch.setattr("infra.quarantine.again.projections", lambda *_: (broken,))
    assert replay(workspace) == ReplayReport(tried=1, held={"projector_failed": 1})
    assert len(lying_aside(workspace)) == 1


def test_what_the_predecessor_hung_on_three_times_is_set_aside_at_once(workspace, attempts, sold):
    bad = next(e for e in workspace.journal.read() if e.source_id == "bad")
    for _ in range(3):
        attempts.failed(bad.event_id)  # the parent, before it killed
    projecting(workspace, attempts).take(everything(workspace))
    assert [str(one.event_id) for one in lying_aside(workspace)] == [bad.event_id]
    assert workspace.quarantine.counts() == {"projector_hung": 1}


def test_a_failure_that_names_no_event_is_found_one_event_at_a_time(workspace, attempts, sold):
    """The database refuses a row of it, say: what was in hand is not known."""
    handled = []

    def act(batches):
        events = [e for batch in batches for e in batch.envelopes]
        if any(e.source_id == "bad" for e in events):
            raise ZeroDivisionError
        handled.extend(e.source_id for e in events)

    careful(workspace, attempts, act, Heart()).take(everything(workspace))
    assert handled == [e.source_id for e in workspace.journal.read() if e.source_id != "bad"]
    assert workspace.quarantine.counts() == {"projector_failed": 1}


@pytest.mark.parametrize("away", [Unavailable("the database does not answer"), Fenced()])
def test_a_database_that_is_away_or_a_fence_counts_no_attempt(workspace, attempts, sold, away):
    heart = Heart()

    def act(batches):
        heart.handle(batches[0].envelopes[0].event_id)
        raise away

    taking = careful(workspace, attempts, act, heart)
    for _ in range(5):
        with pytest.raises(type(away)):
            taking.take(everything(workspace))
    assert (attempts.counts(), workspace.quarantine.counts(), lying_aside(workspace)) == ({}, {}, [])


class BrokenPolicy(RouteCaptured):
    """A policy that fails on what it should route."""

    mended = False

    def react(self, envelope):
        if not self.mended:
            raise ZeroDivisionError
        return super().react(envelope)


def test_a_policy_that_fails_is_passed_over_and_acts_after_the_fix(workspace, attempts, monkeypatch):
    heart, policy = Heart(), BrokenPolicy()
    runner = PolicyRunner(workspace.engine, workspace.log, [policy], workspace.rules, heart)
    runner.begin()
    runner.claim(0, JOURNAL)
    capture = CaptureOpportunity(opportunity_id="o", subject="leased_line", now=workspace.clock.now())
    by = By(source="api", source_id="1", actor="ada")
    handle(workspace.log, opportunity.decider(workspace.rules.opportunity), "opportunity-o", capture, by)
    careful(workspace, attempts, runner.react, heart, POLICIES).take(everything(workspace))
    assert workspace.quarantine.counts() == {"policies_failed": 1}
    assert not [e for e in workspace.journal.read() if e.source.startswith("policy:")]
    BrokenPolicy.mended = True
    monkeypatch.setattr("infra.quarantine.again.ALL_POLICIES", (BrokenPolicy,))
    assert replay(workspace) == ReplayReport(tried=1, accepted=1)
    assert [e.type for e in workspace.journal.read() if e.source.startswith("policy:")] == [
        "opportunity.routed"
    ]
    assert lying_aside(workspace) == []


def from_topic(*events, offset=10, strange=()):
    return [Batch(0, "topic-1", events, offset, strange)]


def test_a_record_that_only_calls_itself_by_an_events_id_is_kept_and_the_event_stays(
    workspace, attempts, sold
):
    handed = []
    junk = [
        Strange("undecodable", "", raw, "topic:events", place, sold[0].event_id)
        for raw, place in ((b"{", "t:0:7"), (b"[", "t:0:8"))
    ]
    careful(workspace, attempts, handed.extend, Heart()).take(from_topic(*sold, strange=junk))
    assert lying_aside(workspace) == []
    assert [(one.raw, one.source, one.source_id) for one in workspace.quarantine.open_entries()] == [
        (b"{", "topic:events", "t:0:7"), (b"[", "topic:events", "t:0:8"),
    ]  # fmt: skip
    assert [one for batch in handed for one in batch.envelopes] == sold


def test_an_event_that_no_reader_can_decode_is_set_aside_for_each_and_given_back_to_each(
    workspace, attempts, sold
):
    newer = sold[0]
    with workspace.engine.begin() as connection:
        connection.execute(update(journal).where(journal.c.event_id == newer.event_id).values(schema=99))
    for reader in (PROJECTOR, POLICIES):
        strange = Strange("undecodable", "", b"", "topic:events", "t:0:7", newer.event_id)
        careful(workspace, attempts, lambda _: None, Heart(), reader).take(from_topic(strange=[strange]))
    assert set(lying_aside(workspace)) == {(PROJECTOR, newer.event_id), (POLICIES, newer.event_id)}
    assert replay(workspace).held == {"undecodable": 2}
    with workspace.engine.begin() as connection:
        connection.execute(update(journal).where(journal.c.event_id == newer.event_id).values(schema=1))
    assert replay(workspace) == ReplayReport(tried=2, accepted=2)
    assert lying_aside(workspace) == []


def test_a_folded_event_that_comes_again_with_another_content_is_kept_and_goes_no_further(
    workspace, attempts, sold
):
    handed = []
    projecting(workspace, attempts).take(everything(workspace))
    taker = careful(workspace, attempts, handed.extend, Heart())
    lie = structs.replace(sold[0], event=structs.replace(sold[0].event, product="another"))
    taker.take(from_topic(sold[0], lie, offset=12))
    assert [list(batch.envelopes) for batch in handed] == [[sold[0]]]
    assert workspace.quarantine.counts() == {"not_as_recorded": 1}
    assert lying_aside(workspace) == []
