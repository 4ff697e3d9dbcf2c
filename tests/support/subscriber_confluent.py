"""A subscriber that knows the AsyncAPI page alone: `subscriber_confluent.py ASYNCAPI BOOTSTRAP PREFIX events|state`.

It reads a topic from the first message to the last that is there now, and writes its table of customers as JSON:
customer → what it counts of them, whose events are whose by the rules of the page. Nothing of Touchstone is imported.
"""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

PATIENCE_SECONDS = 30.0
STAYING = ("identity", "customer", "lifecycle", "target_list")


@dataclass(frozen=True)
class Event:
    """One event as its message tells it."""

    position: int
    id: str
    type: str
    customer: str
    stream: str
    revision: int
    cause: str
    identifiers: list[dict[str, Any]]
    data: dict[str, Any]


def messages(page: dict[str, Any], channel: str, bootstrap: str, prefix: str) -> Iterator[Message]:
    """Everything that is on a channel's topic now, partition by partition in order."""
    told = page["channels"][channel]
    topic = told["address"].replace("{prefix}", prefix)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "late", "enable.auto.commit": False})
    left = {}
    for number in range(told["bindings"]["kafka"]["partitions"]):
        low, high = ends(consumer, TopicPartition(topic, number))
        if high > low:
            left[number] = high
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in left])
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(left)} partitions were not read to their ends")
        for message in consumer.consume(1_000, 0.5):
            if message.error() is not None:
                raise KafkaException(message.error())
            yield message
            if message.offset() + 1 >= left.get(message.partition(), 0):
                left.pop(message.partition(), None)
    consumer.close()


def ends(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """The first and the next offset of a partition; a topic that has just been made is asked again."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return consumer.get_watermark_offsets(place, timeout=PATIENCE_SECONDS)
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            consumer.list_topics(place.topic, timeout=PATIENCE_SECONDS)


def heard(found: Iterator[Message]) -> list[Event]:
    """The events, each once, in the order of the journal."""
    last: dict[int, int] = defaultdict(int)
    events: dict[int, Event] = {}
    for message in found:
        headers = {name: value.decode() for name, value in message.headers()}
        position = int(headers["ts_position"])
        if position <= last[message.partition()]:
            continue  # a repeat
        last[message.partition()] = position
        events[position] = Event(
            position=position, id=headers["ce_id"], type=headers["ce_type"],
            customer=headers.get("ts_customer", ""), stream=headers.get("ts_stream", ""),
            revision=int(headers.get("ts_revision", "0")), cause=headers.get("ts_cause", ""),
            identifiers=json.loads(headers.get("ts_identifiers", "[]")), data=json.loads(message.value()),
        )  # fmt: skip
    return [events[position] for position in sorted(events)]


@dataclass
class Identities:
    """Who is whom, and so whose an event is."""

    families: dict[str, str] = field(default_factory=dict)
    links: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    blocked: set[str] = field(default_factory=set)
    into: dict[str, str] = field(default_factory=dict)
    merged_at: dict[str, int] = field(default_factory=dict)
    undone: list[tuple[set[str], int, int]] = field(default_factory=list)
    assigned: dict[str, str] = field(default_factory=dict)
    first: dict[str, Event] = field(default_factory=dict)
    by_id: dict[str, Event] = field(default_factory=dict)

    def read(self, events: list[Event]) -> None:
        """Take all events in, in the order of the journal."""
        for one in events:
            self.by_id[one.id] = one
            if one.revision == 1:
                self.first[one.stream] = one
            self._take(one, one.data)
        for one in events:
            for subject in subjects(one):
                if subject in self.assigned and one.customer:
                    self.join(one.customer, self.assigned[subject])

    def _take(self, one: Event, said: dict[str, Any]) -> None:
        match one.type:
            case "identity.linked":
                self.links[key(said["identifier"])].append(said["customer"])
            case "identity.blocked":
                self.blocked.add(key(said["identifier"]))
            case "identity.merged":
                self.join(said["survivor"], said["absorbed"])
                self.into[said["absorbed"]] = said["survivor"]
                self.merged_at[said["absorbed"]] = one.position
            case "identity.unmerged" if said["restored"] in self.into:
                since = self.merged_at[said["restored"]]
                self.undone.append((self.above(said["restored"]), since, one.position))
                del self.into[said["restored"]]
            case "identity.split":
                self.join(said["customer"], said["restored"])
                for ref in said["identifiers"]:
                    self.links[key(ref)].append(said["restored"])
            case "identity.assigned":
                self.assigned[said["event_or_stream"]] = said["customer"]

    def join(self, one: str, other: str) -> None:
        """These two are of one family."""
        self.families[self.family(other)] = self.family(one)

    def family(self, one: str) -> str:
        """The name of a customer's family."""
        while (up := self.families.get(one, one)) != one:
            one = up
        return one

    def above(self, one: str) -> set[str]:
        """Everybody into whom this one was merged."""
        found = set()
        while one in self.into:
            one = self.into[one]
            found.add(one)
        return found

    def root(self, one: str) -> str:
        """Whom this id means now."""
        while one in self.into:
            one = self.into[one]
        return one

    def belongs(self, identifier: dict[str, Any], family: str) -> str:
        """The customer of a family to whom an identifier belongs; "" for none."""
        theirs = [one for one in self.links[key(identifier)] if self.family(one) == family]
        return theirs[-1] if theirs else ""

    def owner(self, one: Event) -> str:
        """Whose an event is now; "" for nobody's."""
        side = self.side(one)
        return self.root(side) if side else ""

    def side(self, one: Event) -> str:
        """The rules of the page, in their order."""
        for subject in subjects(one):
            if subject in self.assigned:
                return self.assigned[subject]
        family = self.family(one.customer)
        if one.type in ("identity.linked", "identity.blocked"):
            return self.belongs(one.data["identifier"], family) or one.customer
        if one.type == "identity.merged":
            holds = self.merged_at.get(one.data["absorbed"]) == one.position
            return one.data["survivor"] if holds and one.data["absorbed"] in self.into else ""
        if one.type in ("customer.erased", "customer.erasure_certified"):
            return str(one.data["customer"])
        if one.data.get("touch_id") in self.by_id:
            return self.side(self.by_id[one.data["touch_id"]])
        opening = self.first.get(one.stream)
        if opening is not None and opening is not one and opening.customer:
            return self.side(opening)
        for ref in one.identifiers:
            if key(ref) not in self.blocked and (theirs := self.belongs(ref, family)):
                return theirs
        if one.stream and one.cause in self.by_id:
            return self.side(self.by_id[one.cause])
        return self._as_recorded(one)

    def _as_recorded(self, one: Event) -> str:
        wrongly = any(
            one.customer in above and since < one.position < until for above, since, until in self.undone
        )
        return one.customer if not wrongly or one.type.split(".")[0] in STAYING else ""


def subjects(one: Event) -> list[str]:
    """By what an assignment may name this event."""
    contact = one.data.get("contact_id")
    return [one.id, *([one.stream] if one.stream else []), *([f"contact-{contact}"] if contact else [])]


def key(identifier: dict[str, Any]) -> str:
    """An identifier is its kind, issuer and hash."""
    return f"{identifier['kind']} {identifier.get('issuer', '')} {identifier['hash']}"


def table(events: list[Event]) -> dict[str, Any]:
    """Customer → counts, the erased left out."""
    who = Identities()
    who.read(events)
    retracted = {one.data["touch_id"] for one in events if one.type == "touch.retracted"}
    rows: dict[str, Any] = {}
    opened: dict[str, tuple[str, str]] = {}
    gone = set()
    for one in events:
        owner = who.owner(one)
        if not owner or one.id in retracted:
            continue
        row = rows.setdefault(
            owner, {"touches": 0, "purchases": 0, "open_opportunities": [], "open_cases": []}
        )
        row["touches"] += one.type == "touch.recorded"
        row["purchases"] += one.type == "purchase.recorded"
        if one.type == "customer.erased":
            gone.add(who.root(one.data["customer"]))
        follow(one, owner, opened)
    for what, (owner, kind) in opened.items():
        rows[owner][kind].append(what)
    for row in rows.values():
        row["open_opportunities"].sort()
        row["open_cases"].sort()
    return {one: row for one, row in sorted(rows.items()) if one not in gone}


def follow(one: Event, owner: str, opened: dict[str, tuple[str, str]]) -> None:
    """Keep what is open, stream by stream; within a stream the order of the journal is that of its revisions."""
    match one.type, one.data:
        case "opportunity.captured" | "opportunity.reopened" | "opportunity.staged", {"opportunity_id": what}:
            opened[what] = (owner, "open_opportunities")
        case "opportunity.imported", {"opportunity_id": what, **rest} if not rest.get("closed"):
            opened[what] = (owner, "open_opportunities")
        case "case.imported", {"case_id": what, **rest} if rest.get("status", "closed") == "open":
            opened[what] = (owner, "open_cases")
        case "case.opened" | "case.reopened", {"case_id": what}:
            opened[what] = (owner, "open_cases")
        case "opportunity.won" | "opportunity.lost", {"opportunity_id": what}:
            opened.pop(what, None)
        case "case.resolved" | "case.closed", {"case_id": what}:
            opened.pop(what, None)


def stand(found: Iterator[Message]) -> dict[str, Any]:
    """Customer → counts, out of the topic that says where each stands."""
    latest: dict[str, Any] = {}
    for message in found:
        latest[message.key().decode()] = json.loads(message.value()) if message.value() else None
    return {
        one: {
            "purchases": sum(each["purchases"] for each in said["value"]),
            "open_opportunities": sorted(each["opportunity_id"] for each in said["open_opportunities"]),
            "open_cases": sorted(each["case_id"] for each in said["open_cases"]),
        }
        for one, said in sorted(latest.items())
        if said is not None
    }


if __name__ == "__main__":
    asyncapi, bootstrap, prefix, mode = sys.argv[1:]
    page = json.loads(Path(asyncapi).read_text())
    if mode == "events":
        print(json.dumps(table(heard(messages(page, "events", bootstrap, prefix)))))
    else:
        print(json.dumps(stand(messages(page, "customer-state", bootstrap, prefix))))
