"""How far those are who go through the journal by themselves: search, customers' states, erasures, webhooks."""

from msgspec import Struct
from prometheus_client import Gauge
from sqlalchemy import Engine, text

from events.topics import state_topic
from infra.database import unavailable
from infra.feeds import JOURNAL
from infra.quarantine.aside import SEARCH
from infra.telemetry import LAG

ERASURES = Gauge(
    "touchstone_erasures_open_entries",
    "People who asked to be forgotten and are not yet, by how it stands",
    ["stands"],
)
WEBHOOKS = Gauge(
    "touchstone_webhooks_behind_events",
    "Positions that the enabled webhook which is furthest behind has still before it",
)
_STAND = text(
    "SELECT h.position AS head, "
    '(SELECT "offset" FROM reader_position WHERE reader = :search AND topic_id = :journal) AS searched, '
    "(SELECT position FROM state_checkpoint WHERE topic = :states) AS stated, "
    "(SELECT filling FROM state_checkpoint WHERE topic = :states) AS filling, "
    "(SELECT count(*) FROM erasure WHERE finished_at IS NULL AND waiting = '') AS open, "
    "(SELECT count(*) FROM erasure WHERE finished_at IS NULL AND waiting <> '') AS waiting, "
    "(SELECT count(*) FROM webhook WHERE state = 'enabled') AS webhooks, "
    "(SELECT min(position) FROM webhook WHERE state = 'enabled') AS sent, "
    "(SELECT count(*) FROM webhook WHERE state = 'enabled' AND attempts > 0) AS failing, "
    "(SELECT count(*) FROM webhook WHERE state = 'disabled') AS disabled "
    "FROM journal_head h"
)
"""One statement, so all of it is of one moment."""


class Webhooks(Struct, frozen=True, kw_only=True):
    """How the webhooks stand: `behind` is of the one furthest behind, `failing` were not taken the last time."""

    enabled: int
    behind: int
    failing: int
    disabled: int


class Behind(Struct, frozen=True, kw_only=True):
    """Events still to be read: by search, and for customers' states (None: nothing was written there yet).

    `filling`: that topic is being filled. `erasures` are open and under way, `held_up` cannot go on yet.
    """

    search: int
    states: int | None
    filling: bool
    erasures: int
    held_up: int
    webhooks: Webhooks


def behind(engine: Engine, prefix: str) -> Behind:
    """Where all of them stand now. Raises `Unavailable`."""
    asked = {"search": SEARCH, "journal": JOURNAL, "states": state_topic(prefix)}
    with unavailable(), engine.connect() as connection:
        row = connection.execute(_STAND, asked).one()
    head = int(row.head)
    webhooks = Webhooks(
        enabled=row.webhooks, behind=0 if row.sent is None else max(0, head - row.sent),
        failing=row.failing, disabled=row.disabled,
    )  # fmt: skip
    return Behind(
        search=head - (row.searched or 0), states=None if row.stated is None else max(0, head - row.stated),
        filling=bool(row.filling), erasures=row.open, held_up=row.waiting, webhooks=webhooks,
    )  # fmt: skip


def show(found: Behind) -> None:
    """Let the figures say it; the state worker shows its own."""
    LAG.labels(SEARCH, "0").set(found.search)
    ERASURES.labels("under_way").set(found.erasures)
    ERASURES.labels("held_up").set(found.held_up)
    WEBHOOKS.set(found.webhooks.behind)
