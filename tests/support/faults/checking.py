"""The judgement after the faults: book, journal, topics, ledger, views and effects say the same."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
from sqlalchemy import func, select

from events.envelope import Envelope
from events.topics import events_topic, family_topic, family_topics
from infra.view_store import ViewStore
from infra.workspace import Workspace
from models.projections.catalogue import projections
from models.tables.readers import ledger
from models.tables.set_aside import set_aside
from tests.support.faults.book import Book, Capture, Reckoning
from tests.support.faults.crowd import identifiers
from tests.support.faults.subscribing import Heard, listen
from tests.support.viewing import expected, keys, recorded

SHOWN, LONGEST = 20, 300
OWN = ("policy:", "sweep:")


def judge(workspace: Workspace, book: Book, client: httpx.Client, bootstrap: str = "") -> dict[str, int]:
    """Compare everything with everything; the counts of what was compared. Fails with what differs."""
    events = recorded(workspace)
    wrong = [
        *book.wrong, *_journal(events), *_book(events, book), *_ledger(workspace, events),
        *_aside(workspace), *_views(workspace, events), *_effects(events, book.captures),
        *_reckoned(book.reckon(), client), *_captured(book.captures, client),
    ]  # fmt: skip
    repeats = 0
    if bootstrap:
        found, repeats = _topics(events, bootstrap, workspace.settings.topic_prefix)
        wrong += found
    more = f"\n  and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    assert not wrong, "the promises are broken:\n  " + "\n  ".join(wrong[:SHOWN]) + more
    return {
        "events": len(events), "from senders": len(book.entries()), "customers": len(book.reckon()),
        "opportunities": len(book.captures), "repeats on topics": repeats,
    }  # fmt: skip


def _journal(events: list[Envelope]) -> Iterator[str]:
    """Positions without a gap, every source id once."""
    positions = [one.position for one in events]
    if positions != list(range(1, len(positions) + 1)):
        yield f"the journal's {len(positions)} positions end at {positions[-1]}: they are not gapless"
    for key, count in Counter((one.source, one.source_id) for one in events).items():
        if count > 1:
            yield f"{key} is in the journal {count} times"


def _book(events: Iterable[Envelope], book: Book) -> Iterator[str]:
    """What was acknowledged is there, as the same event; and nothing is there that was never sent."""
    sources = {entry.source for entry in book.entries()}
    found = {(one.source, one.source_id): one.event_id for one in events if one.source in sources}
    told = book.acknowledged()
    for key in told.keys() - found.keys():
        yield f"{key} was acknowledged and is lost"
    for key in found.keys() - told.keys():
        yield f"{key} is in the journal and was never acknowledged"
    for key, event_id in told.items():
        if event_id and key in found and found[key] != event_id:
            yield f"{key} was acknowledged as {event_id} and is {found[key]}"


def _ledger(workspace: Workspace, events: Iterable[Envelope]) -> Iterator[str]:
    with workspace.engine.connect() as connection:
        folded = set(connection.execute(select(ledger.c.position)).scalars())
    there = {one.position for one in events}
    if folded != there:
        yield f"the ledger lacks {sorted(there - folded)[:5]} and has {sorted(folded - there)[:5]} too many"


def _aside(workspace: Workspace) -> Iterator[str]:
    """No fault ever puts a healthy event into quarantine."""
    for code, count in workspace.quarantine.counts().items():
        yield f"{count} healthy events are in quarantine: {code}"
    with workspace.engine.connect() as connection:
        aside = connection.execute(select(func.count()).select_from(set_aside)).scalar_one()
        if aside:
            yield f"{aside} healthy events were set aside by a reader"


def _views(workspace: Workspace, events: list[Envelope]) -> Iterator[str]:
    """Every row of every view is what a plain fold of the journal gives, and there is no other."""
    folded = expected(workspace, events)
    with workspace.engine.connect() as connection:
        for projection in projections(workspace.rules):
            store = ViewStore(projection)
            rows = connection.execute(select(store.table)).all()
            there = {row.key: (row.owner, store.decode(row.state)) for row in rows}
            wanted = folded[projection.name]
            for key in there.keys() | wanted.keys():
                if there.get(key) != wanted.get(key):
                    yield f"{projection.name} {key}: {_short(there.get(key))}, a refold gives {_short(wanted.get(key))}"


def _effects(events: Iterable[Envelope], captures: list[Capture]) -> Iterator[str]:
    """A policy acts once on each cause, a clock is missed once, and every capture had both."""
    by_cause = Counter((one.source, one.type, one.cause) for one in events if one.source.startswith(OWN))
    for (source, type, cause), count in by_cause.items():
        if count > 1:
            yield f"{source} recorded {type} {count} times because of {cause}"
    streams: dict[str, list[str]] = defaultdict(list)
    for one in events:
        if one.stream.startswith("opportunity-"):
            streams[one.stream].append(one.type.removeprefix("opportunity."))
    usual = ["captured", "routed", "follow_up_missed"]
    for capture in captures:
        happened = streams.pop(f"opportunity-{capture.opportunity_id}", [])
        if happened != usual:
            yield f"opportunity {capture.opportunity_id}: {happened}"
    for stream in streams:
        yield f"{stream} was never captured by the sender"


def _topics(events: list[Envelope], bootstrap: str, prefix: str) -> tuple[list[str], int]:
    everything = events_topic(prefix)
    heard = listen(bootstrap, [everything, *family_topics(prefix)])
    wrong = list(_topic(everything, events, heard[everything], both=True))
    families: dict[str, list[Envelope]] = defaultdict(list)
    for one in events:
        families[family_topic(prefix, one.type.split(".", 1)[0].replace("_", "-"))].append(one)
    for topic in family_topics(prefix):
        wrong += _topic(topic, families[topic], heard[topic], both=False)
    return wrong, sum(one.repeats for one in heard.values())


def _topic(topic: str, events: list[Envelope], heard: Heard, *, both: bool) -> Iterator[str]:
    """A subscriber that follows the rule hears each event once, unchanged, where its key's others are."""
    for key, partitions in heard.partitions.items():
        if len(partitions) > 1:
            yield f"{topic}: key {key} is on partitions {sorted(partitions)}"
    for one in events:
        if heard.events.get(one.position) != one:
            yield f"{topic}: position {one.position} is {'changed' if one.position in heard.events else 'lost'}"
            continue
        under = keys(one) if both else keys(one)[:1]
        places = {place for key in under for place in heard.partitions.get(key, {-1})}
        if places != heard.places[one.position]:
            yield f"{topic}: position {one.position} is on {heard.places[one.position]}, not on {places}"
    for position in heard.events.keys() - {one.position for one in events}:
        yield f"{topic}: position {position} does not belong there"


def _reckoned(reckonings: Iterable[Reckoning], client: httpx.Client) -> Iterator[str]:
    """Each customer over HTTP beside the sender's own sums."""
    whose: dict[str, Reckoning] = {}
    for one in reckonings:
        ids = {_customer_of(kind, value, client) for kind, value in one.names}
        if len(ids) != 1 or None in ids:
            yield f"{sorted(one.names)} are one person, and lead to {ids}"
            continue
        (customer,) = ids
        if customer in whose:
            yield f"{customer} is two persons: {sorted(one.names)} and {sorted(whose[customer].names)}"
        whose[str(customer)] = one
        view = client.get(f"/v1/customers/{customer}").json()
        seen, wanted = _seen(view), _wanted(one)
        if seen != wanted:
            differing = {name: (seen[name], wanted[name]) for name in wanted if seen[name] != wanted[name]}
            yield f"{customer} shows another view than the book (view, book): {differing}"


def _customer_of(kind: str, value: str, client: httpx.Client) -> str | None:
    (asked,) = identifiers([(kind, value)])
    params = {asked.pop("kind"): asked.pop("value"), **asked}
    found = client.get("/v1/customers", params=params).json()["customers"]
    return found[0]["customer"] if len(found) == 1 else None


def _seen(view: dict[str, Any]) -> dict[str, object]:
    bought = (view["value"] or [{}])[0]
    last = view["contacts"]["last"] or {}
    return {
        "contacts": view["contacts"]["ever"], "last contact": _moment(last.get("at")),
        "purchases": bought.get("purchases", 0), "returns": bought.get("returns", 0),
        "spent": Decimal(bought.get("amount") or 0), "first seen": _moment(view["identity"]["first_at"]),
        "last seen": _moment(view["identity"]["last_at"]),
    }  # fmt: skip


def _wanted(one: Reckoning) -> dict[str, object]:
    return {
        "contacts": one.contacts, "last contact": one.last_contact, "purchases": one.purchases,
        "returns": one.returns, "spent": one.spent, "first seen": one.first_at, "last seen": one.last_at,
    }  # fmt: skip


def _captured(captures: Iterable[Capture], client: httpx.Client) -> Iterator[str]:
    """Each lead's open opportunities over HTTP."""
    by_name: dict[tuple[str, str], set[str]] = defaultdict(set)
    for capture in captures:
        by_name[capture.name].add(capture.opportunity_id)
    for name, wanted in by_name.items():
        view = client.get(f"/v1/customers/{_customer_of(*name, client)}").json()
        found = {one["opportunity_id"] for one in view.get("opportunities", [])}
        if found != wanted:
            yield f"the view of {name} has {len(found)} opportunities, {len(found ^ wanted)} differ"


def _short(row: object) -> str:
    text = repr(row)
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
