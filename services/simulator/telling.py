"""What the company is told of the world, as its systems would send it."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from services.simulator.life import Life
from services.simulator.spec import Spec

SOURCE = ISSUER = "telecom"
_encode = msgspec.json.Encoder().encode
Data = dict[str, Any]


class Told(NamedTuple):
    """One inbound item. `at` is when it is sent, in seconds of the epoch; `body` the item as the gateway takes it.

    The fields are in the order by which items follow each other.
    """

    at: int
    customer: int
    number: int
    body: bytes


class Telling:
    """Collects what is told, in the form and the time that the spec asks for."""

    def __init__(self, spec: Spec) -> None:
        self._begin, self._speed, self._origin = spec.month(0), spec.speed, spec.origin
        self._source = f"{SOURCE}-{spec.seed}"
        self.parts = spec.parts
        self.items: list[Told] = []

    def second(self, at: float) -> int:
        """The second in which something of the world happens by the clock."""
        if at <= self._begin or self._speed == 1:
            return int(at)
        return int(self._begin + (at - self._begin) / self._speed)

    def moment(self, at: float) -> datetime:
        """The same as a moment."""
        return datetime.fromtimestamp(self.second(at), UTC)

    def tell(
        self, life: Life, type: str, at: float, data: Data, known: float | None = None, by: str = "account"
    ) -> None:
        """Something happened at `at`; the company hears of it then, or later (`known`).

        `by` says which identifier its system knows: the account, the phone, or both.
        """
        life.told += 1
        heard = self.second(at if known is None else known)
        item: Data = {
            "type": type, "source": self._source, "source_id": f"{life.number}-{life.told}",
            "occurred_at": self.moment(at), "identifiers": identifiers(life, by),
        }  # fmt: skip
        if self._origin == "import" or heard < self._begin or type == "case.imported":
            item["origin"] = "import"
            item["known_at"] = datetime.fromtimestamp(heard, UTC)
        item["data"] = data
        self.items.append(Told(heard, life.number, life.told, _encode(item)))

    def assigned(self, life: Life, at: float, data: Data) -> None:
        """Chance put the customer into a campaign's treatment or its hold-out."""
        self.tell(life, "campaign.assigned", at, data)


def account(life: Life) -> str:
    """The customer's account number."""
    return f"T{life.number:07d}"


def identifiers(life: Life, by: str) -> list[dict[str, str]]:
    """What a system knows of a customer."""
    known = {"kind": "account", "issuer": ISSUER, "value": account(life)}
    if by == "account":
        return [known]
    # Seven digits that do not begin with 0 or 1, each once: the factor shares no divisor with their number.
    digits = 2_000_000 + life.number * 1_664_527 % 8_000_000
    phone = {"kind": "phone", "value": f"+1415{digits}"}
    return [phone] if by == "phone" else [known, phone]
