"""The identity tables as the append sees them: loaded for a batch, written back under the same lock."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, text

from events.envelope import IdentifierRef
from infra.database import among, copy_rows, driver
from infra.item import IdentifierValues
from models.domain.identity import Key, Known, Register
from models.tables.identity import customer, identifier

STREAM = "identity-"
"""What the name of a customer's identity stream begins with."""

_KEYS = "unnest(%(kinds)s::text[], %(issuers)s::text[], %(hashes)s::text[]) AS k(kind, issuer, hash)"
# Through the indexes, kind by kind and customer by customer: a join of a thousand would rather read whole tables.
LINKS = (
    "SELECT i.kind, i.issuer, i.hash, i.blocked, i.strangers, "
    "coalesce(s.id, c.id), coalesce(s.since, c.since), coalesce(s.revision, c.revision) "
    f"FROM (SELECT kind, issuer, array_agg(hash) AS hashes FROM {_KEYS} GROUP BY kind, issuer) AS g "
    "CROSS JOIN LATERAL (SELECT * FROM identifier WHERE kind = g.kind AND issuer = g.issuer"
    " AND hash = ANY (g.hashes) OFFSET 0) AS i "
    "CROSS JOIN LATERAL (SELECT * FROM customer WHERE id = i.customer LIMIT 1) AS c "
    "LEFT JOIN LATERAL (SELECT * FROM customer WHERE id = c.survivor AND c.survivor <> c.id LIMIT 1) AS s ON true"
)
"""What these identifiers (`named`) lead to, for `load`."""
_UNKNOWN = (
    f"SELECT k.kind, k.issuer, k.hash FROM {_KEYS} LEFT JOIN LATERAL (SELECT * FROM identifier WHERE "
    "kind = k.kind AND issuer = k.issuer AND hash = k.hash LIMIT 1) AS i ON true WHERE i.key_id IS NULL"
)


@dataclass(slots=True)
class Before:
    """What the tables said before the batch; the difference to the register is what to write."""

    links: dict[Key, str]
    blocked: set[Key]
    strangers: Counter[Key]
    customers: dict[str, int]

    def revision(self, stream: str) -> int:
        """The revision of a customer's identity stream; 0 where there is none yet."""
        return self.customers.get(stream.removeprefix(STREAM), 0)


def named(shown: Iterable[Sequence[IdentifierRef]]) -> dict[str, list[str]]:
    """The values with which `LINKS` is asked about identifiers that were shown together, event by event."""
    return _columns({ref.key for together in shown for ref in together})


def load(
    connection: Connection, shown: Collection[Sequence[IdentifierRef]], links: Iterable[tuple[Any, ...]]
) -> Register:
    """The register for identifiers as they were shown together, event by event; `links` is what they lead to.

    All other identifiers of a customer are only known where something may be learnt about that customer.
    """
    register = Register()
    for kind, issuer, digest, blocked, strangers, survivor, since, revision in links:
        key = (kind, issuer, digest)
        register.links[key] = str(survivor)
        if blocked:
            register.blocked.add(key)
        if strangers:
            register.strangers[key] = strangers
        register.customers.setdefault(str(survivor), Known(str(survivor), since, revision))
    learning = _learning(register, shown)
    if learning:
        held = connection.execute(
            select(
                customer.c.survivor,
                identifier.c.kind,
                identifier.c.issuer,
                identifier.c.hash,
                identifier.c.blocked,
            )
            .join(customer, customer.c.id == identifier.c.customer)
            .where(among(customer.c.survivor, learning))
        )
        for survivor, kind, issuer, digest, blocked in held:
            key = (kind, issuer, digest)
            register.customers[str(survivor)].identifiers.add(key)
            register.links.setdefault(key, str(survivor))
            if blocked:
                register.blocked.add(key)
    return register


def _learning(register: Register, shown: Iterable[Sequence[IdentifierRef]]) -> set[str]:
    """The customers of those events that show more than one customer, or an identifier that is new or blocked.

    All that such an event can change, it changes in them; the others, nearly all, teach nothing.
    """
    found: set[str] = set()
    for together in shown:
        led_to = {register.links.get(ref.key, "") for ref in together}
        if len(led_to) > 1 or "" in led_to or any(ref.key in register.blocked for ref in together):
            found |= led_to
    return found - {""}


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
    """Write what the batch changed: new customers and identifiers by COPY, the others in one statement a kind."""
    fresh = [key for key in register.links if key not in before.links]
    new = [one for one in register.customers.values() if one.customer not in before.customers]
    if new:
        rows = [
            (one.customer, _survivor(register, one.customer), one.since,
             revisions.get(f"{STREAM}{one.customer}", 0))
            for one in new
        ]  # fmt: skip
        copy_rows(connection, customer, ["id", "survivor", "since", "revision"], rows)
    if fresh:
        parts = _absorbed_by(register)
        copy_rows(
            connection, identifier,
            ["kind", "issuer", "hash", "customer", "blocked", "strangers", "key_id", "sealed"],
            [
                (*key, _first_linked(register, parts, key), key in register.blocked, register.strangers[key],
                 *((values[key].key_id, values[key].sealed) if key in values else (None, None)))
                for key in fresh
            ],
        )  # fmt: skip
    _move_customers(connection, register, before)
    _raise_revisions(connection, register, before, revisions)
    _mark_identifiers(connection, register, before)
    _keep_values(connection, before, values)


def _absorbed_by(register: Register) -> dict[str, list[str]]:
    """Customer → whom it absorbed in this batch."""
    found: dict[str, list[str]] = defaultdict(list)
    for one, survivor in register.absorbed.items():
        found[survivor].append(one)
    return found


def _first_linked(register: Register, parts: Mapping[str, list[str]], key: Key) -> str:
    """Whose an identifier was before the merges of this batch; should one of them be undone, it is theirs again."""
    one = register.links[key]
    while part := next((p for p in parts.get(one, ()) if key in register.customers[p].identifiers), None):
        one = part
    return one


def _move_customers(connection: Connection, register: Register, before: Before) -> None:
    """Whoever was absorbed, and whoever they had absorbed, goes to the survivor."""
    moved = {one: _survivor(register, one) for one in register.absorbed if one in before.customers}
    if moved:
        connection.execute(
            text(
                "UPDATE customer SET survivor = k.survivor FROM unnest(CAST(:ones AS uuid[]), "
                "CAST(:survivors AS uuid[])) AS k(one, survivor) WHERE customer.survivor = k.one"
            ),
            {"ones": list(moved), "survivors": list(moved.values())},
        )


def _raise_revisions(
    connection: Connection, register: Register, before: Before, revisions: Mapping[str, int]
) -> None:
    """The identity streams that went on, of customers known before; the register need not know them.

    A person's decision about an identity comes without identifiers.
    """
    now = {
        stream.removeprefix(STREAM): revision
        for stream, revision in revisions.items()
        if stream.startswith(STREAM)
    }
    written = {**{one: now.get(one, 0) for one in register.customers}, **before.customers}
    higher = {one: revision for one, revision in now.items() if revision != written.get(one, 0)}
    if higher:
        connection.execute(
            text(
                "UPDATE customer SET revision = k.revision FROM unnest(CAST(:ones AS uuid[]), "
                "CAST(:revisions AS int[])) AS k(one, revision) WHERE customer.id = k.one"
            ),
            {"ones": list(higher), "revisions": list(higher.values())},
        )


def _mark_identifiers(connection: Connection, register: Register, before: Before) -> None:
    """What was blocked, and what stood between strangers once more."""
    marked = [
        key
        for key in before.links
        if (key in register.blocked) != (key in before.blocked)
        or register.strangers[key] != before.strangers[key]
    ]
    if marked:
        connection.execute(
            text(
                "UPDATE identifier SET blocked = k.blocked, strangers = k.strangers FROM unnest("
                "CAST(:kinds AS text[]), CAST(:issuers AS text[]), CAST(:hashes AS text[]), CAST(:blocked AS bool[]), "
                "CAST(:strangers AS int[])) AS k(kind, issuer, hash, blocked, strangers) "
                "WHERE identifier.kind = k.kind AND identifier.issuer = k.issuer AND identifier.hash = k.hash"
            ),
            {
                **_columns(marked),
                "blocked": [key in register.blocked for key in marked],
                "strangers": [register.strangers[key] for key in marked],
            },
        )


def _keep_values(connection: Connection, before: Before, values: Mapping[Key, IdentifierValues]) -> None:
    """A value that was not kept when its identifier was first linked is kept now."""
    late = [value for key, value in values.items() if key in before.links and value.sealed is not None]
    if late:
        connection.execute(
            text(
                "UPDATE identifier SET key_id = k.key_id, sealed = k.sealed FROM unnest(CAST(:kinds AS text[]), "
                "CAST(:issuers AS text[]), CAST(:hashes AS text[]), CAST(:key_ids AS text[]), "
                "CAST(:sealed AS bytea[])) AS k(kind, issuer, hash, key_id, sealed) WHERE identifier.kind = k.kind AND "
                "identifier.issuer = k.issuer AND identifier.hash = k.hash AND identifier.key_id IS NULL"
            ),
            {
                **_columns([value.ref.key for value in late]),
                "key_ids": [value.key_id for value in late],
                "sealed": [value.sealed for value in late],
            },
        )


def _columns(keys: Iterable[Key]) -> dict[str, list[str]]:
    """Keys as the three arrays that a query unnests."""
    kinds, issuers, hashes = zip(*keys, strict=True)
    return {"kinds": list(kinds), "issuers": list(issuers), "hashes": list(hashes)}


def _survivor(register: Register, one: str) -> str:
    while one in register.absorbed:
        one = register.absorbed[one]
    return one


def survivors(connection: Connection, customers: Iterable[str]) -> dict[str, str]:
    """Whom those of these customers are now that were absorbed by others; the rest are who they were."""
    wanted = list(customers)
    if not wanted:
        return {}
    rows = connection.execute(
        select(customer.c.id, customer.c.survivor).where(
            among(customer.c.id, wanted), customer.c.survivor != customer.c.id
        )
    )
    return {str(one): str(survivor) for one, survivor in rows}


def unknown(connection: Connection, keys: Iterable[Key]) -> set[Key]:
    """Which of these identifiers have no row, or one without a value: only their values need sealing."""
    wanted = list(keys)
    if not wanted:
        return set()
    return set(driver(connection).execute(_UNKNOWN, _columns(wanted)).fetchall())
