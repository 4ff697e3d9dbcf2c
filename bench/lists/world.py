"""A workspace with a list of so many members: real histories, copied, scored, and a list built of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from sqlalchemy import Engine, text

from bench import filling
from bench.ground import BASE_CUSTOMERS, Ground
from bench.people import Senders, batches
from bench.sizes import SEED
from events.consent import ConsentWithdrawn
from events.prediction import ChurnScored, ScoreReason
from infra.database import copy_rows
from infra.settings import Settings
from infra.target_list.building import build
from infra.vault import Vault
from infra.workspace import Workspace
from models.ports import By, Write
from models.tables.base import data_key

ACTS = 9
"""With the score, ten events a customer."""

NOES = 100
"""One member in so many says no after the list is built."""

RULES = """
currency = "USD"

[reach]
sms = ["phone"]
email = ["email"]

[retention]
offer = "loyalty_gesture"
offer_cost = 0
channels = ["sms", "email"]
legal_basis = {sms = "contract", email = "contract"}
contact_cost = {sms = 0.0001, email = 0.0001}
holdout = 0.0
capacity = 1000000
"""

_PERSONAL = text("SELECT kind, issuer, hash, customer FROM identifier WHERE key_id IS NOT NULL ORDER BY hash")


def made(ground: Ground, members: int) -> tuple[Settings, str]:
    """The workspace and the id of its list; one member in a hundred has said no since, half of that folded."""
    path = ground.folder / "rules.toml"
    path.write_text(RULES)
    settings = ground.settings().model_copy(update={"workspace": path})
    workspace = ground.open(settings)
    door = workspace.door("bench")
    for batch in batches(_acts(Senders(SEED, "lists")), 1_000):
        door.receive(batch)
    _score(workspace)
    filling.fold_all(workspace)
    filling.multiply(workspace.engine, max(1, members // BASE_CUSTOMERS))
    _seal_anew(workspace.engine, workspace.vault_engine, workspace.vault)
    head = workspace.journal.head()
    built = build(workspace, "retention")
    _refuse(workspace, built.list_id, head)
    workspace.close()
    return settings, built.list_id


def _acts(senders: Senders) -> Iterator[bytes]:
    """What everybody did in the last three months, in the order in which it happened."""
    chance = Random(SEED)
    today = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    for number in range(ACTS, 0, -1):
        for person in range(BASE_CUSTOMERS):
            at = today - timedelta(days=number * 9, seconds=chance.randrange(80_000))
            yield (senders.purchase if number % 3 == 0 else senders.touch)(person, at)


def _score(workspace: Workspace) -> None:
    now = datetime.now(UTC)
    with workspace.engine.connect() as connection:
        everybody = [
            str(one) for one in connection.execute(text("SELECT id FROM customer ORDER BY 1")).scalars()
        ]
    reasons = (ScoreReason(feature="days since purchase", says="long ago", contribution=1.0),)
    workspace.log.record_batch([
        (By(source="churn:bench", source_id=one, actor="bench", origin="replay", customer=one),
         [Write(stream="", expected=0, events=[(ChurnScored(
             run="bench", artifact="bench", as_of=now, horizon_days=180, probability=0.6, rank=rank,
             of=len(everybody), reasons=reasons), now)])])
        for rank, one in enumerate(everybody, start=1)
    ])  # fmt: skip


def _seal_anew(engine: Engine, vault_engine: Engine, vault: Vault) -> None:
    """Every copied identifier has a value and a key of its own, as in a grown workspace."""
    with engine.begin() as connection, vault_engine.begin() as kept:
        found = connection.execute(_PERSONAL).all()
        connection.execute(
            text("CREATE TEMP TABLE anew (hash text, key_id text, sealed bytea) ON COMMIT DROP")
        )
        keys, rows = [], []
        for number, one in enumerate(found):
            key = vault.make(f"bench-{number}")
            value = f"+1415{number:07}" if one.kind == "phone" else f"c{number}@example.com"
            keys.append((key.key_id, key.wrapped))
            rows.append({"hash": one.hash, "key": key.key_id, "sealed": key.seal("value", value.encode())})
        copy_rows(kept, data_key, ["key_id", "wrapped"], keys)
        for start in range(0, len(rows), 10_000):
            connection.execute(
                text("INSERT INTO anew VALUES (:hash, :key, :sealed)"), rows[start : start + 10_000]
            )
        connection.execute(
            text(
                "UPDATE identifier i SET key_id = a.key_id, sealed = a.sealed FROM anew a WHERE a.hash = i.hash"
            )
        )
    for database in (engine, vault_engine):
        with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _refuse(workspace: Workspace, list_id: str, head: int) -> None:
    """Some say no, and the views know of the first half of them."""
    query = text(
        "SELECT customer FROM target_list_row WHERE list_id = :list AND part = 'member' AND place % :noes = 0"
    )
    with workspace.engine.connect() as connection:
        who = [str(one) for one in connection.execute(query, {"list": list_id, "noes": NOES}).scalars()]
    half = len(who) // 2
    _say_no(workspace, who[:half])
    filling.fold_all(workspace, head)
    _say_no(workspace, who[half:])


def _say_no(workspace: Workspace, customers: list[str]) -> None:
    now = datetime.now(UTC)
    workspace.log.record_batch([
        (By(source="bench:no", source_id=one, actor="bench", customer=one),
         [Write(stream="", expected=0, events=[(ConsentWithdrawn(basis="call"), now)])])
        for one in customers
    ])  # fmt: skip
