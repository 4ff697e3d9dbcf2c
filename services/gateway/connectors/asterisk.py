"""What Asterisk's files have in common: lines without ids, and members named by their channel.

A line is known by what it says, and by how many like it came before.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence

from services.gateway.connectors.connector import Instance, Part, Unmapped, digest, key_of, unread
from services.gateway.connectors.reading import label

MEMBER = re.compile(r"(?:[A-Za-z0-9]+/)?([^/@]+)(?:[/@].*)?")
NUMBER = re.compile(r"\+?\d{7,}")

Reading = Callable[[bytes], tuple[str, bytes]]
"""What a line belongs to, and the bytes that it is known by: all but what names a person."""


def cut(raw: bytes, read: Reading) -> Sequence[Part]:
    """One part a line, empty ones left out."""
    seen: Counter[tuple[str, bytes]] = Counter()
    parts = []
    for line in raw.split(b"\n"):
        line = line.rstrip(b"\r")
        if not line.strip():
            continue
        try:
            known = read(line)
        except Unmapped:
            parts.append(unread(line))
            continue
        parts.append(Part(key_of(known[0], f"{digest(known[1])}.{seen[known]}"), line))
        seen[known] += 1
    return parts


def plain(line: bytes) -> str:
    """A line's text. Raises `Unmapped`."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise Unmapped("not_utf8", "$", "The text is not UTF-8") from None
    if "\x00" in text:
        raise Unmapped("invalid", "$", "The character U+0000 is not allowed")
    return text


def member(name: str, instance: Instance) -> str | None:
    """An agent by the device's own name: of `PJSIP/ann`, ann. A number outside the house is no name of anybody."""
    found = MEMBER.fullmatch(name)
    device = found[1] if found else ""
    known = instance.options.names.get(name) or instance.options.names.get(device)
    return label(known or ("" if NUMBER.fullmatch(device) else device))
