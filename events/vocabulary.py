"""The closed word lists of the contract, and the constrained types built on them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

Origin = Literal["live", "import", "replay"]
"""`import` and `replay` facts fold into the views at their own time and cause nothing."""

Channel = Literal[
    "voice", "ivr", "sms", "email", "chat", "im", "social", "video", "store", "web", "app", "fax", "post",
    "unknown",
]  # fmt: skip
Direction = Literal["inbound", "outbound", "unknown"]
Outcome = Literal["resolved", "unresolved", "transferred", "abandoned", "callback", "unknown"]
Purpose = Literal[
    "acquisition", "cross_sell", "second_marketing", "retention", "win_back", "counter_poaching", "care",
    "survey", "brand",
]  # fmt: skip
IdentifierKind = Literal["account", "national_id", "phone", "email", "openid", "device", "cookie"]
Stage = Literal["identified", "acquired", "developing", "retained", "at_risk", "lost", "regained"]
Severity = Literal["low", "normal", "high", "critical"]
Outside = Literal["test", "phantom"]
"""Why a touch stays outside all figures."""

Moment = Annotated[datetime, Meta(tz=True, description="An instant with its UTC offset.")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Code = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[\w.\-]+(?!\n)$")]
Seconds = Annotated[float, Meta(ge=0, le=7 * 86_400, description="A duration in seconds.")]
Share = Annotated[float, Meta(ge=0, le=1, description="A share or a probability, 0 to 1.")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Money = Annotated[Decimal, Meta(description="An amount in the currency named beside it.")]
Currency = Annotated[
    str, Meta(pattern=r"^([A-Z]{3})?(?!\n)$", description="ISO 4217, empty where not stated.")
]
