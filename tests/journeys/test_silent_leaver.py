"""Scene C: nobody complained, use fell; the list has them with reasons, an offer, an hour, and not by voice."""

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from infra.consent.do_not_call import take_register
from infra.target_list.building import build
from infra.target_list.rows import frozen
from services import prediction
from tests.support.folding import fold
from tests.support.sending import account, item, phone, purchase, send
from tests.support.workspaces import ruled

BEGIN, NOW = datetime(2025, 1, 6, tzinfo=UTC), datetime(2026, 1, 12, 15, tzinfo=UTC)
WEEKS = (NOW - BEGIN).days // 7
THEIRS = "+1 212 555 2671"
RULES = """
currency = "USD"
[lifecycle]
active_days = 60
[retention]
offer = "stay_gesture"
offer_cost = 2
acceptance = 0.5
margin = 1.0
channels = ["voice", "sms"]
legal_basis = {voice = "contract", sms = "contract"}
contact_cost = {voice = 0.1, sms = 0.5}
holdout = 0.0
"""


@pytest.fixture
def workspace(settings, clock, tmp_path):
    clock.at = NOW
    with ruled(settings, clock, tmp_path, RULES) as opened:
        yield opened


def life(number: int, leaves: int | None, *known: dict) -> list[dict]:
    """A customer's weeks: a purchase now and then, use every week that fades for two months before they leave.

    Some who stay have such months too: they are away, and come back.
    """
    told, chance = [], Random(number)
    away = chance.randrange(WEEKS) if leaves is None else -99
    for week in range(number % 4, WEEKS):
        left = (leaves or 10_000) - week
        if left <= 0:
            break
        at = BEGIN + timedelta(days=7 * week + number % 5, hours=9)
        if away <= week < away + 7 and chance.random() < 0.8:
            continue
        fading = 1.0 if left > 8 else left / 9
        if chance.random() < (0.85 if left > 8 else 0.45):
            used = item(f"u{number}-{week}", *known, type="usage.recorded", at=at, origin="import", service="calls",
                        quantity=round(30 * fading, 1), unit="minutes")  # fmt: skip
            told.append(used)
        if chance.random() < 0.25 and left > 5:
            told.append(purchase(f"p{number}-{week}", *known, at=at + timedelta(hours=1), amount="25"))
    return told


@pytest.fixture
def town(workspace):
    """Three hundred customers, of whom some leave every week; and one who has begun to fade, and said nothing."""
    items = []
    for number in range(300):
        leaves = 14 + number * 7 % (WEEKS + 20) if number % 3 else None
        items += life(number, leaves, account(str(number)), phone(f"+1 415 555 {2000 + number:04d}"))
    items += life(999, WEEKS + 1, account("999"), phone(THEIRS))
    answers = []
    for start in range(0, len(items), 2_000):
        answers += send(workspace, *items[start : start + 2_000])
    assert {one.verdict for one in answers} == {"accepted"}
    return answers[-1].customer


def test_the_silent_leaver_is_listed_with_reasons_offer_and_hour_and_by_text_message(workspace, town):
    list(take_register(workspace, [THEIRS], "national register 2026-01"))
    training = prediction.train(workspace, until=NOW - timedelta(days=1), horizon_days=60, report=False)
    prediction.score_everyone(workspace, training.artifact)
    fold(workspace)
    listed = build(workspace, "retention")
    with workspace.engine.connect() as connection:
        rows = [row for _, row in frozen(connection, listed.list_id, ["member"], limit=1_000)]
    (row,) = (row for row in rows if row.customer == town)
    assert row.channel == "sms"
    assert {other.channel for other in rows} == {"sms", "voice"}
    assert row.offer == "stay_gesture"
    assert row.probability > 0.5
    assert len(row.because) >= 3
    assert len(row.because_events) >= 1
    assert row.profit > 0
    clock = row.contact_from.astimezone(ZoneInfo("America/New_York"))
    assert 9 <= clock.hour < 22
    assert row.window_from <= row.contact_from < row.contact_until <= row.window_until
    assert not any("complain" in sentence for sentence in row.why)
