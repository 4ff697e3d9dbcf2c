"""Reading the quarantine again after a fix: what is an event by now is recorded, and causes nothing."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from msgspec import Struct

from infra.intake import Pending, Rejected
from infra.quarantine import held as held_entries
from infra.quarantine.again import give_back
from infra.quarantine.aside import READER
from infra.quarantine.store import Held
from infra.workspace import Workspace

DOOR = "replay"
CHUNK = 500


class UnknownCode(ValueError):
    """The quarantine never had an entry of this code; the message says which it has."""


class ReplayReport(Struct, frozen=True, kw_only=True):
    """What became of the open entries: tried = accepted + duplicates + refused + held + unreadable.

    `held` are those that still can't be taken, by code. `unreadable` are lines of an import that no
    mapping could read: no fix here cures them, importing their file again does.
    """

    tried: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    held: dict[str, int] = {}
    unreadable: int = 0


Translate = Callable[[bytes, datetime], bytes | Rejected]
"""What a door's own language was turned into when it came, from its bytes and its moment of arrival."""


def as_it_is(raw: bytes, _: datetime) -> bytes:
    """For what came in the gateway's own form."""
    return raw


def replay(
    workspace: Workspace, code: str | None = None, *, translate: Translate = as_it_is,
    others: Collection[str] = (),
) -> ReplayReport:  # fmt: skip
    """Try every open entry again, or those of one code. Stopping it halfway and starting it anew is harmless.

    An entry is read as if it were the moment of its arrival, and known from then on; what an import says
    of its own times stands. An event that a reader of the journal could not take is given back to it.
    `translate` knows other languages than the gateway's; entries of the sources `others` are left alone:
    whoever kept them tries them again.
    Raises `Unavailable`, and `UnknownCode` before anything is tried.
    """
    if code is not None:
        _expect(workspace, code)
    count: Counter[str] = Counter()
    held: Counter[str] = Counter()
    after = 0
    while entries := workspace.quarantine.open_entries(after=after, code=code, limit=CHUNK):
        after = entries[-1].id
        entries = [entry for entry in entries if entry.source not in others]
        count["tried"] += len(entries)
        readable: list[tuple[Held, Pending]] = []
        for entry in entries:
            if entry.source.startswith(READER):
                _give_back(workspace, entry, count, held)
                continue
            raw = translate(entry.raw, entry.received_at)
            match raw if isinstance(raw, Rejected) else workspace.intake.read(raw, entry.received_at):
                case Rejected(line=True):
                    count["unreadable"] += 1
                case Rejected(code=still):
                    held[still] += 1
                case Pending() as pending:
                    readable.append((entry, _as_history(pending, entry)))
        _record(workspace, readable, count, held)
    return ReplayReport(
        tried=count["tried"], accepted=count["accepted"], duplicates=count["duplicate"],
        refused=count["refused"], held=dict(held), unreadable=count["unreadable"],
    )  # fmt: skip


def _expect(workspace: Workspace, code: str) -> None:
    """A code whose entries are all settled is known, and has nothing to try."""
    if not held_entries.was_ever(workspace.engine, code):
        told = ", ".join(f"{one} ({count:,})" for one, count in sorted(workspace.quarantine.counts().items()))
        raise UnknownCode(f"nothing was ever held for {code!r}; held now: {told or 'nothing'}")


def _give_back(workspace: Workspace, entry: Held, count: Counter[str], held: Counter[str]) -> None:
    """An event of the journal that one of its readers could not take."""
    if give_back(workspace, entry.source.removeprefix(READER), entry.source_id):
        count["accepted"] += 1
        workspace.quarantine.settle(entry.id, "accepted", workspace.clock.now())
    else:
        held[entry.code] += 1


def _as_history(pending: Pending, entry: Held) -> Pending:
    """A live event that comes late must not fire what would have been right at its time."""
    if pending.draft.origin == "live":
        pending.draft.known_at = entry.received_at
    pending.draft.origin = "replay"
    return pending


def _record(
    workspace: Workspace, readable: Sequence[tuple[Held, Pending]], count: Counter[str], held: Counter[str]
) -> None:
    now = workspace.clock.now()
    answers = workspace.door(DOOR).settle([pending for _, pending in readable], now)
    for (entry, _), answer in zip(readable, answers, strict=True):
        if answer.verdict == "quarantined":
            held[answer.code] += 1
        else:
            count[answer.verdict] += 1
        if answer.verdict != "quarantined" or answer.code != entry.code:  # else it is this entry still
            workspace.quarantine.settle(entry.id, answer.verdict, now)
