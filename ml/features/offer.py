"""What was offered to a customer, and what came of it."""

import polars as pl

from ml.cut import within
from ml.definition import Feature

SHOWN, ANSWERED, ATTEMPT = ("presentation.made",), ("presentation.answered",), ("attempt.made",)


def _answers(what: str) -> pl.Expr:
    return (pl.col("is_answered") & (pl.col("answer") == what) & within(365)).sum()


FEATURES: tuple[Feature, ...] = (
    Feature(
        "offers_365d", "offer", "offers put to the customer in 365 days", "offers", SHOWN, "events",
        (pl.col("is_shown") & within(365)).sum(), "{} in the last 365 days", empty=0.0,
    ),
    Feature(
        "offers_accepted_365d", "offer", "offers accepted in 365 days", "offers", ANSWERED, "events",
        _answers("accepted"), "{} accepted in the last 365 days", empty=0.0,
    ),
    Feature(
        "offers_declined_365d", "offer", "offers declined in 365 days", "offers", ANSWERED, "events",
        _answers("declined"), "{} declined in the last 365 days", empty=0.0,
    ),
    Feature(
        "attempts_90d", "offer", "tries to reach the customer in 90 days", "contacts", ATTEMPT, "events",
        (pl.col("is_attempt") & within(90)).sum(), "{} tried by us in the last 90 days", empty=0.0,
    ),
)  # fmt: skip
