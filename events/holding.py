"""What the customer has, buys, uses and pays."""

from msgspec import field

from events.envelope import Event
from events.registry import event
from events.vocabulary import Code, Count, Currency, Moment, Money, Name


@event("holding.started", door="facts", by="billing, order system")
class HoldingStarted(Event):
    """The customer has a product from now on: plan, allowance, add-on, contract.

    `price` is what it costs a month; `ends_at` the contract's end where there is one.
    """

    holding_id: Name
    product: Name
    price: Money | None = None
    currency: Currency = ""
    ends_at: Moment | None = None
    attributes: dict[str, str] = field(default_factory=dict)


@event("holding.changed", door="facts", by="billing, order system")
class HoldingChanged(Event):
    """The customer moved to another product, price or end within the same holding."""

    holding_id: Name
    product: Name | None = None
    price: Money | None = None
    currency: Currency = ""
    ends_at: Moment | None = None


@event("holding.ended", door="facts", by="billing, order system")
class HoldingEnded(Event):
    """The customer no longer has the product; `why` is the company's own code."""

    holding_id: Name
    why: Code | None = None


@event("holding.cancel_requested", door="facts", by="agent desktop, app, letter")
class CancelRequested(Event):
    """The customer asked to end a holding, or to leave altogether (no holding named)."""

    holding_id: Name | None = None
    reason: Code | None = None


@event("holding.save_accepted", door="facts", by="agent desktop")
class SaveAccepted(Event):
    """A customer who meant to leave accepted an offer and stays."""

    holding_id: Name | None = None
    offer: Name | None = None


@event("purchase.recorded", door="facts", by="shop, till, web shop")
class PurchaseRecorded(Event):
    """The customer bought something: `quantity` pieces for `amount` in all."""

    product: Name | None = None
    quantity: Count = 1
    amount: Money | None = None
    currency: Currency = ""
    order_id: Name | None = None
    country: Name | None = None
    attributes: dict[str, str] = field(default_factory=dict)


@event("purchase.returned", door="facts", by="shop, till, web shop")
class PurchaseReturned(Event):
    """The customer brought something back: `quantity` pieces, `amount` refunded (both positive)."""

    product: Name | None = None
    quantity: Count = 1
    amount: Money | None = None
    currency: Currency = ""
    order_id: Name | None = None
    country: Name | None = None
    attributes: dict[str, str] = field(default_factory=dict)


@event("usage.recorded", door="facts", by="network, app, metering")
class UsageRecorded(Event):
    """The customer used a service: `quantity` of `unit` (minutes, MB, visits)."""

    service: Name
    quantity: float
    unit: Name
    holding_id: Name | None = None


@event("bill.issued", door="facts", by="billing")
class BillIssued(Event):
    """The customer was billed."""

    bill_id: Name
    amount: Money
    currency: Currency = ""
    due_at: Moment | None = None


@event("bill.paid", door="facts", by="billing")
class BillPaid(Event):
    """The customer paid a bill, in whole or in part."""

    bill_id: Name
    amount: Money
    currency: Currency = ""
