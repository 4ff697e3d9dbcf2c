"""A data scientist's own features, labels and candidates: one file each, taken whole or refused with the cause."""

from datetime import timedelta

import msgspec
import numpy as np
import pytest

from ml.artifacts import ArtifactRefused, load, save
from ml.dataset import build
from ml.histories import Histories
from ml.kit import OURS, OwnFileRefused, kit
from ml.model import Candidate
from ml.model import fit as fit_candidate
from ml.training import UnknownLabel, fit, prepare, train

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
        (FEATURE.replace("is_purchase", "is_bought"), "asking it raises"),
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FEATURE.replace("is_purchase", "is_bought"), r"the feature weekend_purchases_90d: asking it raises "
         r'ColumnNotFoundError: .*"is_bought": ml/cut.py says'),
        (FEATURE.replace('"events",', '"event",'), "the feature weekend_purchases_90d: asking it raises KeyError"),
        ("raise SystemExit(3)", "SystemExit: 3: correct the file"),
        (CANDIDATE.replace('"bayes", bayes', '"bayes", bayes, columns=("spend",)'), "candidate bayes: there is no "
         "feature spend"),
    ],
    ids=["column", "table", "exit", "candidate's column"],
)  # fmt: skip
def test_what_is_wrong_before_any_customer_is_seen_is_one_sentence(tmp_path, text, said):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(OwnFileRefused, match=said) as refused:
        kit(tmp_path)
    assert_one_sentence(refused.value, tmp_path / "mine.py")


def test_a_feature_that_fails_only_on_real_rows_is_named(tmp_path, shop, spec):
    asked = 'pl.col("customer").cast(pl.Int64).max(),'
    text = FEATURE.replace(
        FEATURE[FEATURE.index("        (pl.col(") : FEATURE.index(' "{} at')].rstrip(), asked
    )
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(
        OwnFileRefused, match="the feature weekend_purchases_90d: asking it raises"
    ) as refused:
        prepare(shop, spec, kit(tmp_path))
    assert_one_sentence(refused.value, tmp_path / "mine.py")
    assert "customer-" not in str(refused.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return cut.table('no such')", "who left raises KeyError: 'no such'"),
        ("return ahead.events.filter(pl.col('is_bought'))", 'who left raises ColumnNotFoundError: .*"is_bought"'),
        ("pass", "who left gives None: it must give a polars DataFrame"),
        ("return ['customer-1']", "who left gives a list"),
        ("return ahead.events.select('amount_e4')", "no column of customers' keys"),
    ],
    ids=["raises", "no such column", "none", "list", "no customer"],
)  # fmt: skip
def test_a_label_that_fails_is_refused_with_its_file_and_function(tmp_path, shop, spec, body, said):
    (tmp_path / "mine.py").write_text(
        "import polars as pl\nfrom ml.labels import Label, once_active\n"
        f"def gone(cut, ahead):\n    {body}\n"
        "LABELS = (Label('mine', 'a label of my own', once_active, gone),)\n"
    )
    with pytest.raises(OwnFileRefused, match=f"the label mine: .*{said}") as refused:
        prepare(shop, msgspec.structs.replace(spec, label="mine"), kit(tmp_path))
    assert_one_sentence(refused.value, tmp_path / "mine.py")


def test_whom_a_label_concerns_is_asked_with_the_same_care(tmp_path, shop, spec):
    (tmp_path / "mine.py").write_text(
        "from ml.labels import Label, silent\n"
        "LABELS = (Label('mine', 'a label of my own', lambda cut: None, silent),)\n"
    )
    with pytest.raises(OwnFileRefused, match=r"the label mine: .*whom it concerns gives None"):
        prepare(shop, msgspec.structs.replace(spec, label="mine"), kit(tmp_path))


def test_a_label_that_nobody_wrote_is_refused_with_those_there_are(shop, spec):
    with pytest.raises(UnknownLabel, match="there is no label mine: there are holding_ended, no_activity"):
        prepare(shop, msgspec.structs.replace(spec, label="mine"))


@pytest.fixture(scope="module")
def rows(shop, spec):
    return prepare(shop, spec)


PROMISING = """
    def fit(self, rows, labels):
        return self
"""


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ("    pass", "`make` gives a Mine, which has no `fit`"),
        (PROMISING, "`fit` gives a Mine, which has no `predict_proba`"),
        ("    def fit(self, rows, labels):\n        self.seen = len(rows)", "`fit` gives None"),
        ("    def __init__(self):\n        self.depth = no_such_name", "`make` raises NameError"),
        ("    def fit(self, rows, labels):\n        raise RuntimeError('no\\nway')", "`fit` raises RuntimeError: no: "),
        (PROMISING + "    def predict_proba(self, rows):\n        return 1 / 0",
         "`predict_proba` raises ZeroDivisionError"),
        (PROMISING + "    def predict_proba(self, rows):\n        return np.full((len(rows), 2), np.nan)",
         "`predict_proba` gives NaN or infinity for ([0-9]+) of \\1 rows"),
        (PROMISING + "    def predict_proba(self, rows):\n        return np.full(len(rows), 0.5)",
         "`predict_proba` gives an array of shape"),
        (PROMISING + "    def predict_proba(self, rows):\n        return np.full((len(rows), 2), 'likely')",
         "`predict_proba` gives <U6 and not numbers"),
        (PROMISING + "    def decision_function(self, rows):\n        return np.full(len(rows), np.inf)",
         "`decision_function` gives NaN or infinity"),
    ],
    ids=["no fit", "no predict_proba", "fit gives nothing", "make raises", "fit raises", "predict_proba raises", "nan",
         "one column", "words", "infinite"],
)  # fmt: skip
def test_a_candidate_that_fails_is_refused_with_its_file_and_method(tmp_path, rows, spec, methods, said):
    (tmp_path / "mine.py").write_text(
        f"import numpy as np\nfrom ml.model import Candidate\nclass Mine:\n{methods}\n"
        "CANDIDATES = (Candidate('mine', lambda rows, seed: Mine()),)\n"
    )
    mine = kit(tmp_path).candidates[-1]
    with pytest.raises(OwnFileRefused, match=f"the candidate mine: {said}") as refused:
        fit_candidate(mine, rows.at(spec.train_cuts), seed=0)
    assert_one_sentence(refused.value, tmp_path / "mine.py")


def test_a_candidate_that_takes_no_unknown_values_is_told_of_the_imputer(tmp_path, shop, rows, spec):
    (tmp_path / "mine.py").write_text(
        CANDIDATE.replace('("fill", SimpleImputer(keep_empty_features=True)), ', "")
    )
    with pytest.raises(
        OwnFileRefused, match=r"`fit` raises ValueError: Input X contains NaN: .*imputer"
    ) as refused:
        fit(rows, spec, kit(tmp_path))
    assert_one_sentence(refused.value, tmp_path / "mine.py")


def test_a_candidate_that_fails_only_on_the_judge_cut_is_named_too(tmp_path, rows, spec):
    (tmp_path / "mine.py").write_text(CANDIDATE)
    mine = kit(tmp_path).candidates[-1]
    model = fit_candidate(mine, rows.at(spec.train_cuts), seed=0)
    model.estimator.named_steps["learn"].theta_[:] = np.nan
    judge = rows.at([spec.judge_cut])
    with pytest.raises(OwnFileRefused, match="the candidate bayes: `predict_proba` gives NaN"):
        model.probability(judge.features, judge.names)


def test_an_error_of_our_own_stays_what_it_is(rows):
    def broken(rows, seed):
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError, match=r"^ours$"):
        fit_candidate(Candidate("broken", broken), rows, seed=0)


def assert_one_sentence(error, path):
    """It begins with the file, is one line, and has none of a library's own advice."""
    said = str(error)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    assert len(said) < 400 + len(str(path))
