"""Rows for training: the same for the same events, and never wiser than their cut."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from ml.dataset import LeakFound, assert_no_leak, build
from ml.features import NAMES
from ml.training import prepare


@pytest.fixture(scope="module")
def dataset(shop, spec):
    return prepare(shop, spec)


def test_there_is_one_row_per_customer_and_cut(dataset, spec):
    frame = dataset.frame()
    assert frame.select("customer", "cut").is_unique().all()
    assert set(frame["cut"].unique()) == {*spec.train_cuts, spec.judge_cut}
    assert frame.columns[4:] == list(NAMES)


def test_the_digest_does_not_know_what_the_customers_are_called(shop, spec, dataset):
    renamed = {f"{number:x}": history for number, history in enumerate(reversed(shop.values()))}
    assert prepare(renamed, spec).digest() == dataset.digest()


def test_the_digest_knows_every_fact(shop, spec, dataset):
    customer, history = next((c, h) for c, h in shop.items() if h and h[0].occurred_at < spec.train_cuts[0])
    assert prepare({**shop, customer: history[1:]}, spec).digest() != dataset.digest()


def test_facts_of_after_the_data_end_change_no_row(shop, spec, dataset, fact):
    event = next(history for history in shop.values() if history)[0].event
    later = {
        c: [*history, fact(event, spec.judge_cut, known_at=spec.data_end), fact(event, spec.data_end)]
        for c, history in shop.items()
    }
    assert prepare(later, spec).digest() == dataset.digest()


def test_honest_rows_hold_no_leak(shop, dataset):
    assert_no_leak(shop, dataset, seed=1)


def test_whole_file_totals_are_found_out(shop, spec, dataset):
    """The classic: lifetime totals computed once over all the data, then used at every cut."""
    at_the_end = build(
        shop, [spec.data_end], label="no_activity", horizon_days=0, population_days=90, data_end=spec.data_end
    )
    totals = dict(zip(at_the_end.customers, at_the_end.column("purchases"), strict=True))
    leaking = dataset.features.copy()
    leaking[:, NAMES.index("purchases")] = [totals[customer] for customer in dataset.customers]
    with pytest.raises(LeakFound, match="purchases"):
        assert_no_leak(shop, replace(dataset, features=leaking), seed=1)


def test_features_of_a_week_after_the_cut_are_found_out(shop, spec, dataset):
    late = build(
        shop, [spec.judge_cut + timedelta(days=7)], label="no_activity", horizon_days=0, population_days=90,
        data_end=spec.data_end,
    )  # fmt: skip
    pretending = replace(late, cuts=(spec.judge_cut,) * len(late))
    with pytest.raises(LeakFound):
        assert_no_leak(shop, pretending, seed=1)


def test_only_those_active_in_the_window_are_the_headline_population(dataset, spec):
    silence = dataset.column("days_since_activity")
    assert np.array_equal(dataset.active, silence <= spec.population_days)
    assert 0 < dataset.active.sum() < len(dataset)
