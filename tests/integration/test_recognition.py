"""Recognising a customer across channels, on a real journal."""

from tests.support.folding import fold, rows
from tests.support.sending import email, item, phone, send


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
