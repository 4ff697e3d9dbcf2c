"""A request's body, read with its limits: size on the wire, size unpacked, number of events."""

import zlib

import msgspec
from fastapi import Request

BODY_BYTES = 5 * 1024 * 1024
"""Of the body, packed or unpacked."""
BATCH = 2_500
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_items = msgspec.json.Decoder(list[msgspec.Raw])


class BadBody(Exception):
    """A body that can't be read at all: status, code, sentence, and which part of it; and the door it came to, if
    it is counted there.
    """

    def __init__(self, status: int, code: str, detail: str, door: str = "", path: str = "$") -> None:
        super().__init__(code)
        self.status, self.code, self.detail, self.door, self.path = status, code, detail, door, path


async def read_items(request: Request) -> list[bytes]:
    """The body's items, one or a batch, each as its own bytes. gzip is recognised by its first bytes."""
    body = unpack(await read_body(request))
    body = body.removeprefix(BYTE_ORDER_MARK).lstrip(b" \t\r\n")
    start = body[:1]
    if not start:
        raise BadBody(
            400, "empty_body", "the body is empty: send one event as an object, or an array of them"
        )
    if start == b"{":
        return [body]
    if start != b"[":
        raise BadBody(400, "not_json", "the body is neither a JSON object nor an array")
    try:
        items = [bytes(raw) for raw in _items.decode(body)]
    except RecursionError:
        raise BadBody(400, "too_deep", "the nesting is too deep") from None
    except UnicodeDecodeError:
        raise BadBody(400, "not_utf8", "the body is not UTF-8") from None
    except msgspec.MsgspecError:
        raise BadBody(400, "not_json", "the body is not one JSON array") from None
    if len(items) > BATCH:
        raise BadBody(413, "batch_too_large", f"a batch may have {BATCH} events, this one has {len(items)}")
    return items


def unpack(body: bytes) -> bytes:
    """The body, unpacked if it is gzip; the cap holds while unpacking, not after."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, BODY_BYTES + 1)
    except zlib.error:
        raise BadBody(400, "bad_gzip", "the body begins like gzip and is none") from None
    if len(plain) > BODY_BYTES:
        raise BadBody(413, "body_too_large", f"the body may have {BODY_BYTES} bytes once unpacked")
    if not unpacker.eof:
        raise BadBody(400, "bad_gzip", "the gzip body ends too early")
    if unpacker.unused_data:  # another member, say: it must not be lost without a word
        raise BadBody(400, "bad_gzip", "something follows the gzip body")
    return plain


async def read_body(request: Request) -> bytes:
    """The bytes as they came, packed or not."""
    too_large = BadBody(413, "body_too_large", f"the body may have {BODY_BYTES} bytes")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > BODY_BYTES:
        raise too_large
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_BYTES:
            raise too_large
        parts.append(part)
    return b"".join(parts)
