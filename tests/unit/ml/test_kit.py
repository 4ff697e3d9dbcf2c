"""A data scientist's own features, labels and candidates: one file each, taken whole or refused with the cause."""

from datetime import timedelta

import numpy as np
import pytest

from ml.artifacts import ArtifactRefused, load, save
from ml.dataset import build
from ml.histories import Histories
from ml.kit import OURS, OwnFileRefused, kit
from ml.training import train

FEATURE = """
import polars as pl
from ml.cut import within
from ml.definition import Feature

FEATURES = (
    Feature(
        "weekend_purchases_90d", "frequency", "purchases on Saturdays and Sundays in 90 days", "purchases",
        ("purchase.recorded",), "events",
        (pl.col("is_purchase") & within(90) & (pl.col("occurred_at").dt.weekday() > 5)).sum(),
        "{} at weekends in the last 90 days", empty=0.0,
    ),
)
"""
LABEL = """
import polars as pl
from ml.labels import Label, once_active

def spends_less(cut, ahead):
    before = cut.events.filter(pl.col("is_purchase")).group_by("customer").agg(was=pl.col("amount_e4").sum())
    after = ahead.events.filter(pl.col("is_purchase")).group_by("customer").agg(now=pl.col("amount_e4").sum())
    both = before.join(after, on="customer", how="left").with_columns(pl.col("now").fill_null(0))
    return both.filter(pl.col("now") * 2 < pl.col("was"))

LABELS = (Label("spends_less", "spends less than half of all before", once_active, spends_less),)
"""
CANDIDATE = """
from sklearn.naive_bayes import GaussianNB
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from ml.model import Candidate

def bayes(rows, seed):
    return Pipeline([("fill", SimpleImputer(keep_empty_features=True)), ("learn", GaussianNB())])

CANDIDATES = (Candidate("bayes", bayes),)
"""


@pytest.fixture
def own(tmp_path):
    """A folder with one file of each kind."""
    for name, text in (("feature", FEATURE), ("label", LABEL), ("candidate", CANDIDATE)):
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def test_without_a_folder_there_are_ours(tmp_path):
    assert kit(None) is OURS
    assert kit(tmp_path).names == OURS.names


def test_a_feature_of_ones_own_is_a_column_like_any_other(own, told, spec):
    mine = kit(own)
    assert mine.names == (*OURS.names, "weekend_purchases_90d")
    rows = build(
        Histories.of(told), [spec.judge_cut], label="no_activity", horizon_days=90, population_days=120,
        data_end=spec.data_end, questions=mine.questions,
    )  # fmt: skip
    counted = [
        sum(spec.judge_cut - timedelta(days=90) <= e.occurred_at < spec.judge_cut and e.occurred_at.isoweekday() > 5
            and type(e.event).__name__ == "PurchaseRecorded" for e in told[one])
        for one in rows.customers
    ]  # fmt: skip
    assert rows.column("weekend_purchases_90d").tolist() == counted
    assert sum(counted) > 0


def test_a_label_of_ones_own_is_one_function(own, shop, spec):
    label = kit(own).labels["spends_less"]
    rows = build(
        shop, [spec.judge_cut], label=label, horizon_days=90, population_days=120, data_end=spec.data_end
    )
    assert 0 < rows.labels.mean() < 1


def test_an_estimator_of_ones_own_is_judged_beside_ours_and_saved_and_read_again(
    own, shop, spec, tmp_path_factory
):
    mine = kit(own)
    trained = train(shop, spec, mine)
    assert {one.candidate for one in trained.judgement.evaluations} == {
        "recency",
        "logistic",
        "boosting",
        "bayes",
    }
    assert 0.5 < trained.judgement.of("bayes").active.auc < 1
    artifact = save(tmp_path_factory.mktemp("artifacts"), trained, code="r1", kit=mine)
    rows = trained.dataset.at([spec.judge_cut]).features
    again = load(artifact.path, kit=mine).model
    assert np.array_equal(again.log_odds(rows, mine.names), trained.model.log_odds(rows, mine.names))


def test_an_artifact_is_refused_where_ones_own_files_have_changed(own, shop, spec, tmp_path_factory):
    trained = train(shop, spec, kit(own))
    artifact = save(tmp_path_factory.mktemp("artifacts"), trained, code="r1", kit=kit(own))
    (own / "feature.py").write_text(FEATURE.replace("within(90)", "within(60)"))
    for changed in (kit(own), OURS):
        with pytest.raises(ArtifactRefused) as refused:
            load(artifact.path, kit=changed)
        assert refused.value.code == "artifact.features_changed"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FEATURES = (", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("FEATURES = ('spent',)", "FEATURES must be a tuple of Feature"),
        ("x = 1", "none of FEATURES, LABELS, CANDIDATES"),
        (FEATURE.replace("weekend_purchases_90d", "spent"), "two features called spent"),
        (FEATURE.replace("is_purchase", "is_bought"), "can't be asked"),
        (CANDIDATE.replace('"bayes", bayes', '"boosting", bayes'), "two candidates called boosting"),
    ],
    ids=["syntax", "import", "type", "nothing", "name taken", "no such column", "candidate taken"],
)  # fmt: skip
def test_a_broken_file_is_refused_with_its_name_and_cause(tmp_path, text, said):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(OwnFileRefused, match=said) as refused:
        kit(tmp_path)
    assert str(tmp_path) in str(refused.value)


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(OwnFileRefused, match="is no folder"):
        kit(tmp_path / "nowhere")
