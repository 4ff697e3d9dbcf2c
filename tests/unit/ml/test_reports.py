"""What the judgement looks like to a reader."""

from msgspec.structs import replace

from ml.evaluation import Interval
from ml.reports import caveats, gains_chart, metrics_table, reliability_chart, summary


def test_the_table_shows_the_baseline_beside_the_champion_on_both_populations(trained):
    table = metrics_table(trained.judgement)
    assert [row["population"] for row in table] == ["active"] * 3 + ["everyone"] * 3
    assert str(table[0]["candidate"]).endswith("(champion)")
    assert table[2]["candidate"] == "recency alone"
    assert table[0]["customers"] < table[3]["customers"]


def test_the_summary_is_the_headline(trained, spec):
    told = summary(spec, trained.judgement)
    low, high = told["auc_gain_ci"]
    assert low <= told["auc"] - told["auc_recency"] <= high
    assert told["cut"] == f"{spec.judge_cut:%Y-%m-%d}"
    assert told["champion"] == trained.judgement.champion


def test_a_reader_is_told_when_the_judge_chose_and_when_the_gain_may_be_chance(trained, spec):
    doubtful = replace(
        trained.judgement, champion="logistic", chosen_on_judge_cut=True, chosen_at=spec.judge_cut,
        gain=Interval(value=0.001, low=-0.01, high=0.02),
    )  # fmt: skip
    assert len(caveats(spec, doubtful)) == 2
    assert caveats(spec, replace(doubtful, champion="recency"))[-1].startswith("No model beat recency")
    assert caveats(spec, replace(doubtful, chosen_on_judge_cut=False, gain=trained.judgement.gain)) == []


def test_the_pictures_are_svg_that_name_every_candidate(trained):
    for picture in (reliability_chart(trained.judgement), gains_chart(trained.judgement)):
        assert picture.startswith("<svg")
        assert all(name in picture for name in ("recency alone", "logistic", "boosting"))
