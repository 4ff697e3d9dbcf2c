"""A shop with a year and a half of purchases, through the door, for trainings."""

from datetime import UTC, datetime, timedelta

from infra.workspace import Workspace
from tests.support.sending import account, purchase, send

END = datetime(2025, 7, 1, tzinfo=UTC)


def open_shop(workspace: Workspace) -> Workspace:
    """Purchases by 240 customers; some stop early, some go on."""
    items, first = [], datetime(2024, 1, 2, tzinfo=UTC)
    for who in range(240):
        gap, last = 12 + who % 7 * 9, 60 + who * 37 % 480
        for number, day in enumerate(range(who % 30, last, gap)):
            at = first + timedelta(days=day)
            items.append(purchase(f"{who}-{number}", account(str(who)), at=at, amount=str(5 + who % 40)))
    for start in range(0, len(items), 1000):
        send(workspace, *items[start : start + 1000])
    return workspace
