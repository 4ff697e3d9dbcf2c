"""A journal that older releases wrote: every payload there ever was is read, folded, rebuilt and sent on."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest
from aiokafka.structs import ConsumerRecord
from sqlalchemy import select, update

from events import codec, registry
from events.codec import Undecodable
from events.envelope import Event
from events.registry import event
from infra.database import copy_rows
from infra.journal.stored import envelope
from infra.messages import from_row
from infra.rebuilding.rebuild import Rebuild
from infra.rebuilding.verify import verify
from infra.records import read
from models.projections.catalogue import projections
from models.projections.timeline import Timeline
from models.tables.identity import customer, identifier
from models.tables.journal import COLUMNS, NO_IDENTIFIERS, WRITTEN, journal, journal_head
from models.tables.readers import ledger
from tests.support.folding import fold, rows
from tests.support.sending import item, phone, send
from tests.support.viewing import actual, expected, recorded

FOLDER = Path(__file__).parents[1] / "contract" / "samples"
BEGAN = datetime(2025, 11, 3, 8, 0, tzinfo=UTC)
SURVIVOR = "01890a5d-ac96-774b-bcce-b302099a8057"
ABSORBED = "0193f2a4-7c1e-7b52-9a3e-4d5f60718293"
OTHER = "0193f2a4-0000-7000-8000-00000000000c"
"""The first two are whom the samples about identity name."""

TOUCHED = "0193f2a4-8a11-7000-8000-0000000000a1"
"""The event that the samples of corrections name."""

OPENING = ("identity.linked", "identity.merged", "touch.recorded")
PHONE = {"kind": "phone", "hash": "b7e23ec29af22b0b4e41da31e868d57226121c84"}
OF_CUSTOMERS = frozenset({"case", "opportunity", "enrolment"})


@dataclass(frozen=True)
class Stored:
    """A payload as it was written."""

    wire: str
    schema: int
    data: bytes

    @property
    def name(self):
        """What its sample is called."""
        return f"{self.wire}.{self.schema}"


def stored(path):
    found = json.loads(path.read_text())
    return Stored(found["type"], found["schema"], json.dumps(found["data"], separators=(",", ":")).encode())


SAMPLES = sorted(map(stored, FOLDER.glob("*.json")), key=lambda one: (one.wire not in OPENING, one.name))


@pytest.fixture
def parcels(monkeypatch):
    """A type that is at its third schema, with what its first two looked like: grams, then no reason."""

    @event("parcel.weighed", schema=3, door="facts", by="a test")
    class Weighed(Event):
        """A parcel was weighed."""

        kilograms: Decimal
        why: str

    @codec.upcaster("parcel.weighed", from_schema=1)
    def _kilograms(data):
        """Schema 1 was in grams."""
        return {"kilograms": str(Decimal(data["grams"]) / 1000)}

    @codec.upcaster("parcel.weighed", from_schema=2)
    def _why(data):
        """Until schema 3 parcels were weighed for the post only."""
        return {**data, "why": "post"}

    monkeypatch.setattr(Timeline, "matches", Timeline.matches | {Weighed})
    yield [
        Stored("parcel.weighed", 1, b'{"grams":1500}'),
        Stored("parcel.weighed", 2, b'{"kilograms":"1.5"}'),
        Stored("parcel.weighed", 3, b'{"kilograms":"1.5","why":"post"}'),
    ]
    registry._BY_WIRE.pop("parcel.weighed")
    for step in (1, 2):
        codec._UPCASTERS.pop(("parcel.weighed", step))


def whose(one):
    """The customers in whose histories a payload stands: facts in everybody's, a decision in one."""
    entry = registry.find(one.wire)
    data = json.loads(one.data)
    named = data.get("survivor") or data.get("customer")
    if named or one.wire == "identity.blocked":
        return [named or ABSORBED]
    if entry.category:
        return [OTHER] if entry.category in OF_CUSTOMERS else [None]
    return [None] if entry.key else [SURVIVOR, ABSORBED, OTHER]


def written(found):
    """The payloads as rows of a journal, in the order of its columns, and the payload of each position."""
    revisions, lines, payloads = Counter(), [], {}
    origins = cycle(["live", "import", "live", "replay"])
    for one in found:
        entry, data = registry.find(one.wire), json.loads(one.data)
        stream = f"{entry.category}-{data[entry.key]}" if entry.category else ""
        for owner in whose(one):
            position, origin = len(lines) + 1, next(origins)
            at = BEGAN + timedelta(hours=position)
            revisions[stream] += 1
            event_id = str(uuid5(NAMESPACE_URL, f"{one.name} of {owner}"))
            if (one.wire, owner) == ("touch.recorded", OTHER):
                event_id = TOUCHED
            refs = json.dumps([PHONE]).encode() if owner == ABSORBED and not stream else NO_IDENTIFIERS
            lines.append((
                position, event_id, one.wire, one.schema, stream, revisions[stream] if stream else 0,
                "old-release", f"{one.name}:{owner}", b"digest", owner, origin, at,
                at + timedelta(minutes=origin == "live"), origin == "import", at + timedelta(minutes=1),
                "ann" if stream else "", event_id if stream else "", refs, one.data, None,
                data.get("contact_id"),
            ))  # fmt: skip
            payloads[position] = one
    return lines, payloads


def install(workspace, found):
    """Write a journal, and who is who, as a release before this one left them."""
    lines, payloads = written(found)
    with workspace.engine.begin() as connection:
        copy_rows(connection, journal, WRITTEN, lines)
        connection.execute(update(journal_head).values(position=len(lines), recorded_at=lines[-1][14]))
        streams = Counter(line[4] for line in lines)
        people = [  # the last word on them was an un-merge
            (one, one, OTHER if one == OTHER else SURVIVOR, one != OTHER, 1, streams[f"identity-{one}"])
            for one in (SURVIVOR, ABSORBED, OTHER)
        ]
        columns = ["id", "survivor", "family", "tangled", "since", "revision"]
        copy_rows(connection, customer, columns, people)
        link = (PHONE["kind"], "", PHONE["hash"], ABSORBED, True, 0)
        copy_rows(
            connection, identifier, ["kind", "issuer", "hash", "customer", "blocked", "strangers"], [link]
        )
    return payloads


def unread(workspace, payloads):
    """Sample → why no event could be made of it, for those that can't be read any more."""
    found = {}
    with workspace.engine.connect() as connection:
        columns = select(*(journal.c[name] for name in COLUMNS)).order_by(journal.c.position)
        for row in connection.execute(columns):
            payload = payloads[row.position]
            try:
                one = envelope(row)
            except Undecodable as error:
                found[payload.name] = str(error)
                continue
            entry = registry.find(payload.wire)
            same = json.loads(codec.encode(one.event)) == json.loads(payload.data)
            if type(one.event) is not entry.cls or (payload.schema == entry.schema and not same):
                found[payload.name] = "is read as something else"
    return found


def test_every_payload_that_was_ever_written_is_read(workspace, parcels):
    payloads = install(workspace, [*SAMPLES, *parcels])
    assert unread(workspace, payloads) == {}
    assert {one.name for one in payloads.values()} == {one.name for one in (*SAMPLES, *parcels)}


def test_one_that_is_not_read_any_more_is_named(workspace, parcels):
    broken = [
        replace(one, schema=one.schema + 1) if one.wire == "case.opened"
        else replace(one, data=b'{"weight":"unknown"}') if one.wire == "bill.paid" else one
        for one in SAMPLES
    ]  # fmt: skip
    codec._UPCASTERS.pop(("parcel.weighed", 2))
    try:
        found = unread(workspace, install(workspace, [*broken, *parcels]))
    finally:
        codec.upcaster("parcel.weighed", from_schema=2)(dict)
    assert found == {
        "bill.paid.1": "invalid at $: Object missing required field `bill_id`",
        "case.opened.2": "schema_ahead at $.schema: case.opened is known up to schema 1",
        "parcel.weighed.1": "schema_unknown at $.schema: nothing reads schema 1 of parcel.weighed",
        "parcel.weighed.2": "schema_unknown at $.schema: nothing reads schema 2 of parcel.weighed",
    }


def test_what_is_in_a_past_schema_has_its_steps_to_the_present_one(parcels):
    past = [one for one in (*SAMPLES, *parcels) if one.schema < registry.find(one.wire).schema]
    assert {(one.wire, one.schema) for one in past} >= {("parcel.weighed", 1), ("parcel.weighed", 2)}
    for one in past:
        entry = registry.find(one.wire)
        assert codec.missing_upcasters(entry, one.schema) == [], one.name
        brought = codec.decode(one.wire, one.schema, one.data)
        assert codec.decode(one.wire, entry.schema, codec.encode(brought)) == brought, one.name


def test_an_old_journal_is_folded_and_rebuilt_and_both_say_the_same(workspace, parcels):
    install(workspace, [*SAMPLES, *parcels])
    events = recorded(workspace)
    fold(workspace)
    folded = expected(workspace, events)
    assert actual(workspace, events) == folded
    assert {owner for owner, _ in folded["customer_360"].values()} == {SURVIVOR, ABSORBED, OTHER}
    with workspace.engine.connect() as connection:
        assert sorted(connection.execute(select(ledger.c.position)).scalars()) == [e.position for e in events]
    views = projections(workspace.rules)
    work = Rebuild(workspace.engine, views)
    work.start()
    work.fill()
    work.index()
    work.follow()
    compared, _ = work.compare()
    assert [one for one in compared if one.any] == []
    work.swap()
    assert actual(workspace, events) == folded
    found = verify(workspace.engine, views, 100, seed=1)
    assert (found.owners > 3, found.moving, found.wrong) == (True, 0, [])
    send(workspace, item("today", phone(), channel="voice", direction="inbound"))
    fold(workspace)
    events = recorded(workspace)
    assert [one.position for one in events] == list(range(1, len(events) + 1))
    assert actual(workspace, events) == expected(workspace, events)


def test_what_old_releases_wrote_counts_as_what_is_written_today(workspace, parcels):
    install(workspace, [*SAMPLES, *parcels])
    fold(workspace)
    bought = {row.value["GBP"].purchases for row in rows(workspace, "customer_360").values()}
    assert bought == {1}
    put_right = json.loads(bytes(rows(workspace, "timeline")[TOUCHED].data))
    assert (put_right["channel"], put_right["reason"]) == ("im", "roaming.price")
    weighed = [one for one in rows(workspace, "timeline").values() if one.type == "parcel.weighed"]
    assert Counter((one.schema, bytes(one.data)) for one in weighed) == {
        (3, b'{"kilograms":"1.5","why":"post"}'): 9
    }


def test_an_old_journal_goes_on_the_topic_and_comes_back_as_it_was(workspace, parcels):
    """The relay sends the bytes as they were stored; each reader brings them up to date."""
    payloads = install(workspace, [*SAMPLES, *parcels])
    recorded_there = recorded(workspace)
    with workspace.engine.connect() as connection:
        found = connection.execute(
            select(*(journal.c[name] for name in WRITTEN)).order_by(journal.c.position)
        ).all()
    for row, one in zip(found, recorded_there, strict=True):
        message = from_row(row)
        assert message.value == payloads[one.position].data
        for key in message.keys:
            record = ConsumerRecord(
                topic="touchstone.events", partition=0, offset=0, timestamp=0, timestamp_type=0, key=key,
                value=message.value, checksum=None, serialized_key_size=len(key),
                serialized_value_size=len(message.value), headers=message.headers,
            )  # fmt: skip
            assert read(record, "topic") == one, payloads[one.position].name
