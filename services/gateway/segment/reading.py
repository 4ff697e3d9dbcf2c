"""A request of the dialect: whose key it carries, which messages, and what is said of all of them together."""

import base64
import binascii
import json
import re
from collections.abc import Mapping

import msgspec

from infra.security import key_of
from services.gateway.body import BATCH, BYTE_ORDER_MARK, BadBody
from services.gateway.segment.message import CAPTURE

DOOR = "segment"

STRANGERS_BYTES = 1024 * 1024
"""Of a body that is mended for a sender whose key can only stand inside it."""

_KEYS = ("writeKey", "api_key", "token")
_NOT_CONTENT = frozenset({*_KEYS, "sentAt", "sent_at"})
"""Says something of the request, not of what happened: sent again, a message may differ in it."""


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message with all that its translation depends on: what the quarantine keeps of it.

    `type` is what the route says of a message sent alone; `sent_at` the sender's clock when it was sent;
    `history` marks what was imported.
    """

    message: msgspec.Raw
    dialect: str = ""
    type: str = ""
    sent_at: str = ""
    history: bool = False

    def written(self) -> bytes:
        """As bytes that `kept` reads again."""
        return msgspec.json.encode(msgspec.structs.replace(self, dialect=DOOR))


class Posted(msgspec.Struct, frozen=True):
    """What came in one request: the key in its body, and its messages in order."""

    key: str
    messages: list[Kept]


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""One escape in a JSON text: a pair of surrogates, (a single one), or any other."""
_WHO = ("traits", "device")
"""Parts of a context that say who somebody is: a batch holds many people, so each message says it itself."""
_START = b'{"message":'
_kept = msgspec.json.Decoder(Kept)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])


def kept(raw: bytes) -> Kept | None:
    """The message behind an entry of the quarantine; None for what is no message of this dialect."""
    if not raw.startswith(_START):
        return None
    try:
        found = _kept.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    return found if found.dialect == DOOR else None


def key_in_headers(headers: Mapping[str, str]) -> str:
    """The key of `Authorization: Basic` (its user name), `Authorization: Bearer` or `X-API-Key`; or empty."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return key_of(headers)
    try:
        return base64.b64decode(given.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def posted(body: bytes, route: str, *, known: bool = False) -> Posted:
    """Read a plain body. A batch is told by its key `batch`; anything else is one message, or an array of them.

    `route` is the path's own word: a type of message (`track`, say), `batch`, `import`, or `capture` for the
    form of PostHog. `known` says that the sender has shown a key: more work may then go into a body that is no
    JSON. Raises `BadBody`.
    """
    body = body.removeprefix(BYTE_ORDER_MARK).strip()
    if not body:
        raise BadBody(
            400, "empty_body", "the body is empty: send a message, or an object with a batch of them"
        )
    try:
        try:
            return _posted(body, route)
        except msgspec.DecodeError:
            if not known and len(body) > STRANGERS_BYTES:
                raise
            return _posted(_mended(body), route)
    except RecursionError:
        raise BadBody(400, "too_deep", "the nesting is too deep") from None
    except UnicodeDecodeError:
        raise BadBody(400, "not_utf8", "the body is not UTF-8") from None
    except (msgspec.MsgspecError, ValueError):
        raise BadBody(
            400, "not_json", "the body is no message, and no object with an array `batch`"
        ) from None


def _posted(body: bytes, route: str) -> Posted:
    history = route == "import"
    if body.startswith(b"["):
        return Posted("", [Kept(one, history=history) for one in _few(_array.decode(body))])
    top = _object.decode(body)
    key = next((found for name in _KEYS if (found := _text(top.get(name)))), "")
    sent_at = _text(top.get("sentAt")) or _text(top.get("sent_at"))
    if "batch" in top:
        history = history or _says_true(top, "historical_migration", "historicalMigration")
        kind = route if route == CAPTURE else ""
        if bytes(top["batch"])[:1] != b"[":
            raise BadBody(400, "batch_invalid", "`batch` must be an array of messages", path="$.batch")
        shared = _context(top.get("context"))
        messages = [_in_context(one, shared) for one in _few(_array.decode(top["batch"]))]
        return Posted(key, [Kept(one, "", kind, sent_at, history) for one in messages])
    if route in ("batch", "import"):
        raise BadBody(400, "no_batch", "the body has no `batch`", path="$.batch")
    alone = msgspec.json.encode({name: value for name, value in top.items() if name not in _NOT_CONTENT})
    return Posted(key, [Kept(msgspec.Raw(alone), "", route, sent_at)])


def _mended(body: bytes) -> bytes:
    """What SDKs write though it is no JSON: half an emoji, or a byte of one, is U+FFFD; NaN and Infinity, null.

    Refused, one such message would take its whole batch with it.
    """
    whole = _ESCAPE.sub(lambda found: b"\\ufffd" if found[1] else found[0], body)
    return json.dumps(json.loads(whole.decode(errors="replace"), parse_constant=lambda _: None)).encode()


def _few(messages: list[msgspec.Raw]) -> list[msgspec.Raw]:
    if len(messages) > BATCH:
        raise BadBody(
            413, "batch_too_large", f"a batch may have {BATCH} messages, this one has {len(messages)}"
        )
    return messages


def _context(raw: msgspec.Raw | None) -> dict[str, msgspec.Raw]:
    """What a batch says for all of its messages; empty where it is no object."""
    if raw is None or bytes(raw)[:1] != b"{":
        return {}
    return {name: value for name, value in _object.decode(raw).items() if name not in _WHO}


def _in_context(message: msgspec.Raw, shared: dict[str, msgspec.Raw]) -> msgspec.Raw:
    """The message with the parts of its batch's context that it does not have itself."""
    if not shared or bytes(message)[:1] != b"{":
        return message
    found = _object.decode(message)
    own = bytes(found.get("context", b"null"))
    if own == b"null" or own[:1] == b"{":
        merged = shared if own == b"null" else {**shared, **_object.decode(own)}
        found["context"] = msgspec.Raw(msgspec.json.encode(merged))
    return msgspec.Raw(msgspec.json.encode(found))


def _text(raw: msgspec.Raw | None) -> str:
    """A string's content; empty for anything else."""
    if raw is None:
        return ""
    found = msgspec.json.decode(raw)
    return found if isinstance(found, str) else ""


def _says_true(top: Mapping[str, msgspec.Raw], *names: str) -> bool:
    return any(bytes(top.get(name, b"")) == b"true" for name in names)
