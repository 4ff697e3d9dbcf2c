"""A journal row as one CloudEvent in structured form: the attributes that its Kafka message has, and the data."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from infra import messages

_DATA_TYPE = "content-type"


class CloudEvent(NamedTuple):
    """One event of the journal, ready to be sent; `body` is its JSON, on one line."""

    position: int
    event_id: str
    type: str
    body: bytes


def from_row(row: Sequence[Any], public_url: str = "") -> CloudEvent:
    """The event of a row in the order of `journal.WRITTEN`. Raises `events.codec.Undecodable`.

    Every attribute is the text that the header of the same name carries: CloudEvents takes lower-case letters
    and digits alone (`ts_known_at` is `knownat`), and its whole numbers end at 2³¹, which a position does not.
    """
    message = messages.from_row(row, public_url)
    told: dict[str, Any] = {_attribute(name): value.decode() for name, value in message.headers}
    told["partitionkey"] = message.keys[0].decode()
    told["data"] = msgspec.Raw(message.value)
    return CloudEvent(message.position, told["id"], told["type"], msgspec.json.encode(told))


def _attribute(header: str) -> str:
    if header == _DATA_TYPE:
        return "datacontenttype"
    return header.removeprefix("ce_").removeprefix("ts_").replace("_", "")
