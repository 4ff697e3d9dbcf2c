"""A demo run in small: a judgement really trained, answers as the API gives them, two sources."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from events.envelope import Envelope
from events.holding import PurchaseRecorded
from ml.histories import Histories
from ml.training import Trained, spec_for, train
from services.demo.result import DemoResult, ListResult, ListRow, MonthCount, SourceResult

OPENING, CLOSING = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC)
CUSTOMER = "01997a3e-5d1c-7b2a-9f00-3c2b1a0f9e8d"


def purchase(at: datetime, amount: Decimal, number: int) -> Envelope:
    return Envelope(
        event=PurchaseRecorded(amount=amount), event_id=f"{at:%Y%m%d%H%M}-{number}", position=number,
        occurred_at=at, known_at=at, recorded_at=at, source="shop", source_id=f"{at:%Y%m%d%H%M}-{number}",
    )  # fmt: skip


def shop(customers: int, seed: int) -> dict[str, list[Envelope]]:
    """Customers buy at a pace of their own until one day they leave."""
    random = Random(seed)
    histories = {}
    for number in range(customers):
        pace = 2 * 60 ** random.random()
        at = OPENING + timedelta(days=random.uniform(0, 120))
        gone = min(at + timedelta(days=random.expovariate(1 / 300)), CLOSING)
        history = []
        while at < gone:
            history.append(purchase(at, Decimal(f"{random.uniform(5, 80):.2f}"), len(history)))
            at += timedelta(days=random.expovariate(1 / pace) + 0.1)
        histories[f"customer-{number}"] = history
    return {customer: history for customer, history in histories.items() if history}


@pytest.fixture(scope="session")
def trained() -> Trained:
    return train(
        Histories.of(shop(500, seed=3)), spec_for(OPENING, CLOSING, horizon_days=90, population_days=120)
    )


def customer_answer() -> dict:
    at = "1998-07-01T00:00:00Z"
    return {
        "customer": CUSTOMER, "at": at, "as_of": at, "known_at": None,
        "identity": {
            "first_at": "1997-01-12T00:00:00Z", "last_at": "1998-05-14T00:00:00Z", "absorbed": [],
            "identifiers": [
                {"kind": "account", "issuer": "cdnow", "value": "07592", "since": "1997-01-12T00:00:00Z",
                 "blocked": False, "facets": {}},
            ],
        },
        "lifecycle": {
            "stage": "at_risk", "since": "1998-06-20T00:00:00Z", "rule": "silence", "because": ["e-8"],
            "log": [
                {"stage": "acquired", "since": "1997-01-12T00:00:00Z", "rule": "first_purchase_or_holding",
                 "because": []},
                {"stage": "developing", "since": "1997-01-13T00:00:00Z", "rule": "first_days", "because": []},
                {"stage": "retained", "since": "1997-04-13T00:00:00Z", "rule": "older_and_active", "because": []},
                {"stage": "at_risk", "since": "1998-06-20T00:00:00Z", "rule": "silence", "because": ["e-8"]},
            ],
        },
        "value": [{"currency": "USD", "purchases": 201, "returns": 0, "amount": "6552.70", "unpriced": 0,
                   "first_at": "1997-01-12T00:00:00Z", "last_at": "1998-05-14T00:00:00Z"}],
        "holdings": [],
        "consent": {"recorded": [], "note": "no consent recorded: that is not consent"},
        "contacts": {"today": 0, "ever": 0, "zone": "UTC", "last": None, "says": "no contact today"},
        "cases": [], "opportunities": [],
        "predictions": {"churn": {
            "event_id": "e-9", "as_of": at, "horizon_days": 180, "probability": 0.7312, "rank": 9120, "of": 23570,
            "artifact": "churn-1a2b", "reasons": [
                {"feature": "days_since_activity", "says": "last purchase 48 days ago", "contribution": 0.4},
                {"feature": "purchases_90d", "says": "3 purchases in the last 90 days", "contribution": 0.2},
            ],
        }},
    }  # fmt: skip


def timeline_items() -> list[dict]:
    def item(type: str, at: str, data: dict, origin: str = "import") -> dict:
        return {
            "event_id": f"e-{at}", "type": type, "schema": 1, "occurred_at": at, "known_at": at,
            "known_assumed": origin == "import", "recorded_at": "2026-03-02T09:00:00Z", "origin": origin,
            "source": "cdnow" if origin == "import" else "score:churn-1a2b", "stream": "", "actor": "",
            "cause": "", "data": data,
        }  # fmt: skip

    scored = {"run": "r-1", "artifact": "churn-1a2b", "as_of": "1998-07-01T00:00:00Z", "horizon_days": 180,
              "probability": 0.7312, "rank": 9120, "of": 23570}  # fmt: skip
    bought = [
        item(
            "purchase.recorded", f"1998-{month:02}-14T00:00:00Z",
            {"amount": "28.93", "currency": "USD", "quantity": "2"},
        )
        for month in range(5, 0, -1)
        for _ in range(3)
    ]  # fmt: skip
    return [item("prediction.churn_scored", "1998-07-01T00:00:00Z", scored, "replay"), *bought]


def stage_answer(stage: str, count: int, value: str | None, conversion: float | None, measured: int) -> dict:
    return {
        "stage": stage, "count": count, "unvalued": 0 if value else count, "average_days": 0.5 if value else None,
        "value": [{"currency": "EUR", "amount": value}] if value else None, "conversion": conversion,
        "measured": measured,
    }  # fmt: skip


def closed_board() -> dict:
    return {
        "at": "2026-03-02T09:00:00Z", "as_of": None,
        "stages": [stage_answer("won", 5289, None, 1.0, 5289), stage_answer("lost", 39922, None, 0.0, 39922)],
        "totals": {"open": 0, "won": 5289, "lost": 39922, "conversion": 5289 / 45211},
        "forecast": {"value": None, "counted": 0, "own_probability": 0, "left_out": 0},
        "overdue": {"count": 0, "first": []},
    }  # fmt: skip


def desk_board() -> dict:
    return {
        "at": "2026-03-02T09:00:00Z", "as_of": None,
        "stages": [
            stage_answer("captured", 3, "13800.00", 0.5, 4), stage_answer("qualified", 2, "4300.00", 0.5, 4),
            stage_answer("proposal", 2, "16800.00", 1.0, 1), stage_answer("negotiation", 2, "63000.00", None, 0),
            stage_answer("won", 2, "26400.00", 1.0, 2), stage_answer("lost", 1, "12000.00", 0.0, 1),
        ],
        "totals": {"open": 9, "won": 2, "lost": 1, "conversion": 2 / 3},
        "forecast": {"value": [{"currency": "EUR", "amount": "25850.00"}], "counted": 7, "own_probability": 0,
                     "left_out": 2},
        "overdue": {"count": 2, "first": [
            {"opportunity_id": "01997a3e-5d1c-7b2a-9f00-000000000009", "department": "corporate", "owner": "",
             "due_at": None, "missed": 1},
            {"opportunity_id": "01997a3e-5d1c-7b2a-9f00-00000000000a", "department": "corporate", "owner": "a-71",
             "due_at": "2026-03-02T08:59:00Z", "missed": 0},
        ]},
    }  # fmt: skip


def months() -> list[MonthCount]:
    random = Random(3)
    bought = [
        8928,
        11272,
        11598,
        3781,
        2895,
        3054,
        2942,
        2320,
        2296,
        2562,
        2750,
        2504,
        2032,
        2026,
        2793,
        1878,
        1985,
        2043,
    ]
    found = [
        MonthCount(
            source="cdnow", month=datetime(1997 + i // 12, i % 12 + 1, 1, tzinfo=UTC), what="purchase.recorded",
            count=n,
        )
        for i, n in enumerate(bought)
    ]  # fmt: skip
    for i in range(4, 35):
        month, calls = datetime(2008 + i // 12, i % 12 + 1, 1, tzinfo=UTC), 13765 // (i - 3)
        found.append(MonthCount(source="bank_campaigns", month=month, what="touch.recorded", count=calls))
        if i != 6:  # a month in which nothing was sold has no row
            sold = int(calls * random.uniform(0.05, 0.4))
            found.append(MonthCount(source="bank_campaigns", month=month, what="won", count=sold))
    return found


def built_list(purpose: str) -> ListResult:
    because = ["last purchase 212 days ago", "one purchase in 18 months", "first purchase 540 days ago"]
    return ListResult(
        purpose=purpose, id=f"{purpose}-19980701-4f1c2a9be0d3", new=True, candidates=6343, members=900, holdout=100,
        suppressed=13, beyond=5330, left_out={"holdout": 100, "no_value": 13, "over_capacity": 5330},
        files=[f"{purpose}.{form}" for form in ("csv", "ndjson", "parquet")],
        rows=[
            ListRow(
                rank=rank, customer=f"{CUSTOMER[:-1]}{rank}", probability=0.8 - rank / 50,
                value=f"{612.4 - 9 * rank:.2f} USD", channel="post", offer="loyalty_gesture",
                because=because[: 1 + rank % 3],
            )
            for rank in range(1, 11)
        ],
    )  # fmt: skip


@pytest.fixture(scope="session")
def result(trained: Trained) -> DemoResult:
    cdnow = {"developing": 120, "retained": 3100, "at_risk": 2123, "regained": 1000, "lost": 17227}
    return DemoResult(
        kafka=True,
        sources=[
            SourceResult(
                name="cdnow", about="CDNOW purchases, 1997-01-01 to 1998-06-30", received=69659, accepted=69659,
                duplicates=0, refused=0, quarantined=0, customers=23570, as_of=datetime(1998, 7, 1, tzinfo=UTC),
                events_per_second=3120.4, warnings={}, stages=cdnow,
                explained=["Times: column date, in the zone UTC.", "Known: the company is taken to have known of it "
                           "at the moment it happened; marked as assumed."],
            ),
            SourceResult(
                name="bank_campaigns", about="a bank's telephone campaigns, May 2008 to November 2010", received=90422,
                accepted=90420, duplicates=0, refused=0, quarantined=2, customers=45211,
                as_of=datetime(2010, 11, 18, tzinfo=UTC), events_per_second=2980.0, warnings={"odd_day": 2},
                stages={"identified": 45211},
                explained=["Times: columns day and month; the year follows from the order of the rows: the first "
                           "row is of 2008, a month before that of the row above opens the next year, none is "
                           "after 2010."],
            ),
        ],
        purchases=69659, calls=45211, won=5289, lost=39922, open=0, stages={**cdnow, "identified": 45211},
        months=months(), customer=customer_answer(), timeline=timeline_items(), pipeline=closed_board(),
        desk=desk_board(), spec=trained.spec, judgement=trained.judgement, artifact="churn-1a2b3c4d", scored=23570,
        lists=[built_list("retention"), built_list("win_back")],
        legal_basis={"retention": {"post": "legitimate_interest"}, "win_back": {}},
        seconds={"start": 14.2, "ingest": 55.1, "project": 61.9, "train": 22.4, "lists": 6.3},
        rates={"gateway": 2905.3, "views": 2701.8},
        urls={"API": "http://127.0.0.1:8001/docs", "gateway": "http://127.0.0.1:8000/docs",
              "report": "/home/somebody/touchstone/var/demo/report.html"},
        subscribe=".venv/bin/python -c \"from confluent_kafka import Consumer; c = Consumer({'bootstrap.servers': "
        "'127.0.0.1:9092', 'group.id': 'me', 'auto.offset.reset': 'earliest'}); c.subscribe(['touchstone.touch']); "
        "[print(m.value().decode()) for m in iter(lambda: c.poll(10), None)]\"",
    )  # fmt: skip
