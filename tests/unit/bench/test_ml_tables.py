"""Known files as rows: what is left out, what is removed, and what teaches whom."""

import gzip

import numpy as np
import pytest

from bench.ml import churn, plain, shop

TELCO = "customerID,tenure,Contract,TotalCharges,Churn\n"
IRANIAN = "Frequency of use,Complains,Churn\n"
CALLS = "age;job;duration;euribor3m;y\n"


def put(data, path, text):
    file = data / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if path.endswith(".gz"):
        file.write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text)


def test_a_subscriber_of_no_months_has_paid_nothing_and_words_become_columns(tmp_path):
    put(tmp_path, plain.TELCO, f"{TELCO}a,0,Month, ,No\nb,5,Year,120.5,Yes\n")
    told = plain.telco(tmp_path)
    assert told.rows.names == ("tenure", "Contract_Month", "Contract_Year", "TotalCharges")
    assert told.rows.features.tolist() == [[0, 1, 0, 0], [5, 0, 1, 120.5]]
    assert told.rows.labels.tolist() == [0, 1]
    assert told.alone.tolist() == [0, -5]


def test_a_row_that_repeats_another_is_removed(tmp_path):
    put(tmp_path, plain.IRANIAN, f"{IRANIAN}5,0,1\n7,1,0\n5,0,1\n")
    assert plain.iranian(tmp_path).rows.features.tolist() == [[5, 0], [7, 1]]


def test_what_is_known_only_after_the_call_is_left_out(tmp_path):
    put(tmp_path, plain.TELEMARKETING, f"{CALLS}30;clerk;600;4.9;yes\n40;none;9;4.8;no\n")
    told = plain.telemarketing(tmp_path).rows
    assert "duration" not in told.names
    assert told.labels.tolist() == [1, 0]


def test_invoices_become_features_at_four_cuts_and_a_label_after_each(tmp_path):
    lines = [
        ("536365", "2011-01-05 10:00:00", 6, 2.5, "17850.0"),
        ("C536400", "2011-01-06 10:00:00", -2, 2.5, "17850.0"),
        ("560000", "2011-10-01 09:00:00", 1, 9.0, "17850.0"),
        ("536366", "2011-02-01 10:00:00", 1, 1.0, "12000.0"),
        ("536367", "2011-02-01 10:00:00", 1, 1.0, ""),
    ]
    text = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID\n" + "".join(
        f"{invoice},A,{quantity},{at},{price},{customer}\n"
        for invoice, at, quantity, price, customer in lines
    )
    put(tmp_path, shop.FILE, text)
    rows = shop.rows(tmp_path)
    judge = rows.at([shop.JUDGE])
    assert len(rows) == 8
    assert dict(zip(judge.customers, judge.labels, strict=True)) == {"17850": 0, "12000": 1}
    spent = dict(zip(judge.customers, judge.features[:, rows.names.index("spent")], strict=True))
    assert spent == {"17850": 15.0, "12000": 1.0}


@pytest.fixture
def calls(tmp_path):
    """Calls of which the young said yes, whatever their job."""
    random = np.random.default_rng(0)
    age = random.integers(18, 80, 400)
    yes = random.random(400) < 1 / (1 + np.exp((age - 45) / 6))
    job = random.choice(["clerk", "none"], 400)
    said = np.where(yes, "yes", "no")
    calls = enumerate(zip(age, job, said, strict=True))
    rows = [f"{years};{work};9;{4 - number / 200};{answer}\n" for number, (years, work, answer) in calls]
    put(tmp_path, plain.TELEMARKETING, CALLS + "".join(rows))
    return tmp_path


def test_each_model_is_judged_on_the_latest_fifth_beside_what_is_to_be_beaten(calls):
    found = {line.name: line for line in churn.telemarketing(calls)}
    auc = found["telemarketing by time, plain logistic: AUC"]
    assert auc.value > 0.85
    assert auc.low < auc.value < auc.high
    assert (auc.reference, auc.must, auc.holds) == (0.748, "≥ 0.748", True)
    assert found["telemarketing by time, euribor alone: AUC"].value < 0.7
    assert sum("(champion): AUC" in name for name in found) == 1
    for figure in ("AP", "Brier", "lift10", "ECE"):
        assert f"telemarketing by time, lightgbm: {figure}" in found
