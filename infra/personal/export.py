"""Everything about one person as one file, for whoever asks what is known of them."""

from collections.abc import Iterator

import msgspec

from events import codec
from infra.journal import histories
from infra.personal.opening import Published, open_events, open_identifiers
from infra.raw_body import RawBodies
from infra.views import Views
from infra.workspace import Workspace

CHUNK = 500
_encode = msgspec.json.Encoder().encode


def export(workspace: Workspace, views: Views, one: str) -> Iterator[bytes]:
    """A JSON object in pieces: identifiers in the clear, the views, every event with its personal fields opened,
    and the bytes as other systems sent them.

    Raises `Unavailable` before the first piece.
    """
    now = workspace.clock.now()
    with views.reading() as connection:
        known = histories.known(connection, one)
        view = views.customer(one, now)
        assert known is not None, "the caller knows the customer"
        assert view is not None, "the caller knows the customer"
        row = view.rows["customer_360"].get(one)
        held = row.identifiers if row else ()
        values = open_identifiers(connection, workspace.vault, [i.key for i in held])
    identifiers = [
        {
            "kind": i.kind,
            "issuer": i.issuer,
            "value": values.get(i.key),
            "since": i.since,
        }
        for i in held
    ]
    head = {"customer": one, "exported_at": now, "also_known_as": view.absorbed, "identifiers": identifiers}
    yield (
        _encode(head)[:-1]
        + b',"views":'
        + _encode({name: list(rows.values()) for name, rows in view.rows.items()})
    )
    yield b',"events":['
    events = sorted(known.events, key=lambda e: e.order)
    for start in range(0, len(events), CHUNK):
        page = events[start : start + CHUNK]
        opened = open_events(
            workspace.vault, [Published(e.event_id, e.type, codec.encode(e.event)) for e in page]
        )
        told = (
            {"event_id": e.event_id, "type": e.type, "occurred_at": e.occurred_at, "known_at": e.known_at,
             "recorded_at": e.recorded_at, "source": e.source, "origin": e.origin, "actor": e.actor, "data": data}
            for e, data in zip(page, opened, strict=True)
        )  # fmt: skip
        yield (b"," if start else b"") + b",".join(map(_encode, told))
    yield b'],"as_sent":['
    bodies = RawBodies(workspace.engine, workspace.vault)
    comma = b""
    for source in sorted({e.source for e in events}):
        groups = {e.source_id.partition("/")[0] for e in events if e.source == source}
        for body in bodies.of(source, groups):
            yield comma + _encode({"source": source, "received_at": body.received_at,
                                   "body": body.raw.decode(errors="replace")})  # fmt: skip
            comma = b","
    yield b"]}"
