"""An event that a consumer cannot bear: set aside with its reason, its neighbours served, back after the fix."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest
from confluent_kafka import Producer
from sqlalchemy import func, select

from events.topics import events_topic, intake_topic
from infra import policy_runner
from infra.clock import SystemClock
from infra.messages import from_row
from infra.process import watchdog
from infra.quarantine.replay import ReplayReport, replay
from infra.topics_admin import create_topics
from infra.workspace import Workspace, open_workspace
from models.domain import opportunity
from models.domain.opportunity import CaptureOpportunity
from models.handling import handle
from models.ports import By
from models.projections.catalogue import projections
from models.projections.projection import play
from models.tables.journal import journal
from models.tables.quarantine import quarantine
from models.tables.readers import ledger
from tests.support.faults.crew import Crew, crew, until
from tests.support.folding import rows
from tests.support.sending import account, item, purchase, send

NEIGHBOURS_SECONDS = 60.0
RULES = '[opportunity]\nfollow_up_hours = 0.0003\ndefault_department = "sales"\n'
POISONED = "tests.support.faults.poisoned"
ROLES = ("projector", "policies", "sweep", "intake")


@pytest.fixture
def workspace(settings, kafka, tmp_path) -> Iterator[Workspace]:
    """A workspace with a broker, whose clock is the machine's."""
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    opened = open_workspace(
        settings.model_copy(update={"kafka_bootstrap": kafka.bootstrap, "workspace": rules}), SystemClock()
    )
    create_topics(kafka.bootstrap, settings.topic_prefix)
    policy_runner.begin(opened.engine)
    yield opened
    opened.close()


def capture(workspace: Workspace, name: str) -> None:
    command = CaptureOpportunity(opportunity_id=name, subject="leased_line", now=workspace.clock.now())
    by = By(source="api", source_id=f"capture {name}", actor="ada")
    handle(
        workspace.log, opportunity.decider(workspace.rules.opportunity), f"opportunity-{name}", command, by
    )


def codes(workspace: Workspace) -> dict[str, int]:
    return workspace.quarantine.counts()


def recorded(workspace: Workspace, source_id: str) -> bool:
    return bool(workspace.journal.read(journal.c.source_id == source_id))


def stream(workspace: Workspace, name: str) -> list[str]:
    return [one.type.removeprefix("opportunity.") for one in workspace.journal.stream(f"opportunity-{name}")]


def folded(workspace: Workspace) -> bool:
    with workspace.engine.connect() as connection:
        entered = connection.execute(select(func.count()).select_from(ledger)).scalar_one()
    return entered == workspace.journal.head()


def put(kafka, topic: str, *messages: tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]) -> None:
    """Put messages (key, value, headers) on a topic, all on one partition."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for key, value, headers in messages:
        producer.produce(topic, value, key, partition=0, headers=headers)
    assert producer.flush(30) == 0


def refolded(workspace: Workspace, name: str) -> dict[str, object]:
    """A view's rows as a fold of the whole journal gives them; nobody was merged here."""
    view = next(one for one in projections(workspace.rules, workspace.settings.zone) if one.name == name)
    whose: dict[str, list] = {}
    for one in workspace.journal.read():
        whose.setdefault(one.customer or one.stream, []).append(one)
    found: dict[str, object] = {}
    for owner, history in whose.items():
        found |= play(view, sorted(history, key=lambda e: e.order), owner)
    return found


@pytest.fixture
def impatient(monkeypatch, long) -> None:
    """A parent that waits a third of the usual time, except in the long form."""
    if not long:
        for name in ("HANDLING_SECONDS", "SUSPECT_SECONDS", "SILENT_SECONDS"):
            monkeypatch.setattr(watchdog, name, getattr(watchdog, name) / 3)


@pytest.mark.usefixtures("impatient")
def test_a_poison_at_every_consumer_is_set_aside_and_comes_back_after_the_fix(
    workspace, kafka, tmp_path, long, figures
):
    with crew(workspace, tmp_path / "logs") as workers:
        for name in ("relay", *ROLES):
            workers.add(name, POISONED)
        _poison(workspace, kafka, hold="hold", rest="hang", workers=workers, figures=figures)
        if long:
            _poison(workspace, kafka, hold="hang-2", rest="hold-2", workers=workers, figures=figures)
    _after_the_fix(workspace, tmp_path, turns=2 if long else 1)


def _poison(workspace: Workspace, kafka, hold: str, rest: str, workers: Crew, figures) -> None:
    """Poison every consumer at once; the projector by `hold`, the others by `rest`, and all by an error."""
    now = datetime.now(UTC)
    before = sum(codes(workspace).values())
    send(workspace, purchase(f"well-{hold}", account("1"), at=now), purchase(hold, account("1"), at=now),
         purchase(f"raise-{hold}", account("2"), at=now), purchase(f"after-{hold}", account("1"), at=now))  # fmt: skip
    capture(workspace, f"sweep-{rest}")
    until(lambda: stream(workspace, f"sweep-{rest}")[1:2], NEIGHBOURS_SECONDS, workers_tail(workers))
    for name in (f"policy-{rest}", f"policy-raise-{rest}", f"well-{rest}"):
        capture(workspace, name)
    messages = [
        msgspec.json.encode(item(f"intake-{rest}", account("3"), channel="voice")),
        f"no event at all, {rest}".encode(),
        msgspec.json.encode(item(f"large-{rest}", account("3"), channel="voice", text="x" * 300_000)),
        msgspec.json.encode(item(f"beside-{rest}", account("3"), channel="voice")),
    ]
    put(kafka, intake_topic(workspace.settings.topic_prefix), *((b"k", value, []) for value in messages))
    # While the projector's interpreter is held, and the others hang, nobody else has to wait:
    late = {
        "projector": until(lambda: _seen(workspace, f"after-{hold}"), NEIGHBOURS_SECONDS, workers_tail(workers)),
        "policies": until(lambda: stream(workspace, f"well-{rest}")[1:2], NEIGHBOURS_SECONDS, workers_tail(workers)),
        "intake": until(lambda: recorded(workspace, f"beside-{rest}"), NEIGHBOURS_SECONDS, workers_tail(workers)),
        "sweep": until(lambda: "follow_up_missed" in stream(workspace, f"well-{rest}"), NEIGHBOURS_SECONDS, "sweep"),
    }  # fmt: skip
    figures["neighbours had waited, in this order (s)"] = {
        name: round(took, 1) for name, took in late.items()
    }
    until(
        lambda: sum(codes(workspace).values()) == before + 8,
        NEIGHBOURS_SECONDS,
        lambda: str(codes(workspace)),
    )
    until(lambda: folded(workspace), 30, "the projector has not seen everything")


def workers_tail(workers: Crew):
    return lambda: "\n".join(workers.log(name)[-1500:] for name in workers.parents)


def _seen(workspace: Workspace, source_id: str) -> bool:
    (event,) = workspace.journal.read(journal.c.source_id == source_id)
    return any(row.event_id == event.event_id for row in rows(workspace, "timeline").values())


def _after_the_fix(workspace: Workspace, tmp_path, turns: int) -> None:
    counts = codes(workspace)
    assert counts == {
        "projector_hung": turns, "projector_failed": turns, "policies_hung": turns, "policies_failed": turns,
        "sweep_hung": turns, "hung": turns, "not_json": turns, "event_too_large": turns,
    } | {name: count for name, count in counts.items() if name not in EXPECTED}  # fmt: skip
    with workspace.engine.connect() as connection:
        assert all(len(row.sealed) > 0 for row in connection.execute(select(quarantine)))
    report = replay(workspace)
    assert report == ReplayReport(
        tried=sum(counts.values()), accepted=report.accepted, refused=report.refused, held=report.held
    )
    with crew(workspace, tmp_path / "mended") as workers:
        for name in ("relay", *ROLES):
            workers.add(name)
        until(lambda: folded(workspace), 60, workers_tail(workers))
        until(lambda: _unsettled(workspace) == {}, 30, lambda: str(_unsettled(workspace)))
        until(lambda: folded(workspace), 60, workers_tail(workers))
    for name in ("timeline", "customer_360", "lifecycle", "pipeline"):
        assert rows(workspace, name) == refolded(workspace, name)


def _unsettled(workspace: Workspace) -> dict[str, list[str]]:
    """Deals to which something did not happen, or twice."""
    names = {
        e.stream.removeprefix("opportunity-")
        for e in workspace.journal.read()
        if e.stream.startswith("opportunity-")
    }
    found = {name: stream(workspace, name) for name in names}
    return {name: told for name, told in found.items() if told != ["captured", "routed", "follow_up_missed"]}


EXPECTED = (
    "projector_hung", "projector_failed", "policies_hung", "policies_failed", "sweep_hung", "hung",
)  # fmt: skip


def test_foreign_junk_on_the_events_topic_is_kept_with_its_reason_and_stops_nobody(
    workspace, kafka, tmp_path
):
    topic = events_topic(workspace.settings.topic_prefix)
    send(workspace, purchase("1", account("1"), at=datetime.now(UTC)))
    with crew(workspace, tmp_path / "logs") as workers:
        for name in ("relay", "projector", "policies"):
            workers.add(name)
        until(lambda: folded(workspace), 60, workers_tail(workers))
        put(
            kafka, topic,
            (b"k", b"\xff\xfe junk", []),
            (b"k", b"{}", [("content-type", b"text/plain")]),
            (b"k", None, []),
            (None, b"{}", _headers(workspace, ts_position=b"not a number")),
            (b"somebody-else", *_of_journal(workspace)),
            (_of_journal_key(workspace), _of_journal(workspace)[0], _headers(workspace, ts_position=b"999999999")),
            (_of_journal_key(workspace), b"[]", _headers(workspace, ce_id=b"no-id-of-ours")),
            (_of_journal_key(workspace), b"{", _headers(workspace)),
            (_of_journal_key(workspace), b'{"product":"another"}', _headers(workspace)),
        )  # fmt: skip
        send(workspace, purchase("2", account("1"), at=datetime.now(UTC)))
        until(lambda: folded(workspace), 60, workers_tail(workers))
        expected = {"foreign": 3, "tombstone": 1, "wrong_key": 1, "not_in_journal": 1, "undecodable": 2,
                    "not_as_recorded": 1}  # fmt: skip
        until(lambda: codes(workspace) == expected, 30, lambda: str(codes(workspace)))
    for name in ("timeline", "customer_360", "lifecycle"):
        assert rows(workspace, name) == refolded(workspace, name)


def _row(workspace: Workspace):
    with workspace.engine.connect() as connection:
        return connection.execute(select(journal).order_by(journal.c.position).limit(1)).one()


def _of_journal(workspace: Workspace) -> tuple[bytes, list[tuple[str, bytes]]]:
    return bytes(_row(workspace).data), _headers(workspace)


def _of_journal_key(workspace: Workspace) -> bytes:
    return str(_row(workspace).customer).encode()


def _headers(workspace: Workspace, **changed: bytes) -> list[tuple[str, bytes]]:
    """The headers of the journal's first event, some of them changed."""
    with workspace.engine.connect() as connection:
        row = connection.execute(select(journal).order_by(journal.c.position).limit(1)).one()
    return list((dict(from_row(tuple(row)).headers) | changed).items())
