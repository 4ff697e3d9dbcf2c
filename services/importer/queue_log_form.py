"""A file of the bank's calls, a row a call, written as a switch's queue log would have told them.

Both ways in must come to the same contacts: the rows by their mapping, the lines by their connector. The form
has no accounts, so that a caller is told by a made-up number, the same for the same account; no hang-ups in the
menu, which never came to a queue; no phantoms, which it has no word for.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from events import codec
from events.envelope import Envelope
from infra.intake import Inbound, Rejected
from models.domain.conversation import Conversation, of
from models.domain.reconciliation import Call, Reconciled, by_contact, call_of
from services.gateway.connectors.asterisk_queue_log import CONNECTOR
from services.gateway.connectors.connector import Instance, Part, translate
from services.importer.drafting import Draft, Drafter
from services.importer.mapping import Mapping as MappingOf
from services.importer.reading import BadRow, open_table

SWITCH = Instance(name="bank_switch")
ZONE = ZoneInfo("Asia/Jerusalem")
NONE = "0:00:00"
"""A part of the call that did not happen."""
QUEUES = {
    "PS": "regular", "PE": "english", "NW": "new_customer", "NE": "stock_exchange", "IN": "internet",
    "TT": "back_office",
}  # fmt: skip
NUMBER = "+1212{}"
FIRST_NUMBER = 2_000_000

Row = Mapping[str, str]
_inbound = msgspec.json.Decoder(Inbound)


class Both(Struct, frozen=True, kw_only=True):
    """What the two ways came to: contacts compared one by one, and whether they are of the same people."""

    calls: int
    compared: Reconciled
    customers: tuple[int, int]
    same_people: bool


def carried(row: Row) -> bool:
    """Can the form tell of this call? It can where it queued, or reached an agent."""
    return row["outcome"] != "PHANTOM" and (row["q_start"] != NONE or row["outcome"] == "AGENT")


def lines_of(rows: Iterable[tuple[int, Row]]) -> Iterator[str]:
    """The lines of those rows that can be told, each with its number: a call is known by it."""
    callers: dict[str, str] = {}
    for number, row in rows:
        if carried(row):
            yield from _lines(str(number), row, _caller(row, callers))


def _caller(row: Row, callers: dict[str, str]) -> str:
    """A mangled account is nobody's: two of them would make one person of two."""
    account = row["customer_id"]
    if account == "0" or not account.isdigit():
        return ""
    return callers.setdefault(account, NUMBER.format(FIRST_NUMBER + len(callers)))


def _lines(call: str, row: Row, caller: str) -> Iterator[str]:
    queued, served = row["q_start"] != NONE, row["ser_start"] != NONE
    queue = QUEUES.get(row["type"], row["type"])
    agent = "NONE" if row["server"] == "NO_SERVER" else row["server"]
    waited, talked = int(row["q_time"]) if queued else 0, int(row["ser_time"]) if served else 0
    entered = _at(row, "q_start" if queued else "ser_start" if served else "vru_exit")

    def line(at: datetime, who: str, event: str, *more: object) -> str:
        return "|".join(map(str, (int(at.timestamp()), call, queue, who, event, *more)))

    yield line(entered, "NONE", "ENTERQUEUE", "", caller, 1)
    given_up = entered + timedelta(seconds=waited)
    if not served and row["outcome"] == "HANG":
        yield line(given_up, "NONE", "ABANDON", 1, 1, waited)
        return
    answered = max(given_up, _at(row, "ser_start")) if served else given_up
    yield line(answered, agent, "CONNECT", waited, f"{call}.1", 0)
    yield line(answered + timedelta(seconds=talked), agent, "COMPLETECALLER", waited, talked, 1)


def _at(row: Row, column: str) -> datetime:
    """The moment of a column. The date is that of the call's beginning, and a call may go on after midnight."""
    day = datetime.strptime(row["date"], "%y%m%d").replace(tzinfo=ZONE)
    hours, minutes, seconds = map(int, row[column].split(":"))
    late = _seconds(row[column]) < _seconds(row["vru_entry"]) - 3600
    return (day + timedelta(days=late, hours=hours, minutes=minutes, seconds=seconds)).astimezone(UTC)


def _seconds(clock: str) -> int:
    hours, minutes, seconds = map(int, clock.split(":"))
    return hours * 3600 + minutes * 60 + seconds


def told_by(lines: Iterable[str]) -> Iterator[tuple[Envelope, str]]:
    """What the connector tells of the lines, and the caller's number where a line names one."""
    for number, line in enumerate(lines, 1):
        found = translate(Part(f"{line.split('|', 2)[1]}/{number}", line.encode()), CONNECTOR, SWITCH)
        if isinstance(found, Rejected):
            raise ValueError(f"line {number} of the queue log: {found.detail}")
        for item in map(_inbound.decode, found):
            yield _envelope(item), item.identifiers[0].value if item.identifiers else ""


def imported(items: Iterable[bytes]) -> Iterator[tuple[Envelope, str]]:
    """What the mapping makes of the rows, and the account where a row names one."""
    for item in map(_inbound.decode, items):
        yield _envelope(item), item.identifiers[0].value if item.identifiers else ""


def _envelope(item: Inbound) -> Envelope:
    at = item.occurred_at
    assert at is not None
    return Envelope(
        event=codec.decode_inbound(item.type, item.data), event_id=item.source_id, position=0, occurred_at=at,
        known_at=at, recorded_at=at, source=item.source, source_id=item.source_id, origin="import",
    )  # fmt: skip


def by_row(contacts: Mapping[str, Conversation]) -> dict[str, Call]:
    """Contacts of either way under the number of their row."""
    return {(number := row_of(name)): call_of(contact, number) for name, contact in contacts.items()}


def row_of(name: str) -> str:
    """The row's number out of a contact's or an event's id."""
    return name.removeprefix(f"{SWITCH.name}:").partition("#")[0]


def both_ways(path: Path, mapping: MappingOf) -> Both:
    """A file's calls by its mapping and by the connector; nothing is recorded.

    Raises `MappingProblem`, `FileProblem`.
    """
    items, rows = list[bytes](), list[tuple[int, Row]]()
    with open_table(path, mapping.file) as table:
        drafter = Drafter(mapping, table.columns)
        for row in table.rows:
            items += [msgspec.json.encode(one) for one in drafter.draft(row).items if isinstance(one, Draft)]
            if not isinstance(row, BadRow):
                rows.append((row.number, dict(zip(table.columns, row.cells, strict=True))))
    return compare(imported(items), told_by(lines_of(rows)))


def compare(rows: Iterable[tuple[Envelope, str]], lines: Iterable[tuple[Envelope, str]]) -> Both:
    """Both ways against each other, for the calls that the queue log tells of; events, and of whom they are."""
    one, other = list(rows), list(lines)
    here, there = by_row(of(event for event, _ in other)), by_row(of(event for event, _ in one))
    there = {number: call for number, call in there.items() if number in here}
    numbers, accounts = _people(other), _people(one)
    pairs = {(numbers.get(number, ""), accounts.get(number, "")) for number in here}
    people = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    return Both(
        calls=len(here), compared=by_contact(here, there),
        customers=(len(people[0] - {""}), len(people[1] - {""})),
        same_people=len(pairs) == len(people[0]) == len(people[1]),
    )  # fmt: skip


def _people(told: Iterable[tuple[Envelope, str]]) -> dict[str, str]:
    """Row → who called, as far as anybody said."""
    return {
        row_of(getattr(event.event, "contact_id", None) or event.event_id): who for event, who in told if who
    }
