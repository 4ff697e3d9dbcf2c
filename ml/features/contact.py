"""How customers make contact, what about, how long they wait, and what becomes of it."""

import polars as pl

from ml.cut import within
from ml.definition import Feature
from ml.facts import EXACT

TOUCH = ("touch.recorded",)
CONTACT = ("touch.recorded", "contact.started", "contact.ended", "contact.wrapped_up")
WINDOWS = (30, 90, 180, 365)
CHANNELS = {
    "voice": ("voice", "ivr"),
    "written": ("chat", "im", "email", "sms", "social"),
    "store": ("store",),
}
REASONS = {"billing": "billing", "fault": "fault", "price": "price"}
"""Beginnings of contact reasons that operators everywhere have."""

_waited = pl.col("wait_e4").filter(within(90)).mean()


def _count(of: pl.Expr, days: int) -> pl.Expr:
    return (of & within(days)).sum()


FEATURES: tuple[Feature, ...] = (
    Feature(
        "days_since_contact", "contact", "time since the customer last made contact", "days", CONTACT, "contacts",
        pl.col("age").min(), "last contact {} ago", "never made contact",
    ),
    *(
        Feature(
            f"contacts_{days}d", "contact", f"contacts the customer began in {days} days", "contacts", CONTACT,
            "contacts", within(days).sum(), f"{{}} in the last {days} days", empty=0.0,
        )
        for days in WINDOWS
    ),
    *(
        Feature(
            f"contacts_{name}_90d", "contact", f"contacts on {name} channels in 90 days", "contacts", CONTACT,
            "contacts", _count(pl.col("channel").is_in(channels), 90), f"{{}} ({name}) in the last 90 days",
            empty=0.0,
        )
        for name, channels in CHANNELS.items()
    ),
    *(
        Feature(
            f"contacts_about_{name}_90d", "contact", f"contacts about {name} in 90 days", "contacts", CONTACT,
            "contacts", _count(pl.col("reason").str.starts_with(prefix), 90),
            f"{{}} about {name} in the last 90 days", empty=0.0,
        )
        for name, prefix in REASONS.items()
    ),
    Feature(
        "contact_trend", "contact", "contacts of 30 days ÷ a third of those of 90", "times", CONTACT, "contacts",
        pl.when(within(90).any()).then(3 * within(30).sum() / within(90).sum()), "contacts {} the usual",
        "no contact in 90 days",
    ),
    *(
        Feature(
            f"repeat_contacts_{days}d", "contact", f"contacts within 7 days of the one before, in {days} days",
            "contacts", CONTACT, "contacts", _count(pl.col("repeat"), days),
            f"{{}} soon after another in the last {days} days", empty=0.0,
        )
        for days in (30, 90)
    ),
    Feature(
        "outreach_90d", "contact", "touches the company began in 90 days", "contacts", TOUCH, "events",
        (pl.col("is_outreach") & within(90)).sum(), "{} from us in the last 90 days", empty=0.0,
    ),
    *(
        Feature(
            f"unresolved_{days}d", "leaving", f"contacts left unresolved in {days} days", "contacts", CONTACT,
            "contacts", _count(pl.col("unresolved"), days), f"{{}} left unresolved in the last {days} days",
            empty=0.0,
        )
        for days in (90, 365)
    ),
    Feature(
        "mean_wait_90d", "waiting", "mean wait of the contacts in 90 days that say it", "seconds", CONTACT, "contacts",
        _waited, "waited {} on average in the last 90 days", "no wait known", per=EXACT,
    ),
    Feature(
        "longest_wait_90d", "waiting", "longest wait in 90 days", "seconds", CONTACT, "contacts",
        pl.col("wait_e4").filter(within(90)).max(), "waited {} at the worst", "no wait known", per=EXACT,
    ),
    *(
        Feature(
            f"abandoned_{days}d", "waiting", f"contacts given up while waiting, in {days} days", "contacts", CONTACT,
            "contacts", _count(pl.col("abandoned"), days), f"{{}} given up in the last {days} days", empty=0.0,
        )
        for days in (30, 90)
    ),
    Feature(
        "talk_90d", "contact", "time talked in 90 days", "seconds", CONTACT, "contacts",
        pl.col("talk_e4").filter(within(90)).sum(), "{} talked in the last 90 days", empty=0.0, per=EXACT,
    ),
)  # fmt: skip
