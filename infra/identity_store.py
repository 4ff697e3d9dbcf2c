"""The identity tables as the append sees them: loaded for a batch, written back under the same lock."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select, text

from events.envelope import IdentifierRef
from infra.database import copy_rows
from infra.item import IdentifierValues
from models.domain.identity import Key, Known, Register
from models.tables.identity import customer, identifier


@dataclass(slots=True)
class Before:
    """What the tables said before the batch; the difference to the register is what to write."""

    links: dict[Key, str]
    blocked: set[Key]
    strangers: Counter[Key]
    customers: dict[str, int]

    def revision(self, stream: str) -> int:
        """The revision of a customer's identity stream; 0 where there is none yet."""
        return self.customers.get(stream.removeprefix("identity-"), 0)


def load(connection: Connection, refs: Iterable[IdentifierRef]) -> Register:
    """The register for these identifiers, and all identifiers of the customers they lead to."""
    keys = list({ref.key for ref in refs})
    rows = connection.execute(
        text(
            "SELECT i.kind, i.issuer, i.hash, i.blocked, i.strangers, s.id, s.since, s.revision FROM identifier i "
            "JOIN unnest(CAST(:kinds AS text[]), CAST(:issuers AS text[]), CAST(:hashes AS text[])) "
            "AS k(kind, issuer, hash) ON i.kind = k.kind AND i.issuer = k.issuer AND i.hash = k.hash "
            "JOIN customer c ON c.id = i.customer JOIN customer s ON s.id = c.survivor"
        ),
        {"kinds": [k[0] for k in keys], "issuers": [k[1] for k in keys], "hashes": [k[2] for k in keys]},
    )
    register = Register()
    for kind, issuer, digest, blocked, strangers, survivor, since, revision in rows:
        key = (kind, issuer, digest)
        register.links[key] = str(survivor)
        if blocked:
            register.blocked.add(key)
        if strangers:
            register.strangers[key] = strangers
        register.customers.setdefault(str(survivor), Known(str(survivor), since, revision))
    if register.customers:
        held = connection.execute(
            select(
                customer.c.survivor,
                identifier.c.kind,
                identifier.c.issuer,
                identifier.c.hash,
                identifier.c.blocked,
            )
            .join(customer, customer.c.id == identifier.c.customer)
            .where(customer.c.survivor.in_(list(register.customers)))
        )
        for survivor, kind, issuer, digest, blocked in held:
            key = (kind, issuer, digest)
            register.customers[str(survivor)].identifiers.add(key)
            register.links.setdefault(key, str(survivor))
            if blocked:
                register.blocked.add(key)
    return register


def remember(register: Register) -> Before:
    """The register as it was loaded."""
    return Before(
        dict(register.links), set(register.blocked), Counter(register.strangers),
        {one.customer: one.revision for one in register.customers.values()},
    )  # fmt: skip


def write(
    connection: Connection, register: Register, before: Before, values: Mapping[Key, IdentifierValues],
    revisions: Mapping[str, int],
) -> None:  # fmt: skip
    """Write what the batch changed: new customers and identifiers by COPY, the few others one by one."""
    fresh = [key for key in register.links if key not in before.links]
    new = [one for one in register.customers.values() if one.customer not in before.customers]
    if new:
        rows = [
            (one.customer, _survivor(register, one.customer), one.since,
             revisions.get(f"identity-{one.customer}", 0))
            for one in new
        ]  # fmt: skip
        copy_rows(connection, customer, ["id", "survivor", "since", "revision"], rows)
    if fresh:
        copy_rows(
            connection, identifier,
            ["kind", "issuer", "hash", "customer", "blocked", "strangers", "key_id", "sealed"],
            [
                (*key, register.links[key], key in register.blocked, register.strangers[key],
                 *((values[key].key_id, values[key].sealed) if key in values else (None, None)))
                for key in fresh
            ],
        )  # fmt: skip
    for one in register.absorbed:
        if one in before.customers:
            connection.execute(
                text("UPDATE customer SET survivor = :survivor WHERE survivor = :one"),
                {"survivor": _survivor(register, one), "one": one},
            )
    for known, was in before.customers.items():
        now = revisions.get(f"identity-{known}", was)
        if now != was:
            connection.execute(
                text("UPDATE customer SET revision = :now WHERE id = :one"), {"now": now, "one": known}
            )
    for key in before.links:
        if (key in register.blocked) != (key in before.blocked) or register.strangers[
            key
        ] != before.strangers[key]:
            connection.execute(
                text(
                    "UPDATE identifier SET blocked = :blocked, strangers = :strangers "
                    "WHERE kind = :kind AND issuer = :issuer AND hash = :hash"
                ),
                {"blocked": key in register.blocked, "strangers": register.strangers[key],
                 "kind": key[0], "issuer": key[1], "hash": key[2]},
            )  # fmt: skip


def _survivor(register: Register, one: str) -> str:
    while one in register.absorbed:
        one = register.absorbed[one]
    return one


def survivors(connection: Connection, customers: Iterable[str]) -> dict[str, str]:
    """Whom each of these customers is now."""
    wanted = list(customers)
    if not wanted:
        return {}
    rows = connection.execute(select(customer.c.id, customer.c.survivor).where(customer.c.id.in_(wanted)))
    return {str(one): str(survivor) for one, survivor in rows}


def unknown(connection: Connection, keys: Iterable[Key]) -> set[Key]:
    """Which of these identifiers have no row yet: only their values need sealing."""
    wanted = list(keys)
    if not wanted:
        return set()
    rows = connection.execute(
        text(
            "SELECT k.kind, k.issuer, k.hash FROM unnest(CAST(:kinds AS text[]), CAST(:issuers AS text[]), "
            "CAST(:hashes AS text[])) AS k(kind, issuer, hash) WHERE NOT EXISTS (SELECT 1 FROM identifier i "
            "WHERE i.kind = k.kind AND i.issuer = k.issuer AND i.hash = k.hash)"
        ),
        {
            "kinds": [k[0] for k in wanted],
            "issuers": [k[1] for k in wanted],
            "hashes": [k[2] for k in wanted],
        },
    )
    return {(kind, issuer, digest) for kind, issuer, digest in rows}
