"""What a connector is: how a vendor's call is checked, cut into parts, and each part told as events.

All of it is a pure function of what was received; time, where it matters, is passed in.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec

from infra.intake import Rejected

NAME = r"[a-z0-9][a-z0-9._-]{0,39}"
Name = Annotated[str, msgspec.Meta(pattern=rf"^{NAME}$(?!\n)")]
Blind = Callable[[str], str]
"""A person's id at the vendor as a short word from which nobody without our key can tell it."""

PIECE, PIECES = 40, 4
"""Characters of a piece of a part's key, and its pieces: a step comes after them, and a source id has 200."""

JSON = "application/json"
UNREAD = "unread/"


class Refusal(Exception):
    """A call that is not taken: who sent it is not shown, or it is an attack. `status` is HTTP's."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(code)
        self.status, self.code, self.detail = status, code, detail


class Unmapped(Exception):
    """A part that no event can be made of: `path` into it, a sentence that repeats none of its values."""

    def __init__(self, code: str, path: str, detail: str) -> None:
        super().__init__(code)
        self.code, self.path, self.detail = code, path, detail


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What surrounds a body: headers have names in lower case, `query` is what follows the `?`, undecoded."""

    method: str = "POST"
    url: str = ""
    query: str = ""
    headers: Mapping[str, str] = {}


class Part(msgspec.Struct, frozen=True):
    """One thing that the vendor tells, as its own bytes.

    `key` is the same whenever it is told again. It begins with what the part belongs to (a call, a
    conversation, a message) and goes on after a `/`: whoever forgets that, forgets all its parts.
    """

    key: str
    raw: bytes

    def __repr__(self) -> str:
        return f"Part({self.key!r}, ***)"


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an instance's own settings say; a kind reads those that it knows.

    `public_url` is the address that the vendor calls, where it signs it. `zone` is the zone of times
    without one, `region` that of phones without a country code. `names` are ours for the vendor's ids.
    `replay_seconds` is how old a signed call may be. `origin` is "import" for files of the past. Instances
    with the same `switch` tell of the same calls; without one an instance is a switch of its own.
    """

    switch: Annotated[str, msgspec.Meta(pattern=rf"^({NAME})?$(?!\n)")] = ""
    public_url: str = ""
    zone: str = "UTC"
    region: str = ""
    own_numbers: tuple[str, ...] = ()
    names: dict[str, str] = {}
    states: dict[str, Literal["ready", "busy", "wrap_up", "break", "outbound", "offline"]] = {}
    reason_attribute: str = ""
    app_id: str = ""
    replay_seconds: Annotated[int, msgspec.Meta(ge=1)] = 300
    origin: Literal["live", "import"] = "live"


class Secrets(dict[str, str]):
    """An instance's secrets by name; they never print themselves."""

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self))})"

    __str__ = __repr__


def no_key(_: str) -> str:
    """An instance that was made without the workspace's key can name no person. Raises `Unmapped`."""
    raise Unmapped("invalid", "$", "Expected the workspace's key, by which persons are named")


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One system that calls us: its name is the source of all its events.

    `blind` names persons in keys and contact ids, which are kept in the clear.
    """

    name: Name
    options: Options = Options()
    secrets: Secrets = Secrets()
    blind: Blind = no_key

    @property
    def switch(self) -> str:
        """Whose calls it tells of: what its contact ids begin with."""
        return self.options.switch or self.name

    def contact(self, *ids: str) -> str:
        """The id of a conversation, unique in the whole workspace. Raises `Unmapped` where there is none."""
        told = ":".join((self.switch, *ids))
        if not all(ids) or len(told) > 200 or not told.isprintable():
            raise Unmapped("invalid", "$", "Expected the id of a conversation")
        return told


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One event that a part tells of. The first has no `step`; each further one has its own.

    `base` is in place of the part's key where the vendor tells the same thing again in later parts.
    Without `occurred_at` it happened when it was received.
    """

    type: str
    data: dict[str, Any]
    occurred_at: datetime | None = None
    identifiers: Sequence[dict[str, str]] = ()
    step: str = ""
    base: str = ""


class Reply(msgspec.Struct, frozen=True):
    """What the vendor wants to hear when its call was taken."""

    status: int = 204
    body: bytes = b""
    media_type: str | None = None


Verify = Callable[[Call, bytes, Instance, datetime], Refusal | None]
Split = Callable[[bytes, str], Sequence[Part]]
Parse = Callable[[Part, Instance], Sequence[Told]]


def as_it_came(raw: bytes, _: Instance) -> bytes:
    """Most bodies are in the clear."""
    return raw


def counts_as_json(_: bytes, counts: Mapping[str, int], now: datetime) -> Reply:
    """The four counters; senders who do not read them lose nothing."""
    return Reply(200, msgspec.json.encode(counts), JSON)


class Connector(msgspec.Struct, frozen=True, kw_only=True):
    """The declaration of one kind of sender.

    `secrets` are the sets of secrets that an instance may have: one of them, whole. `verify` looks at the
    raw bytes; `open` then brings a sealed body into the clear, `split` cuts it (either may raise `Refusal`),
    `parse` tells the events of a part (`Unmapped` where it cannot). `greet` answers the vendor's
    handshake by GET, where it has one. Keys that begin with `person` have a person's id after it, which
    `parts_of` blinds.
    """

    kind: str
    page: str
    """Which page of the vendor's it follows."""
    secrets: tuple[frozenset[str], ...]
    verify: Verify
    split: Split
    parse: Parse
    open: Callable[[bytes, Instance], bytes] = as_it_came
    reply: Callable[[bytes, Mapping[str, int], datetime], Reply] = counts_as_json
    patience: float = 60.0
    """Seconds after which the vendor hears that we are busy; before it gives us up by itself."""
    greet: Callable[[Call, Instance, datetime], Reply] | None = None
    person: str = ""


def parts_of(raw: bytes, content_type: str, connector: Connector, instance: Instance) -> Sequence[Part]:
    """The parts of a body in the clear, under keys that may be kept. Raises what `split` does."""
    found = connector.split(raw, content_type)
    return [_blinded(one, connector.person, instance) for one in found] if connector.person else found


def _blinded(one: Part, person: str, instance: Instance) -> Part:
    whose, slash, rest = one.key.partition("/")
    if not whose.startswith(person):
        return one
    try:
        return Part(f"{person}{instance.blind(whose.removeprefix(person))}{slash}{rest}", one.raw)
    except Unmapped:
        return unread(one.raw)


def key_of(*pieces: str) -> str:
    """A part's key. A piece that is long, or no plain text, is told by its hash. Raises `Unmapped`."""
    assert len(pieces) <= PIECES
    if not all(pieces):
        raise Unmapped("invalid", "$", "Expected the fields that tell a repeat from something new")
    return "/".join(
        one if len(one) <= PIECE and one.isprintable() and "/" not in one else digest(one.encode("utf-8", "replace"))
        for one in pieces
    )  # fmt: skip


def digest(raw: bytes) -> str:
    """A short name for bytes."""
    return sha256(raw).hexdigest()[:32]


def part(raw: bytes, key: Callable[[bytes], Sequence[str]]) -> Part:
    """A part under the key that its bytes tell, or under their hash where they tell none."""
    try:
        return Part(key_of(*key(raw)), raw)
    except (Unmapped, RecursionError):
        return unread(raw)


def unread(raw: bytes) -> Part:
    """The part that cannot even be named: the same bytes have the same key."""
    return Part(f"{UNREAD}{digest(raw)}", raw)


def translate(part: Part, connector: Connector, instance: Instance) -> list[bytes] | Rejected:
    """A part's events in the form that every door takes, or why there are none, with the vendor's bytes."""
    try:
        told = connector.parse(part, instance)
        if told and part.key.startswith(UNREAD):
            raise Unmapped("invalid", "$", "Expected the fields that tell a repeat from something new")
        return [_inbound(one, part, instance) for one in told]
    except Unmapped as problem:
        found = (problem.code, problem.path, problem.detail)
    except RecursionError:
        found = ("too_deep", "$", "The nesting is too deep")
    except UnicodeError:  # half a surrogate pair
        found = ("not_utf8", "$", "The text is not UTF-8")
    return Rejected(*found, part.raw, instance.name, part.key)


def _inbound(one: Told, part: Part, instance: Instance) -> bytes:
    source_id = one.base or part.key
    event: dict[str, Any] = {
        "type": one.type, "source": instance.name, "origin": instance.options.origin,
        "source_id": f"{source_id}/{one.step}" if one.step else source_id,
        "identifiers": list(one.identifiers), "data": one.data,
    }  # fmt: skip
    if one.occurred_at is not None:
        event["occurred_at"] = one.occurred_at
    return msgspec.json.encode(event)
