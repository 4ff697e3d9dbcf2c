"""The sender's own book: what it sends, what it was told, and by plain arithmetic what must follow.

It knows nothing of the code under test. An entry is written before it is sent, and is owed until the
system says that it has it.
"""

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

Kind = Literal["contact", "visit", "purchase", "return"]
Name = tuple[str, str]
"""What a person is known by: the kind of identifier, its value."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it is sent. `names` are the identifiers it carries, `amount` is in dollars."""

    source: str
    source_id: str
    kind: Kind
    at: datetime
    names: tuple[Name, ...]
    amount: Decimal = Decimal(0)

    @property
    def key(self) -> tuple[str, str]:
        """By what its sender and the journal know it."""
        return (self.source, self.source_id)


@dataclass
class Reckoning:
    """What a customer's view must say, reckoned from the entries alone."""

    names: set[Name] = field(default_factory=set)
    events: int = 0
    contacts: int = 0
    purchases: int = 0
    returns: int = 0
    spent: Decimal = Decimal(0)
    first_at: datetime | None = None
    last_at: datetime | None = None
    last_contact: datetime | None = None

    def add(self, entry: Entry) -> None:
        """One more event of this customer."""
        self.names.update(entry.names)
        self.events += 1
        self.first_at = min(self.first_at or entry.at, entry.at)
        self.last_at = max(self.last_at or entry.at, entry.at)
        match entry.kind:
            case "contact":
                self.contacts += 1
                self.last_contact = max(self.last_contact or entry.at, entry.at)
            case "purchase":
                self.purchases += 1
                self.spent += entry.amount
            case "return":
                self.returns += 1
                self.spent -= entry.amount


@dataclass(slots=True)
class Capture:
    """An opportunity that was captured over the API, under a key of the sender's."""

    key: str
    name: Name
    opportunity_id: str = ""


class Book:
    """Written by several senders at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str], Entry] = {}
        self._told: dict[tuple[str, str], str] = {}
        self.captures: list[Capture] = []
        self.wrong: list[str] = []
        """Answers that no sender should ever get."""

    def write(self, entries: list[Entry]) -> None:
        """Before they are sent."""
        with self._lock:
            for entry in entries:
                self._entries[entry.key] = entry

    def capture(self, capture: Capture) -> None:
        """Before it is asked for."""
        with self._lock:
            self.captures.append(capture)

    def told(self, entry: Entry, verdict: str, event_id: str) -> None:
        """What the system answered. Whatever it once said to have, it must have ever after, as the same."""
        with self._lock:
            before = self._told.get(entry.key)
            if verdict not in ("accepted", "duplicate"):
                self.wrong.append(f"{entry.key} was {verdict}")
            elif before is None:
                self._told[entry.key] = event_id
            elif verdict == "accepted":
                self.wrong.append(f"{entry.key} was acknowledged before, and yet it was new")
            elif before != event_id:
                self.wrong.append(f"{entry.key} was {before} when acknowledged, and is {event_id} now")

    def handed_over(self, entry: Entry) -> None:
        """A broker took it; its event id is not told."""
        with self._lock:
            self._told.setdefault(entry.key, "")

    def entries(self) -> list[Entry]:
        """Everything that was ever sent."""
        with self._lock:
            return list(self._entries.values())

    def acknowledged(self) -> dict[tuple[str, str], str]:
        """Key → event id (empty where that was not told) of all that the system said to have."""
        with self._lock:
            return dict(self._told)

    def owed(self) -> list[tuple[str, str]]:
        """What was sent and never acknowledged."""
        with self._lock:
            return [key for key in self._entries if key not in self._told]

    def reckon(self) -> list[Reckoning]:
        """Every customer: whoever shares a name is one."""
        entries = self.entries()
        home = {name: name for entry in entries for name in entry.names}

        def find(name: Name) -> Name:
            while home[name] != name:
                name = home[name]
            return name

        for entry in entries:
            for other in entry.names[1:]:
                home[find(other)] = find(entry.names[0])
        found: dict[Name, Reckoning] = defaultdict(Reckoning)
        for entry in entries:
            found[find(entry.names[0])].add(entry)
        return list(found.values())
