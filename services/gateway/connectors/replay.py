"""The window in which a signed call may come again: its repeats are duplicates then, and refused after."""

import re
from datetime import datetime

from services.gateway.connectors.connector import Instance, Refusal


def too_old(stamp: str, instance: Instance, now: datetime) -> Refusal | None:
    """Was a call, signed at this time (seconds since 1970), sent longer ago than may be, or in the future?"""
    window = instance.options.replay_seconds
    if re.fullmatch(r"\d{1,12}", stamp) and abs(now.timestamp() - int(stamp)) <= window:
        return None
    return Refusal(
        403, "replayed",
        f"the call was signed more than {window} seconds from now: look at both clocks, or raise `replay_seconds`",
    )  # fmt: skip
