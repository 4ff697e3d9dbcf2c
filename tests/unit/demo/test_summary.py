"""summary.json: the keys others rely on, sums that hold, plain JSON."""

import json
import math

from msgspec.structs import replace

from services.demo.summary import summary

KEYS = {
    "received", "accepted", "duplicates", "refused", "quarantined", "customers", "purchases", "calls",
    "opportunities", "by_source", "churn", "lists", "stages", "seconds", "kafka",
}  # fmt: skip
CHURN = {
    "cut", "horizon_days", "population", "base_rate", "auc", "auc_recency", "auc_gain_ci", "ap", "lift10", "ece",
    "champion",
}  # fmt: skip


def test_all_agreed_keys_are_there(result):
    told = summary(result)
    assert told.keys() >= KEYS
    assert told["churn"].keys() >= CHURN
    assert told["opportunities"] == {"won": 5289, "lost": 39922, "open": 0}
    assert told["seconds"].keys() == {"start", "ingest", "project", "train", "lists"}
    assert told["kafka"] is True
    for one in told["lists"]:
        assert one.keys() >= {"purpose", "id", "candidates", "members", "holdout", "suppressed", "beyond"}


def test_the_sums_are_those_of_the_sources(result):
    told = summary(result)
    assert told["received"] == 160_081
    assert told["customers"] == 68_781
    four = told["accepted"] + told["duplicates"] + told["refused"] + told["quarantined"]
    assert told["received"] == four
    for name in ("received", "accepted", "duplicates", "refused", "quarantined", "customers"):
        assert told[name] == sum(one[name] for one in told["by_source"].values())
    assert sum(told["stages"].values()) == told["customers"]


def test_it_survives_the_strictest_json(result):
    told = summary(result)
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_what_is_no_number_is_null(result):
    gain = replace(result.judgement.gain, low=math.nan, high=math.inf)
    told = summary(replace(result, judgement=replace(result.judgement, gain=gain)))
    assert told["churn"]["auc_gain_ci"] == [None, None]
    json.dumps(told, allow_nan=False)
