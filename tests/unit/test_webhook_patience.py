"""How long a receiver that fails is left alone, and when it is given up."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from infra.webhooks import signing
from infra.webhooks.patience import GIVES_UP, Trouble, after_failure, asked_to_wait, back_off
from infra.webhooks.signing import Secret
from tests.support.clock import MONDAY


def seconds(n):
    return timedelta(seconds=n)


def test_pauses_double_up_to_an_hour_and_chance_takes_up_to_half_away():
    longest = [back_off(n, 0.0) for n in range(1, 15)]
    assert longest[:4] == [seconds(5), seconds(10), seconds(20), seconds(40)]
    assert all(before <= after for before, after in pairwise(longest))
    assert longest[-1] == timedelta(hours=1) == back_off(10**6, 0.0)
    assert back_off(3, 0.5) == seconds(15)
    assert back_off(3, 0.999) > seconds(10)


def test_a_receiver_that_fails_for_a_day_is_tried_until_its_end_and_then_given_up():
    now, trouble, tried = MONDAY, None, 0
    while (trouble := after_failure(trouble, now, 0.5)) is not None:
        tried += 1
        assert trouble.attempts == tried
        assert now < trouble.next_at <= MONDAY + GIVES_UP
        now = trouble.next_at
    assert now == MONDAY + GIVES_UP
    assert 30 < tried < 60


def test_what_a_receiver_asks_for_is_waited_but_never_beyond_the_day():
    assert after_failure(None, MONDAY, 0.0, seconds(600)) == Trouble(
        attempts=1, since=MONDAY, next_at=MONDAY + seconds(600)
    )
    assert after_failure(None, MONDAY, 0.0, seconds(1)).next_at == MONDAY + seconds(5)
    assert after_failure(None, MONDAY, 0.0, timedelta(days=400)).next_at == MONDAY + GIVES_UP


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("120", seconds(120)), (" 0 ", seconds(0)), ("Mon, 02 Mar 2026 09:01:00 GMT", seconds(60)),
        ("Mon, 02 Mar 2026 08:00:00 GMT", seconds(0)), ("soon", None), ("-5", None), ("1.5", None), ("", None),
        ("9" * 5_000, None), ("\u0663", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(header, pause):
    assert asked_to_wait(header, MONDAY) == pause


def test_secrets_that_were_replaced_sign_on_for_a_day_each():
    first, second, third = Secret("whsec_YQ=="), Secret("whsec_Yg=="), Secret("whsec_Yw==")
    held = signing.rotated([first], second, MONDAY)
    assert held == [second, Secret(first.value, MONDAY + timedelta(hours=24))]
    later = MONDAY + timedelta(hours=12)
    held = signing.rotated(held, third, later)
    assert [one.value for one in signing.current(held, later)] == [third.value, second.value, first.value]
    assert [one.value for one in signing.current(held, MONDAY + timedelta(hours=24))] == [
        third.value,
        second.value,
    ]
    assert signing.current(held, later + timedelta(days=2)) == [third]
    assert signing.decode(signing.encode(held)) == held
    assert "YQ" not in repr(held)


def test_a_fresh_secret_is_one_of_the_standard():
    now = datetime.now(UTC)
    secret = signing.new_secret()
    headers = signing.signed([secret], "id-1", b'{"a":1}', now)
    assert secret.value.startswith("whsec_")
    assert signing.Webhook(secret.value).verify(b'{"a":1}', headers) == {"a": 1}
