"""Whether the customers a model scores are still those it learnt from."""

from math import log

import numpy as np
import pytest

from ml.drift import Finding, by_month, drift, psi, shift


def drawn(seed: int, rows: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.0, rows)


def halves(zeros: int, ones: int) -> np.ndarray:
    return np.concatenate([np.zeros(zeros), np.ones(ones)])


def test_the_stability_index_is_what_its_definition_gives():
    by_hand = (0.25 - 0.5) * log(0.25 / 0.5) + (0.75 - 0.5) * log(0.75 / 0.5)
    assert psi(halves(1000, 1000), halves(500, 1500)) == pytest.approx(by_hand)


def test_unknown_is_a_bin_of_its_own():
    then = np.where(np.arange(2000) < 1000, np.nan, 1.0)
    now = np.where(np.arange(2000) < 500, np.nan, 1.0)
    assert psi(then, now) == pytest.approx(psi(halves(1000, 1000), halves(500, 1500)))


def test_the_same_customers_have_not_drifted():
    one = shift("spent", drawn(1, 3000), drawn(1, 3000))
    assert (one.psi, one.ks, one.level) == (0.0, 0.0, "steady")


def test_chance_alone_seldom_looks_like_drift_at_the_least_number_of_rows_that_is_compared():
    rows = next(n for n in range(100, 1000) if psi(drawn(1, n), drawn(2, n)) is not None)
    found = [psi(drawn(seed, rows), drawn(1000 + seed, rows)) for seed in range(200)]
    assert sum(one is None or one >= 0.1 for one in found) <= 20


def test_too_few_rows_give_no_figure_and_say_so():
    few, many = drawn(1, 90), drawn(2, 5000, mean=3)
    one = shift("spent", many, few)
    assert (one.psi, one.ks, one.level) == (None, None, "too_few")
    told = drift(["spent"], many[:, None], few[:, None], score_then=many, score_now=few)
    assert [f.level for f in told.findings] == ["too_few"]
    assert "5000 rows then and 90 now are too few" in told.findings[0].says


@pytest.mark.parametrize("rows", [0, 1])
def test_next_to_no_rows_are_too_few_and_no_error(rows):
    assert shift("spent", drawn(1, rows), drawn(2, 1000)).level == "too_few"


def test_a_column_of_one_value_or_of_none_has_not_drifted():
    same, nothing = np.full(1000, 3.0), np.full(1000, np.nan)
    assert shift("holdings", same, same).level == "steady"
    unknown = shift("holdings", nothing, nothing)
    assert (unknown.level, unknown.ks, unknown.median_now) == ("steady", None, None)


def test_a_new_value_beyond_all_that_was_seen_is_drift():
    assert shift("holdings", np.zeros(1000), np.ones(1000)).level == "much"
    assert shift("holdings", np.ones(1000), np.zeros(1000)).level == "much"
    assert shift("holdings", drawn(1, 1000), drawn(1, 1000) + 50).level == "much"


def test_a_value_that_is_infinite_is_refused_by_the_columns_name():
    with pytest.raises(ValueError, match="spent is infinite"):
        shift("spent", drawn(1, 500), np.append(drawn(2, 500), np.inf))


def test_findings_name_the_column_its_meaning_and_what_to_do_the_worst_first():
    then = np.column_stack([drawn(1, 2000), drawn(2, 2000), drawn(3, 2000)])
    now = np.column_stack([drawn(4, 2000, 0.4), drawn(5, 2000), drawn(6, 2000, 1.5)])
    told = drift(
        ["visits", "steady_one", "days_since_activity"], then, now, score_then=drawn(7, 2000),
        score_now=drawn(8, 2000), meanings={"days_since_activity": "time since the last purchase or use"},
    )  # fmt: skip
    assert [(f.name, f.level) for f in told.findings] == [("days_since_activity", "much"), ("visits", "some")]
    assert told.findings[0].says.startswith(
        "days_since_activity (time since the last purchase or use) is of another population (PSI "
    )
    assert told.findings[0].says.endswith(
        "see first whether its source events changed; if the customers did, train again."
    )
    assert told.findings[1].says.endswith("look at it again next month; train again if it goes on.")


def test_a_column_that_is_no_longer_known_points_to_its_source():
    gone = drawn(2, 2000)
    gone[:1500] = np.nan
    told = drift(["last_bill"], drawn(1, 2000)[:, None], gone[:, None], score_then=drawn(3, 2000),
                 score_now=drawn(4, 2000))  # fmt: skip
    assert "unknown for 0% then and 75% now): a source is likely missing" in told.findings[0].says


def test_values_beyond_all_that_was_learnt_from_call_for_a_training_on_later_cuts():
    """A history grows, and with it all that is counted since its beginning."""
    then, now = np.linspace(0, 160, 2000), np.linspace(100, 300, 2000)
    told = drift(["tenure_days"], then[:, None], now[:, None], score_then=then, score_now=then)
    assert told.features[0].beyond == pytest.approx(0.7, abs=0.01)
    assert told.findings[0].says.endswith(
        "70% beyond all that it learnt from): the model takes those for the nearest it has seen, so train again on "
        "later cuts."
    )


def test_columns_that_are_not_those_named_are_refused():
    with pytest.raises(ValueError, match="2 names"):
        drift(
            ["a", "b"], np.zeros((500, 2)), np.zeros((500, 3)), score_then=drawn(1, 9), score_now=drawn(1, 9)
        )


def test_the_same_rows_in_another_order_say_the_same():
    then, now = drawn(1, 1500), drawn(2, 1500, 0.3)
    assert shift("spent", then, now) == shift("spent", then[::-1], np.sort(now))


def scored(month: str, rows: int, foretold: float, left: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    came = (np.arange(rows) < round(rows * left)).astype(float)
    return np.full(rows, np.datetime64(f"{month}-11")), np.full(rows, foretold), came


def of_months(*some: tuple[np.ndarray, np.ndarray, np.ndarray], base_rate: float) -> list[Finding]:
    months = by_month(*(np.concatenate([one[i] for one in some]) for i in range(3)))
    rows = drawn(1, 1000)
    told = drift(["a"], rows[:, None], rows[:, None], score_then=rows, score_now=rows, months=months,
                 base_rate=base_rate)  # fmt: skip
    return list(told.findings)


def test_a_month_in_which_the_probability_held_is_no_finding():
    assert of_months(scored("2025-03", 2000, 0.21, 0.2), base_rate=0.2) == []


def test_months_are_judged_by_themselves_and_in_order():
    later, earlier = scored("2025-04", 1000, 0.5, 0.3), scored("2025-03", 1000, 0.3, 0.3)
    told = by_month(*(np.concatenate([later[i], earlier[i]]) for i in range(3)))
    assert [(m.month, m.customers, m.level) for m in told] == [
        ("2025-03", 1000, "steady"),
        ("2025-04", 1000, "much"),
    ]
    assert told[1].ece == pytest.approx(0.2)
    assert told[1].low < told[1].left < told[1].high < told[1].foretold


def test_a_probability_that_no_longer_holds_is_told_with_what_to_do():
    (found,) = of_months(scored("2025-04", 1000, 0.38, 0.3), base_rate=0.3)
    assert (found.subject, found.level) == ("calibration", "some")
    assert found.says.startswith(
        "2025-04: 38.0% were foretold to leave and 30.0% left (27.2 to 32.9), too many"
    )
    assert "use the ranking, not the probability" in found.says


def test_a_base_rate_that_moved_is_told_even_where_the_probability_moved_with_it():
    (found,) = of_months(scored("2025-04", 1000, 0.3, 0.3), base_rate=0.2)
    assert (found.subject, found.level) == ("base_rate", "much")
    assert "in training it was 20.0%" in found.says


def test_labels_that_are_not_known_yet_are_counted_and_not_judged():
    months, foretold, left = scored("2025-05", 1000, 0.9, 0.3)
    left[60:] = np.nan
    (one,) = by_month(months, foretold, left)
    assert (one.customers, one.unknown, one.left, one.level) == (60, 940, None, "too_few")
    (found,) = of_months((months, foretold, left), base_rate=0.3)
    assert found.says.startswith("2025-05: of 1000 scores 60 have a label, too few")
