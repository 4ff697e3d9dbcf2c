"""The end of an erasure: subscribers are told, and a certificate says what was deleted and what is left."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from sqlalchemy.dialects.postgresql import insert

from events.customer import CustomerErased, ErasureCertified
from events.envelope import Envelope
from infra.database import unavailable
from infra.workspace import Workspace
from models.ports import By, Write
from models.tables.erasure import erasure

log = structlog.get_logger()
SOURCE = "erasure"


class Certificate(Struct, frozen=True, kw_only=True):
    """What was deleted, and what is left. `archives_until`: backups of the vault made before can be read till then."""

    customer: str
    requested_at: datetime
    finished_at: datetime
    archives_until: datetime
    runs: int
    events: int
    keys: int
    identifiers: int
    raw_bodies: int
    quarantined: int
    search_rows: int
    vacuumed: bool
    left: tuple[str, ...] = (
        "events without their personal fields, under a customer id that leads to nobody",
        "keyed hashes of the identifiers, so that nobody contacts them again",
        "what others put in the clear where nothing is sealed: ids of their own, attributes, names of agents",
        "up to a day, in files of Kafka's that nobody can read by offset, what came by the intake topic",
    )


class Forgotten(Struct, frozen=True):
    """What one turn deleted of a customer. `sides` are the ids that mean them; `asked` is the row of who asked."""

    asked: Any
    customer: str
    sides: list[str]
    upto: int
    events: int
    counts: dict[str, int]


def certify(workspace: Workspace, done: Forgotten, vacuumed: bool) -> None:
    """Write the certificate, tell subscribers, close. Raises `Unavailable`; to begin anew does no harm."""
    asked, now = done.asked, workspace.clock.now()
    before: dict[str, Any] = msgspec.json.decode(asked.certificate) if asked.certificate else {}
    certificate = Certificate(
        customer=str(asked.customer), requested_at=asked.requested_at, finished_at=now, runs=asked.runs + 1,
        archives_until=now + timedelta(days=workspace.settings.archive_days), events=done.events,
        vacuumed=vacuumed, **{name: count + before.get(name, 0) for name, count in done.counts.items()},
    )  # fmt: skip
    _tell_of_all(workspace, certificate.customer, done.sides)
    event = ErasureCertified(
        customer=certificate.customer, keys=certificate.keys, identifiers=certificate.identifiers,
        archives_until=certificate.archives_until, run=certificate.runs,
    )  # fmt: skip
    _tell(workspace, f"{certificate.customer}:{certificate.runs}", done.customer, event, now)
    told = {
        "finished_at": now, "upto": done.upto, "runs": certificate.runs, "waiting": "",
        "certificate": msgspec.json.encode(certificate),
    }  # fmt: skip
    rows = [{"customer": one, "event_id": asked.event_id, "requested_at": asked.requested_at, **told}
            for one in {certificate.customer, *done.sides}]  # fmt: skip
    with unavailable(), workspace.engine.begin() as connection:
        connection.execute(
            insert(erasure).values(rows).on_conflict_do_update(index_elements=["customer"], set_=told)
        )
    log.info("erased", customer=certificate.customer, run=certificate.runs, keys=certificate.keys)


def _tell_of_all(workspace: Workspace, asked: str, sides: list[str]) -> None:
    """Whoever was one with them is forgotten too: after an un-merge their own history says so."""
    [said, *_] = _erasures(workspace, asked)
    for side in sides:
        if not _erasures(workspace, side):
            event = CustomerErased(customer=side, asked_by=said.event.asked_by)
            _tell(workspace, f"{side}:erased", side, event, said.occurred_at)


def _erasures(workspace: Workspace, customer: str) -> list[Envelope]:
    stream = workspace.journal.stream(f"customer-{customer}")
    return [e for e in stream if isinstance(e.event, CustomerErased)]


def _tell(
    workspace: Workspace, name: str, customer: str, event: ErasureCertified | CustomerErased, at: datetime
) -> None:
    stream = f"customer-{event.customer}"
    by = By(source=SOURCE, source_id=name, actor=SOURCE, customer=customer)
    told = Write(stream=stream, expected=len(workspace.journal.stream(stream)), events=[(event, at)])
    workspace.log.record(by, [told])
