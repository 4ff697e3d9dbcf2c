"""The orders of the published e-commerce events: what a shop's SDK tells of a purchase."""

import re
from decimal import Decimal
from typing import Any

import msgspec

from events.codec import Undecodable
from services.gateway.segment.message import Parts, as_text, part
from services.gateway.segment.people import Person, Unused

ORDERS = {
    "order completed": "purchase.recorded", "completed order": "purchase.recorded",
    "order_completed": "purchase.recorded", "order refunded": "purchase.returned",
    "order_refunded": "purchase.returned",
}  # fmt: skip
"""The events that are purchases, in small letters, and what they become."""

AMOUNTS = ("total", "revenue", "value")
"""Where the amount may stand; the first that is there counts."""
NAME = 200
_CURRENCY = re.compile(r"[A-Z]{3}")


def order(event: str, properties: Parts, person: Person) -> dict[str, Any]:
    """The purchase: amount, currency, order, pieces; its product by name where it has one alone.

    What is no currency is told as unused. Raises `Undecodable` for an amount that is no number.
    """
    found: dict[str, Any] = {"attributes": {"event": event}}
    amount = _amount(properties)
    if amount is not None:
        found["amount"] = amount
    if currency := as_text(part(properties, "currency")).upper():
        if _CURRENCY.fullmatch(currency):
            found["currency"] = currency
        else:
            told = Unused(
                "currency_invalid", "$.properties.currency", "a currency has three letters, like EUR"
            )
            person.unused.append(told)
    number = as_text(part(properties, "order_id")) or as_text(part(properties, "orderId"))
    if number:
        found["order_id"] = number
    products = [one for one in _list(part(properties, "products")) if isinstance(one, dict)]
    if products:
        found["quantity"] = sum(_pieces(one) for one in products)
        codes = [code for one in products if (code := _code(one))]
        if len(products) == 1 and (product := as_text(products[0].get("name")) or _code(products[0])):
            found["product"] = product[:NAME]
        if codes:
            found["attributes"]["products"] = ", ".join(codes)
    return found


def _amount(properties: Parts) -> Decimal | None:
    for name in AMOUNTS:
        raw = properties.get(name)
        if raw is None or bytes(raw) in (b"null", b'""'):
            continue
        try:
            amount = msgspec.json.decode(raw, type=Decimal)
        except msgspec.MsgspecError:
            amount = Decimal("NaN")
        if not amount.is_finite():
            raise Undecodable("invalid", f"$.properties.{name}", "Expected a number")
        return amount
    return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _pieces(product: dict[str, Any]) -> int:
    told = as_text(product.get("quantity"))
    return int(told) if told.isascii() and told.isdigit() and len(told) < 10 else 1


def _code(product: dict[str, Any]) -> str:
    found = as_text(product.get("product_id")) or as_text(product.get("sku")) or as_text(product.get("id"))
    return found if len(found) <= NAME else ""
