"""The identity tables as the append sees them: loaded for a batch, written back under the same lock."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, text

from events.envelope import IdentifierRef
from infra.database import among, copy_rows, driver
from infra.identity.families import join, part, standing_merges, vetoes
from infra.item import IdentifierValues
from models.domain.identity import Key, Known, Register
from models.tables.erasure import erasure
from models.tables.identity import customer, identifier

STREAM = "identity-"
"""What the name of a customer's identity stream begins with."""

_KEYS = "unnest(%(kinds)s::text[], %(issuers)s::text[], %(hashes)s::text[]) AS k(kind, issuer, hash)"
# Through the indexes, kind by kind and customer by customer: a join of a thousand would rather read whole tables.
LINKS = (
    "SELECT i.kind, i.issuer, i.hash, i.blocked, i.strangers, "
    "coalesce(s.id, c.id), coalesce(s.since, c.since), coalesce(s.revision, c.revision), c.id "
    f"FROM (SELECT kind, issuer, array_agg(hash) AS hashes FROM {_KEYS} GROUP BY kind, issuer) AS g "
    "CROSS JOIN LATERAL (SELECT * FROM identifier WHERE kind = g.kind AND issuer = g.issuer"
    " AND hash = ANY (g.hashes) OFFSET 0) AS i "
    "CROSS JOIN LATERAL (SELECT * FROM customer WHERE id = i.customer LIMIT 1) AS c "
    "LEFT JOIN LATERAL (SELECT * FROM customer WHERE id = c.survivor AND c.survivor <> c.id LIMIT 1) AS s ON true"
)
"""What these identifiers (`named`) lead to, for `load`."""
FORGOTTEN = (
    "SELECT s.kind, s.issuer, s.hash, s.since, s.customer::text FROM (SELECT kind, issuer, array_agg(hash) AS hashes "
    f"FROM {_KEYS} GROUP BY kind, issuer) AS g CROSS JOIN LATERAL (SELECT * FROM suppression WHERE kind = g.kind "
    "AND issuer = g.issuer AND hash = ANY (g.hashes) OFFSET 0) AS s WHERE s.customer IS NOT NULL"
)
"""Which of these identifiers (`named`) were those of people who asked to be forgotten, when, and whose."""
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
    for kind, issuer, digest, blocked, strangers, survivor, since, revision, side in links:
        key = (kind, issuer, digest)
        register.links[key], register.sides[key] = str(survivor), str(side)
        if blocked:
            register.blocked.add(key)
        if strangers:
            register.strangers[key] = strangers
        register.customers.setdefault(str(survivor), Known(str(survivor), since, revision))
    learning = _learning(register, shown)
    if learning:
        _load_whole(connection, register, learning)
    return register


def _load_whole(connection: Connection, register: Register, learning: Collection[str]) -> None:
    """All that is known of these customers: identifiers, ids, what holds them together and what keeps them apart."""
    held = connection.execute(
        select(
            customer.c.survivor, customer.c.id, customer.c.revision,
            identifier.c.kind, identifier.c.issuer, identifier.c.hash, identifier.c.blocked,
        )
        .join(identifier, customer.c.id == identifier.c.customer, isouter=True)
        .where(among(customer.c.survivor, learning))
    )  # fmt: skip
    for survivor, side, revision, kind, issuer, digest, blocked in held:
        known = register.customers[str(survivor)]
        known.members[str(side)] = revision
        if kind is None:
            continue
        key = (kind, issuer, digest)
        known.identifiers.add(key)
        register.links.setdefault(key, str(survivor))
        register.sides.setdefault(key, str(side))
        if blocked:
            register.blocked.add(key)
    members = {one for each in learning for one in register.customers[each].members}
    if len(learning) > 1:
        register.vetoes |= vetoes(connection, members)
        gone = select(erasure.c.customer).where(among(erasure.c.customer, members))
        register.erased |= {str(one) for one in connection.execute(gone).scalars()}
    if len(members) > len(learning):
        register.grounds += standing_merges(connection, members)


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
        {
            customer: revision
            for one in register.customers.values()
            for customer, revision in {**one.members, one.customer: one.revision}.items()
        },
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
            (one.customer, one.customer, one.customer, False, one.since,
             revisions.get(f"{STREAM}{one.customer}", 0))
            for one in new
        ]  # fmt: skip
        copy_rows(connection, customer, ["id", "survivor", "family", "tangled", "since", "revision"], rows)
    if fresh:
        copy_rows(
            connection, identifier,
            ["kind", "issuer", "hash", "customer", "blocked", "strangers", "key_id", "sealed"],
            [
                (*key, register.sides[key], key in register.blocked, register.strangers[key],
                 *((values[key].key_id, values[key].sealed) if key in values else (None, None)))
                for key in fresh
            ],
        )  # fmt: skip
    _move_customers(connection, register)
    _raise_revisions(connection, register, before, revisions)
    _mark_identifiers(connection, register, before)
    _keep_values(connection, before, values)


def _move_customers(connection: Connection, register: Register) -> None:
    """Whoever was absorbed, and whoever they had absorbed, goes to the survivor; whoever was restored, back."""
    for one in register.absorbed:
        join(connection, _survivor(register, one), one)
    for restored, members in register.restored.items():
        part(connection, restored, members)


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


def unknown(connection: Connection, keys: Iterable[Key]) -> set[Key]:
    """Which of these identifiers have no row, or one without a value: only their values need sealing."""
    wanted = list(keys)
    if not wanted:
        return set()
    return set(driver(connection).execute(_UNKNOWN, _columns(wanted)).fetchall())
