"""Recognising a customer across channels, on a real journal."""

import pytest

from tests.support.folding import fold, rows
from tests.support.sending import account, email, item, phone, send
from tests.support.workspaces import ruled

RULES = """
[[never_identify]]
kind = "phone"
value = "+14155550100"

[[never_identify]]
kind = "email"
value = "info@*"
"""


@pytest.fixture
def careful(settings, clock, tmp_path):
    """A workspace that knows its own switchboard."""
    with ruled(settings, clock, tmp_path, RULES) as opened:
        yield opened


@pytest.mark.parametrize(
    "shared",
    [phone("(415) 555-0100"), email("Info@Firm.example.com"), email("test@anything.example.com"),
     {"kind": "openid", "issuer": "wechat:shop", "value": "Anonymous"}],
    ids=["its switchboard", "an address of many", "a test address", "an anonymous openid"],
)  # fmt: skip
def test_what_identifies_nobody_welds_nobody(careful, shared):
    one, other, alone = send(
        careful, item("1", account("1"), shared, channel="voice"), item("2", account("2"), shared, channel="voice"),
        item("3", shared, channel="voice"),
    )  # fmt: skip
    assert one.customer != other.customer
    assert alone.verdict == "accepted"
    assert alone.customer == ""


def test_two_identifiers_in_one_touch_are_one_customer(workspace):
    send(workspace, item("1", phone(), channel="voice"))
    both, by_mail = send(
        workspace, item("2", phone(), email(), channel="web"), item("3", email(), channel="email")
    )
    assert both.customer == by_mail.customer


def test_a_touch_that_belongs_to_two_known_customers_merges_them_into_the_older(workspace):
    older, younger = send(workspace, item("1", phone(), channel="voice"), item("2", email(), channel="chat"))
    (both,) = send(workspace, item("3", phone(), email(), channel="store"))
    assert older.customer != younger.customer
    assert both.customer == older.customer
    fold(workspace)
    assert set(rows(workspace, "customer_360")) == {older.customer}
    assert rows(workspace, "customer_360")[older.customer].contacts_ever == 3
