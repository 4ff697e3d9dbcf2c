"""A till and a fax server have no connector: they send touches, and their books of the past are imported."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from services.gateway.app import create_app
from services.importer.importing import import_file
from services.importer.mapping import parse_mapping
from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.folding import fold
from tests.support.sending import item, phone

ANN = "+14155552671"
SHOP, FAXES = "till-7", "fax-server"
BOOK = """when,line,way,pages
2026-02-20T10:00:00+00:00,+1 415 555 2671,in,2
2026-02-21T10:00:00+00:00,+1 415 555 2671,out,1
2026-02-22T10:00:00+00:00,,in,1
"""
VISITS = """when,mobile,desk,what
2026-02-10 15:30,+1 415 555 2671,ann,billing.question
2026-02-11 09:05,+1 415 555 2671,bob,contract.change
"""
FAX_BOOK = """
source = "fax-book"
[defaults]
occurred_at = { rule = "date", column = "when" }
[[identifier]]
kind = "phone"
column = "line"
[[event]]
type = "touch.recorded"
[event.data]
channel = { const = "fax" }
direction = { column = "way", map = { in = "inbound", out = "outbound" } }
attributes = { columns = ["pages"] }
"""
VISITOR_BOOK = """
source = "visitor-book"
[defaults]
zone = "America/Los_Angeles"
occurred_at = { rule = "date", column = "when", format = "%Y-%m-%d %H:%M" }
[[identifier]]
kind = "phone"
column = "mobile"
[[event]]
type = "touch.recorded"
[event.data]
channel = { const = "store" }
direction = { const = "inbound" }
agent = "desk"
reason = "what"
"""


@pytest.fixture
def gateway(workspace):
    with TestClient(create_app(workspace), headers={"Authorization": "Bearer test-key"}) as client:
        yield client


def test_visits_and_faxes_are_contacts_and_stand_in_the_customers_timeline(workspace, gateway, tmp_path):
    """Live by /v1/touches, and of the past by import: a visit is a contact, a fax is one when it comes in."""
    an_hour_ago = MONDAY - timedelta(hours=1)
    answer = gateway.post(
        "/v1/touches",
        json=[
            item(
                "v1",
                phone(ANN),
                source=SHOP,
                at=an_hour_ago,
                channel="store",
                direction="inbound",
                site="Main St",
            ),
            item("f1", phone(ANN), source=FAXES, at=MONDAY, channel="fax", direction="inbound"),
            item("f2", phone(ANN), source=FAXES, at=MONDAY, channel="fax", direction="outbound"),
        ],
    ).json()
    assert answer["accepted"] == 3
    for name, text, mapping in (("faxes.csv", BOOK, FAX_BOOK), ("visits.csv", VISITS, VISITOR_BOOK)):
        path = tmp_path / name
        path.write_text(text)
        report = import_file(
            path, parse_mapping(mapping), "http://testserver", "test-key", opener=lambda _: gateway
        )
        assert report.verdicts.accepted == report.lines
        assert import_file(
            path, parse_mapping(mapping), "http://testserver", "test-key", opener=lambda _: gateway
        ).verdicts.duplicates == report.lines  # fmt: skip
    fold(workspace)
    (customer,) = {one["customer"] for one in answer["results"]}
    api = caller(workspace)
    timeline = read(api, f"/v1/customers/{customer}/timeline")["items"]
    touches = [one for one in timeline if one["type"] == "touch.recorded"]
    assert [(one["source"], one["data"]["channel"], one["data"]["direction"]) for one in touches] == [
        (FAXES, "fax", "outbound"), (FAXES, "fax", "inbound"), (SHOP, "store", "inbound"),
        ("fax-book", "fax", "outbound"), ("fax-book", "fax", "inbound"),
        ("visitor-book", "store", "inbound"), ("visitor-book", "store", "inbound"),
    ]  # fmt: skip
    seen = read(api, f"/v1/customers/{customer}")["contacts"]
    assert seen["ever"] == 5  # three visits and two faxes that came in; what we faxed is none
    assert seen["today"] == 2
    told = read(api, f"/v1/contacts/{touches[2]['event_id']}")
    assert (told["channel"], told["direction"]) == ("store", "inbound")
