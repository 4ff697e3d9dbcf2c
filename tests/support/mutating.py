"""Payloads as broken senders and attackers write them: valid samples, each changed in one or a few ways.

Everything is drawn from the `Random` that is passed in, so that a seed repeats a run.
"""

import gzip
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from urllib.parse import quote_from_bytes


@dataclass(frozen=True, slots=True)
class Payload:
    """A body and the headers that matter to its door; `ways` are the names of what was done to it."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    ways: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Payload({self.ways}, {len(self.body)} bytes, {self.body[:200]!r})"


Mutator = Callable[[bytes, Random], bytes]

_JSON = re.compile(rb'(?<=[:\[,])\s*("(?:[^"\\]|\\.)*"(?!\s*:)|-?\d[\d.eE+\-]*|true|false|null|\{\}|\[\])')
_NAME = re.compile(rb'"(\w+)"\s*:')
_FORM = re.compile(rb"(?<==)[^&]*")
_XML = re.compile(rb"(?<=>)[^<]+(?=<)|(?<=CDATA\[)[^\]]*")
_LINE = re.compile(rb"(?<=[|,])[^|,\r\n]*")
_ID = re.compile(rb"[0-9a-f]{32}|(?<=-)\d{3,9}(?=\")|(?<=\d\.)\d{2,6}(?=[|\"])")
_NAMED_ID = re.compile(
    rb'((?:"(?:id|ContactId|InitialContactId|contactId|initialContactId|sg_event_id|sg_message_id|eventId)"\s*:\s*"?'
    rb'|<MsgId>))(?!null)([\w.\-]{1,40})'
)  # fmt: skip

_DEPTHS = (90, 2_000, 60_000)
_LENGTHS = (201, 70_000, 300_000)
_NUMBERS = (
    b"1e999", b"-1e999", b"1" + b"0" * 400, b"-" + b"9" * 5_000, b"9223372036854775808", b"18446744073709551616",
    b"1e-400", b"-0", b"0E+999999999", b"253402300800", b"-62135596801",
)  # fmt: skip
_NONE = (b"NaN", b"Infinity", b"-Infinity", b"nan", b'"NaN"', b'"Infinity"')
_TYPES = (b"null", b"true", b"0", b"-1", b"1.5", b'""', b'"x"', b"[]", b"{}", b"[null]", b'{"a":[1,{"b":2}]}')
_SURROGATES = (rb'"\ud800"', rb'"a\udfffb"', rb'"\udc00\ud800"', b'"\xed\xa0\x80"', rb'"\ud83d"')
_NULS = (rb'"a\u0000b"', b'"a\x00b"', rb'"\u0000"')
_WORDS = (b'"+14155552671"', b'"+86 138 0013 8000"', b'"ann@example.com"', b'"4155552671"')
_MOMENTS = (
    b'"9999-12-31T23:59:59-14:00"', b'"0001-01-01T00:00:00+14:00"', b'"2026-02-30T00:00:00Z"', b'"2026-03-02"',
    b'"2026-03-02T10:00:00"', b"99999999999999", b'"Mon, 99 Mar 2026 99:99:99 +9999"',
)  # fmt: skip
_BOMB = gzip.compress(b"[" + b" " * 20_000_000 + b"]", 9)
_BOMB_OF_OBJECTS = gzip.compress(b"[" + b"{}," * 2_600 + b"{}]", 9)
_XML_BOMBS = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>',
    b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>', b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">',
    b'<?xml version="1.0" encoding="utf-7"?>', b'<?xml version="1.0" encoding="no-such"?>',
)  # fmt: skip
_MEDIA_TYPES = (
    "application/json", "text/plain", "application/x-www-form-urlencoded", "text/xml", "text/csv",
    "application/cloudevents+json", "application/cloudevents-batch+json", "application/json; charset=utf-16",
    "multipart/form-data; boundary=x", "application/octet-stream", "", "application/json;;;", "*/*",
)  # fmt: skip


def renamed(body: bytes, chance: Random) -> bytes:
    """The body with other ids in it, the same for each one wherever it stands: something new, not a repeat."""
    salt = chance.randrange(10**9)
    body = _NAMED_ID.sub(lambda found: found[1] + found[2] + str(salt).encode(), body)
    return _ID.sub(lambda found: _like(found[0], salt), body)


def _like(one: bytes, salt: int) -> bytes:
    """A long one keeps its length, which some vendors' ids have; a short one grows, so that it is new."""
    if len(one) < 32:
        return one + str(salt).encode()
    drawn = Random(f"{salt} {one.hex()}")
    return "".join(drawn.choice("0123456789abcdef") for _ in one).encode()


def _at(body: bytes, chance: Random) -> int:
    return chance.randrange(len(body) + 1)


def _flip(body: bytes, chance: Random) -> bytes:
    found = bytearray(body)
    for _ in range(chance.choice((1, 1, 3, 20)) if found else 0):
        found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    return bytes(found)


def _insert(body: bytes, chance: Random) -> bytes:
    at = _at(body, chance)
    return body[:at] + chance.randbytes(chance.choice((1, 2, 30))) + body[at:]


def _delete(body: bytes, chance: Random) -> bytes:
    at = _at(body, chance)
    return body[:at] + body[at + chance.choice((1, 2, 30)) :]


def _cut(body: bytes, chance: Random) -> bytes:
    return body[: _at(body, chance)]


def _repeat(body: bytes, chance: Random) -> bytes:
    begin, end = sorted((_at(body, chance), _at(body, chance)))
    return body[:end] + body[begin:end] * chance.choice((1, 2)) + body[end:]


def _name_twice(body: bytes, chance: Random) -> bytes:
    names = list(_NAME.finditer(body))
    if not names:
        return body + b"&" + body
    one = chance.choice(names)
    return body[: one.start()] + b'"%s":%s,' % (one[1], chance.choice(_TYPES)) + body[one.start() :]


def _other_name(body: bytes, chance: Random) -> bytes:
    names = list(_NAME.finditer(body))
    if not names:
        return _delete(body, chance)
    one = chance.choice(names)
    return body[: one.start(1)] + chance.choice((b"", b"x", b"+14155552671", b"$")) + body[one.end(1) :]


def _value(pool: Sequence[bytes]) -> Mutator:
    """Puts one of these in place of a value: as it is into JSON, as its text into every other form."""

    def put(body: bytes, chance: Random) -> bytes:
        return _put(body, chance.choice(pool), chance)

    return put


def _put(body: bytes, told: bytes, chance: Random) -> bytes:
    start, plain = body[:1], told.strip(b'"')
    if start in (b"{", b"["):
        pattern, written = _JSON, told
    elif start == b"<":
        pattern, written = _XML, plain
    elif b"=" in body and b"&" in body:
        pattern, written = _FORM, quote_from_bytes(plain).encode()
    else:
        pattern, written = _LINE, plain
    places = [found.span() for found in pattern.finditer(body)]
    if not places:
        return body + told
    begin, end = chance.choice(places)
    return body[:begin] + written + body[end:]


def _deep(body: bytes, chance: Random) -> bytes:
    depth = chance.choice(_DEPTHS)
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"<a>", b"</a>")))
    return _put(body, opening * depth + b"1" + closing * depth, chance)


def _long(body: bytes, chance: Random) -> bytes:
    return _put(
        body, b'"' + chance.choice((b"x", "中".encode(), b" ")) * chance.choice(_LENGTHS) + b'"', chance
    )


def _packed(body: bytes, chance: Random) -> bytes:
    return gzip.compress(body, 1)


def _packed_badly(body: bytes, chance: Random) -> bytes:
    packed = gzip.compress(body, 1)
    ways = (
        packed[:-9], packed + body, packed + packed, b"\x1f\x8b" + body, _flip(packed, chance), gzip.compress(packed),
        _BOMB, _BOMB_OF_OBJECTS,
    )  # fmt: skip
    return chance.choice(ways)


def _bomb(body: bytes, chance: Random) -> bytes:
    return chance.choice(_XML_BOMBS) + body.replace(b"]]>", b"]]>&c;&a;", 1)


def _other_encoding(body: bytes, chance: Random) -> bytes:
    text = body.decode(errors="replace")
    name = chance.choice(("utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig", "gb18030", "cp500"))
    return text.encode(name, errors="replace")


MUTATORS: Mapping[str, Mutator] = {
    "bits flipped": _flip, "bytes put in": _insert, "bytes taken out": _delete, "cut off": _cut,
    "a piece twice": _repeat, "a name twice": _name_twice, "another name": _other_name, "too deep": _deep,
    "a huge number": _value(_NUMBERS), "no number": _value(_NONE), "a wrong type": _value(_TYPES),
    "half a surrogate pair": _value(_SURROGATES), "NUL": _value(_NULS), "a phone in a name field": _value(_WORDS),
    "no moment": _value(_MOMENTS), "very long": _long, "packed": _packed, "packed badly": _packed_badly,
    "an XML bomb": _bomb, "another encoding": _other_encoding,
}  # fmt: skip
HEALTHY = "healthy"
SWAPPED = "another media type"


def mutated(sample: Payload, chance: Random) -> Payload:
    """The sample, changed in one way or a few; every eighth is healthy."""
    body, headers, ways = sample.body, dict(sample.headers), list[str]()
    if chance.random() < 1 / 8:
        return replace(sample, ways=(HEALTHY,))
    for name in chance.sample(sorted(MUTATORS), chance.choice((1, 1, 1, 2, 3))):
        body = MUTATORS[name](body, chance)
        ways.append(name)
    if chance.random() < 1 / 12:
        headers["Content-Type"] = chance.choice(_MEDIA_TYPES)
        ways.append(SWAPPED)
    return Payload(body, headers, tuple(ways))
