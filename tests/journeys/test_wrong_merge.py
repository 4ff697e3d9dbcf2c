"""Scene F. Two brothers share a phone and were merged; a supervisor un-merges them, and everything is right again."""

from datetime import timedelta

import pytest

from events.prediction import ChurnScored
from infra.messages import from_row
from infra.target_list.building import build
from infra.target_list.rows import frozen
from models.ports import By, Write
from models.tables.journal import WRITTEN, journal
from tests.support.calling import caller, read
from tests.support.clock import MONDAY
from tests.support.folding import fold, rows
from tests.support.sending import account, item, phone, purchase, send
from tests.support.workspaces import ruled

HIS = account("2", issuer="bank")
RULES = """
[retention]
offer = "loyalty_gesture"
channels = ["sms", "email"]
legal_basis = {sms = "contract", email = "contract"}
holdout = 0.0
"""


@pytest.fixture
def workspace(settings, clock, tmp_path):
    """A workspace whose rules allow text messages and mail."""
    with ruled(settings, clock, tmp_path, RULES) as opened:
        yield opened


@pytest.fixture
def api(workspace):
    return caller(workspace)


def score(workspace, *customers, run):
    now = workspace.clock.now()
    for rank, one in enumerate(customers, start=1):
        event = ChurnScored(
            run=run, artifact="churn-1", as_of=now, horizon_days=180, probability=0.6, rank=rank, of=len(customers)
        )  # fmt: skip
        by = By(source=f"churn:{run}", source_id=one, actor="touchstone score", origin="replay", customer=one)
        workspace.log.record(by, [Write(stream="", expected=0, events=[(event, now)])])


def listed(workspace):
    """Who is on this week's retention list."""
    made = build(workspace, "retention", workspace.clock.now())
    with workspace.engine.connect() as connection:
        return {row.customer for _, row in frozen(connection, made.list_id, ["member"], after=0, limit=100)}


def seen(api, customer):
    """What an agent sees, without what a later moment changes by itself."""
    view = read(api, f"/v1/customers/{customer}")
    return {
        part: view[part]
        for part in ("identity", "value", "consent", "contacts", "predictions", "opportunities")
    }


def test_two_brothers_are_two_again_in_history_counts_lists_predictions_and_consents(workspace, api):
    older, younger = (
        answer.customer
        for answer in send(
            workspace,
            purchase("o", account("1"), phone("+1 415 555 2671"), at=MONDAY - timedelta(days=40), amount="300"),
            purchase("y", HIS, phone("+1 415 555 2672"), at=MONDAY - timedelta(days=20), amount="900"),
        )
    )  # fmt: skip
    send(
        workspace,
        item(
            "no",
            account("1"),
            type="consent.withdrawn",
            at=MONDAY - timedelta(days=9),
            basis="call",
            channel="email",
        ),
        item("o2", account("1"), channel="voice", direction="inbound", at=MONDAY - timedelta(hours=3)),
    )
    score(workspace, older, younger, run="before")
    fold(workspace)
    before = {one: seen(api, one) for one in (older, younger)}
    on_list = listed(workspace)
    assert on_list == {older, younger}

    # The younger calls from his brother's phone and gives his own account: the two look like one.
    workspace.clock.pass_time(minutes=10)
    send(
        workspace,
        item(
            "both",
            account("2", issuer="bank"),
            phone("+1 415 555 2671"),
            channel="voice",
            direction="inbound",
        ),
    )
    score(workspace, older, run="while one")
    fold(workspace)
    merged = rows(workspace, "customer_360")
    assert set(merged) == {older}
    assert listed(workspace) == {older}

    told = api.post(f"/v1/customers/{older}/unmerge/preview", json={"why": "two brothers"}).json()
    assert {one["becomes"] for one in told["touches"]} >= {younger}
    assert (
        api.post(f"/v1/customers/{older}/unmerge", json={"why": "two brothers", "by": "sam"}).status_code
        == 202
    )
    fold(workspace)

    after = {one: seen(api, one) for one in (older, younger)}
    assert after[older] == before[older]
    his, was = after[younger], before[younger]
    assert his["contacts"].pop("ever") == was["contacts"].pop("ever") + 1, (
        "the call was the younger's: he gave his account"
    )
    for part in ("value", "consent", "predictions", "opportunities"):
        assert his[part] == was[part], part
    assert listed(workspace) == on_list
    assert read(api, "/v1/identity/work") == {"proposals": [], "unassigned": []}

    with workspace.engine.connect() as connection:
        columns = [journal.c[name] for name in WRITTEN]
        messages = [from_row(row) for row in connection.execute(journal.select().with_only_columns(*columns))]
    parting = [one for one in messages if ("ce_type", b"identity.unmerged") in one.headers]
    assert [set(one.keys) for one in parting] == [{older.encode(), younger.encode()}], "both keys hear of it"
