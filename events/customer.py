"""Who a customer is, as told by people and by systems of record; and the end of it."""

from typing import Annotated

from msgspec import Meta

from events.envelope import Event
from events.personal import Personal
from events.registry import event
from events.vocabulary import Code, Count, Moment, Name

MonthDay = Annotated[str, Meta(pattern=r"^\d\d-\d\d(?!\n)$", description="Month and day of a birthday.")]


@event("customer.described", door="facts", by="app, shop, agent desktop, system of record")
class CustomerDescribed(Event):
    """Somebody told us who they are, or a system of record knows it; its identifiers belong to one person.

    `birthday` is a date (YYYY-MM-DD); the door writes its month and day beside it, for care on the day.
    `details` is whatever else was told, as text. What is not said stays as it was.
    """

    name: Personal | None = None
    birthday: Personal | None = None
    birth_day: MonthDay | None = None
    address: Personal | None = None
    note: Personal | None = None
    details: Personal | None = None
    language: Code | None = None


@event("customer.erased", by="a person, on the customer's request", category="customer", key="customer")
class CustomerErased(Event):
    """The customer asked to be forgotten: their personal data becomes unreadable everywhere."""

    customer: Name
    asked_by: Name


@event("customer.erasure_certified", by="the job that erases", category="customer", key="customer")
class ErasureCertified(Event):
    """A customer was forgotten: how many keys and identifiers were deleted, and until when archives hold them.

    It is told again (`run`) where something of theirs came late, or a backup of the vault was restored.
    """

    customer: Name
    keys: Count
    identifiers: Count
    archives_until: Moment
    run: Count = 1
