"""Draft → normalise → hash → facets → seal: the one way into the journal, for every door."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import translate
from functools import cache, lru_cache
from typing import Annotated, Any

import msgspec

from events import codec, registry
from events.codec import Undecodable
from events.envelope import Event, IdentifierRef
from events.personal import Clear, Personal
from events.vocabulary import Moment, Origin
from infra import tracing
from infra.facets import refuse_reachable, with_facets
from infra.ids import new_id
from infra.item import Draft, IdentifierValues, Item
from infra.matching import Matcher
from infra.vault import DataKey, Vault
from models.domain.identifier import normalise, strongest_first
from models.domain.rules import NEVER, NeverIdentify
from models.errors import Refused

EVENT_BYTES = 256 * 1024
"""A larger event would block the relay for ever."""
KNOWN = 65_536
"""Identifiers that are remembered as they were written: people come again."""
IDENTIFIERS = 20
"""No person shows more of them at once; every one costs a look under the journal's lock."""

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
NO_NUL = r"^[^\x00]*$"
ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
"""Names go on into headers, logs and lists: no line break, no terminal's control characters."""
AHEAD = timedelta(hours=24)
"""How far a sender's clock may run ahead of ours."""

WRONG_PART = {"identifier_kind": "kind", "issuer_missing": "issuer"}
"""Which part of an identifier a refusal is about, where it is not the value."""

OWN_SOURCES = frozenset({"api", "identity", "train"})
OWN_PREFIXES = ("policy:", "sweep:", "churn:", "target_list:", "reader:")
"""What we record ourselves is deduplicated under these; a sender who used one would shadow it."""


Label = Annotated[str, msgspec.Meta(max_length=200, pattern=ONE_LINE)]
Sentence = Annotated[str, msgspec.Meta(pattern=NO_NUL)]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=ONE_LINE)]


class InboundIdentifier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An identifier as a sender writes it."""

    kind: str
    value: str
    issuer: Label = ""

    def __repr__(self) -> str:
        return f"InboundIdentifier({self.kind!r}, ***)"


class Unreadable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an importer says of a line it could not map: code, where, a sentence, the line itself."""

    code: Label
    path: Sentence
    detail: Sentence
    raw: str = ""

    def __repr__(self) -> str:
        return f"Unreadable({self.code!r}, {self.path!r}, ***)"


class Inbound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event as a sender writes it; `data` is read when its type is known."""

    source: Key
    source_id: Key
    type: str = ""
    occurred_at: Moment | None = None
    known_at: Moment | None = None
    known_assumed: bool = False
    origin: Origin = "live"
    identifiers: Annotated[list[InboundIdentifier], msgspec.Meta(max_length=IDENTIFIERS)] = []
    actor: Label = ""
    cause: Label = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")
    unreadable: Unreadable | None = None


@dataclass(slots=True)
class Rejected:
    """An item that is no event: refused (the sender keeps it) or quarantined (we keep it)."""

    code: str
    path: str
    detail: str
    raw: bytes = field(repr=False)
    source: str = ""
    source_id: str = ""
    keep: bool = True
    line: bool = False
    """An importer could not map it; only importing again can."""


@dataclass(slots=True)
class Pending:
    """An item read and checked, not sealed yet."""

    draft: Draft
    event: Event
    raw: bytes = field(repr=False)


_inbound = msgspec.json.Decoder(Inbound)


class Intake:
    """Reads items, and prepares those that are events for the journal."""

    def __init__(
        self, matcher: Matcher, vault: Vault, *, region: str, never: Sequence[NeverIdentify] = NEVER
    ) -> None:
        self._matcher, self._vault, self._region = matcher, vault, region
        self._never: dict[str, re.Pattern[str]] = {}
        for kind in {one.kind for one in never}:
            patterns = (translate(one.value.casefold()) for one in never if one.kind == kind)
            self._never[kind] = re.compile("|".join(patterns))
        self._recognisable = lru_cache(KNOWN)(self._reference)

    def read(self, raw: bytes, now: datetime) -> Pending | Rejected:
        """One item's bytes, checked from outside in. Never raises for what a sender wrote."""
        if len(raw) > EVENT_BYTES:
            return Rejected("event_too_large", "$", f"an event may have {EVENT_BYTES} bytes", b"", keep=False)
        try:
            item = _inbound.decode(raw)
        except RecursionError:
            return Rejected("too_deep", "$", "the nesting is too deep", raw)
        except UnicodeDecodeError:
            return Rejected("not_utf8", "$", "the text is not UTF-8", raw)
        except msgspec.MsgspecError as error:
            problem = codec.undecodable(error)
            return Rejected(problem.code, problem.path, problem.detail, raw)
        if item.unreadable is not None:
            told = item.unreadable
            return Rejected(told.code, told.path, told.detail, raw, item.source, item.source_id, line=True)
        try:
            return self._pending(item, raw, now)
        except Undecodable as error:
            return Rejected(error.code, error.path, error.detail, raw, item.source, item.source_id)
        except Refused as error:
            return Rejected(
                error.code, error.path or "$.identifiers", error.detail, raw, item.source, item.source_id
            )

    def _pending(self, item: Inbound, raw: bytes, now: datetime) -> Pending:
        entry = registry.find(item.type)
        if entry is None:
            raise Undecodable("unknown_type", "$.type", "no event type has this name")
        if entry.door == "none":
            raise Undecodable("not_from_outside", "$.type", f"{item.type} is decided here, not sent in")
        if item.source in OWN_SOURCES or item.source.startswith(OWN_PREFIXES):
            raise Undecodable(
                "source_reserved", "$.source", "this source is one of ours: name your own system"
            )
        if item.origin == "replay":
            raise Undecodable("origin", "$.origin", "replay is ours alone: send live or import")
        occurred_at, known_at, assumed = _times(item, now)
        event = with_facets(codec.decode_inbound(item.type, item.data))
        _within_reach(getattr(event, "occurred_at", None), "$.data.occurred_at", now)
        refuse_reachable(event)
        values = self.identify(item.identifiers)
        stream = entry.stream(event)
        if stream and item.origin != "import":
            raise Undecodable("origin", "$.origin", f"{item.type} is imported history: origin must be import")
        draft = Draft(
            event_id=new_id(), type=entry.wire, schema=entry.schema, data=b"",
            digest=self._matcher.content(
                entry.wire.encode(), str(item.occurred_at).encode(), bytes(item.data),
                *(f"{one.ref.key}".encode() for one in values),
            ),
            source=item.source, source_id=item.source_id, origin=item.origin, occurred_at=occurred_at,
            known_at=known_at, known_assumed=assumed, actor=item.actor, cause=item.cause, stream=stream,
            about=getattr(event, "touch_id", ""), identifiers=tuple(one.ref for one in values), values=values,
            trace=tracing.current(), contact=getattr(event, "contact_id", None),
        )  # fmt: skip
        return Pending(draft, event, raw)

    def identify(self, given: Sequence[InboundIdentifier]) -> tuple[IdentifierValues, ...]:
        """Normalised and hashed, strongest first, each once. Raises `Refused` for what is none.

        What identifies nobody, say a switchboard, is left out: it would weld strangers together.
        """
        seen: dict[tuple[str, str, str], IdentifierValues] = {}
        for number, one in enumerate(given):
            try:
                ref, clean = self._recognisable(one.kind, one.issuer, one.value, self._region)
            except Refused as error:
                part = WRONG_PART.get(error.code, "value")
                raise Refused(error.code, error.detail, f"$.identifiers[{number}].{part}") from None
            if not self._says_nothing(ref.kind, clean):
                seen.setdefault(ref.key, IdentifierValues(ref, clean))
        return tuple(sorted(seen.values(), key=lambda value: strongest_first(value.ref.kind)))

    def _says_nothing(self, kind: str, clean: str) -> bool:
        pattern = self._never.get(kind)
        return pattern is not None and pattern.fullmatch(clean.casefold()) is not None

    def _reference(self, kind: str, issuer: str, value: str, region: str) -> tuple[IdentifierRef, str]:
        """What stands for an identifier in events, and its normalised value. Raises `Refused`."""
        clean = normalise(kind, issuer, value, region)
        ref = IdentifierRef(
            kind=clean.kind, issuer=clean.issuer, facets=clean.facets,
            hash=self._matcher.identifier(clean.kind, clean.issuer, clean.value),
        )  # fmt: skip
        return ref, clean.value

    def seal(self, pending: Sequence[Pending], unknown: set[tuple[str, str, str]]) -> list[Item]:
        """Seal personal fields and the values of identifiers not seen before; keep the keys; encode.

        Runs before the append and outside its lock; the keys are committed when this returns.
        """
        keys: list[DataKey] = []
        sealed: dict[tuple[str, str, str], DataKey] = {}
        items = []
        for one in pending:
            event, key = self.seal_event(one.event, one.draft.event_id)
            keys += [key] if key else []
            one.draft.data = codec.encode(event)
            keys += self.seal_values(one.draft.values, unknown, sealed)
            items.append(Item((one.draft,)))
        self._vault.keep(keys)
        return items

    def seal_values(
        self,
        values: Sequence[IdentifierValues],
        unknown: set[tuple[str, str, str]],
        sealed: dict[tuple[str, str, str], DataKey],
    ) -> list[DataKey]:
        """Seal those of the values that are unknown; the new keys to keep.

        Every bearer in a batch gets the sealed value, under one key (`sealed`): the append may turn the
        first of them away.
        """
        keys = []
        for value in values:
            if value.ref.key not in unknown:
                continue
            key = sealed.get(value.ref.key)
            if key is None:
                key = sealed[value.ref.key] = self._vault.make(new_id())
                keys.append(key)
            value.key_id, value.sealed = key.key_id, key.seal("value", value.clear.encode())
        return keys

    def seal_event(self, event: Event, event_id: str) -> tuple[Event, DataKey | None]:
        """The event with every personal field sealed under a key of its own, not kept yet."""
        fields = [
            name for name in personal_fields(type(event)) if isinstance(getattr(event, name), Clear)
        ]  # fmt: skip
        if not fields:
            return event, None
        key = self._vault.make(event_id)
        sealed = {name: key.seal_text(name, getattr(event, name)) for name in fields}
        return msgspec.structs.replace(event, **sealed), key


@cache
def personal_fields(cls: type[Event]) -> tuple[str, ...]:
    """The fields of an event type that say something about a person."""
    hints: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(cls)}
    return tuple(
        name for name, hint in hints.items()
        if hint is Personal or Personal in getattr(hint, "__args__", ())
    )  # fmt: skip


def _times(item: Inbound, now: datetime) -> tuple[datetime, datetime | None, bool]:
    """occurred_at, known_at (None: at recording), assumed; a live sender may leave its time to us."""
    occurred_at = item.occurred_at or (now if item.origin == "live" else None)
    if occurred_at is None:
        raise Undecodable("time_missing", "$.occurred_at", "an imported event must say when it occurred")
    _within_reach(occurred_at, "$.occurred_at", now)
    if item.origin == "live":
        return occurred_at, None, False
    known_at = item.known_at or occurred_at
    _within_reach(known_at, "$.known_at", now)
    return occurred_at, known_at, item.known_assumed or item.known_at is None


def _within_reach(moment: datetime | None, path: str, now: datetime) -> None:
    """Something that happened did so after 1899, and not after tomorrow."""
    if moment is not None and not EARLIEST <= moment <= now + AHEAD:
        raise Undecodable("time_out_of_range", path, "the time lies before 1900 or after tomorrow")
