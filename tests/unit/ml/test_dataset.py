"""Rows for training: the same for the same events, and never wiser than their cut."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import numpy as np
import pytest

from events.holding import PurchaseRecorded
from events.identity import CustomersMerged
from events.touch import TouchRecorded, TouchRetracted
from ml import leak
from ml.dataset import build
from ml.features.catalogue import NAMES, features
from ml.histories import Histories
from ml.leak import LeakFound
from ml.training import prepare


def leaks(told, dataset, spec):
    leak.check(
        Histories.of(told),
        dataset,
        label="no_activity",
        horizon_days=spec.horizon_days,
        data_end=spec.data_end,
        seed=1,
    )


@pytest.fixture(scope="module")
def dataset(told, spec):
    return prepare(Histories.of(told), spec)


def test_there_is_one_row_per_customer_and_cut(dataset, spec):
    frame = dataset.frame()
    assert frame.select("customer", "cut").is_unique().all()
    assert set(frame["cut"].unique()) == {*spec.train_cuts, spec.judge_cut}
    assert frame.columns[5:] == list(NAMES)


def test_the_digest_does_not_know_what_the_customers_are_called(told, spec, dataset):
    renamed = {f"{number:x}": history for number, history in enumerate(reversed(told.values()))}
    assert prepare(Histories.of(renamed), spec).digest() == dataset.digest()


def test_the_digest_knows_every_fact(told, spec, dataset):
    customer, history = next((c, h) for c, h in told.items() if h and h[0].occurred_at < spec.train_cuts[0])
    assert prepare(Histories.of({**told, customer: history[1:]}), spec).digest() != dataset.digest()


def test_facts_of_after_the_data_end_change_no_row(told, spec, dataset, fact):
    event = next(history for history in told.values() if history)[0].event
    later = {
        c: [*history, fact(event, spec.judge_cut, known_at=spec.data_end), fact(event, spec.data_end)]
        for c, history in told.items()
    }
    assert prepare(Histories.of(later), spec).digest() == dataset.digest()


def test_honest_rows_hold_no_leak(told, dataset, spec):
    leaks(told, dataset, spec)


def test_one_customers_features_at_a_moment_are_those_of_the_training_row(told, dataset):
    """What serves is what taught: the same definition over one history and over all of them."""
    for row in range(0, len(dataset), len(dataset) // 60):
        at = dataset.frame()["cut"][row]
        alone = features(told[dataset.customers[row]], at)
        assert tuple(alone[name] for name in NAMES) == dataset.frame().select(NAMES).row(row)


def test_rows_that_were_copied_before_they_were_divided_are_found_out(told, dataset, spec):
    """Resampling: the same leaver would teach and judge."""
    twice = np.concatenate([np.arange(len(dataset)), np.flatnonzero(dataset.labels)])
    copied = replace(dataset, **{
        name: getattr(dataset, name)[twice] for name in dataset.__dataclass_fields__ if name != "names"
    })  # fmt: skip
    with pytest.raises(LeakFound, match="resampled"):
        leaks(told, copied, spec)


def test_rows_that_were_made_up_are_found_out(told, dataset, spec):
    """Synthetic neighbours of leavers (SMOTE) are of nobody."""
    made_up = replace(
        dataset, customers=np.array([f"synthetic-{n}" for n in range(len(dataset))], dtype=object)
    )
    with pytest.raises(LeakFound, match="made up"):
        leaks(told, made_up, spec)


def test_a_column_that_knows_the_answer_is_found_out(told, dataset, spec):
    knowing = dataset.features.copy()
    knowing[:, NAMES.index("purchases")] = dataset.labels
    with pytest.raises(LeakFound, match="purchases alone tells"):
        leak.assert_no_answer(replace(dataset, features=knowing))


def test_a_label_of_another_cut_is_found_out(told, dataset, spec):
    with pytest.raises(LeakFound, match="the label is not the one of this cut"):
        leaks(told, replace(dataset, labels=1 - dataset.labels), spec)


def test_whole_file_totals_are_found_out(told, spec, dataset):
    """The classic: lifetime totals computed once over all the data, then used at every cut."""
    at_the_end = build(
        Histories.of(told),
        [spec.data_end],
        label="no_activity",
        horizon_days=0,
        population_days=90,
        data_end=spec.data_end,
    )
    totals = dict(zip(at_the_end.customers, at_the_end.column("purchases"), strict=True))
    leaking = dataset.features.copy()
    leaking[:, NAMES.index("purchases")] = [totals[customer] for customer in dataset.customers]
    with pytest.raises(LeakFound, match="purchases"):
        leaks(told, replace(dataset, features=leaking), spec)


def test_features_of_a_week_after_the_cut_are_found_out(told, spec, dataset):
    late = build(
        Histories.of(told), [spec.judge_cut + timedelta(days=7)], label="no_activity", horizon_days=0,
        population_days=90, data_end=spec.data_end,
    )  # fmt: skip
    pretending = replace(late, cuts=np.full(len(late), dataset.cuts.max()))
    with pytest.raises(LeakFound):
        leaks(told, pretending, spec)


def test_only_those_active_in_the_window_are_the_headline_population(dataset, spec):
    silence = dataset.column("days_since_activity")
    assert np.array_equal(dataset.active, silence <= spec.population_days)
    assert 0 < dataset.active.sum() < len(dataset)


def rows_of(histories, spec, cuts):
    return build(
        Histories.of(histories), cuts, label="no_activity", horizon_days=spec.horizon_days, population_days=120,
        data_end=spec.data_end,
    )  # fmt: skip


def test_a_correction_changes_the_rows_of_later_cuts_only(told, spec, fact):
    cut, judge = spec.train_cuts[0], spec.judge_cut
    touch = fact(TouchRecorded(outcome="unresolved"), cut - timedelta(days=9))
    retracted = fact(TouchRetracted(touch_id=touch.event_id, why="a test"), cut, number=1)
    bought = fact(PurchaseRecorded(), cut - timedelta(days=20), number=2)
    rows = rows_of({"one": [bought, touch, retracted]}, spec, [cut, judge])
    assert rows.column("unresolved_365d").tolist() == [1, 0]
    leaks({"one": [bought, touch, retracted]}, rows, spec)


def test_one_who_was_absorbed_has_rows_until_that_was_known(spec, fact):
    """The two are one person all along to the folds of the fit, and two customers to the cuts before."""
    cut, judge = spec.train_cuts[0], spec.judge_cut
    own = fact(PurchaseRecorded(), cut - timedelta(days=20))
    merged = fact(CustomersMerged(survivor="older", absorbed="younger"), cut, number=1)
    others = fact(PurchaseRecorded(), cut - timedelta(days=40), known_at=cut, number=2)
    alone = fact(PurchaseRecorded(), cut - timedelta(days=5), number=3)
    histories = {"older": [others, own, merged], "younger": [others, own, merged], "nobody": [alone]}
    rows = rows_of(histories, spec, [cut, judge])
    assert sorted(zip(rows.customers, rows.frame()["cut"], rows.column("purchases"), strict=True)) == [
        ("nobody", cut, 1), ("nobody", judge, 1), ("older", cut, 1), ("older", judge, 2), ("younger", cut, 1),
    ]  # fmt: skip
    number = dict(zip(rows.customers, rows.persons.tolist(), strict=True))
    assert number["older"] == number["younger"] != number["nobody"]
    leaks(histories, rows, spec)


def test_two_who_turned_out_to_be_one_share_their_label(spec, fact):
    """Both stay, when either buys: as far as was known before the end of the data, and no further."""
    cut = spec.train_cuts[0]
    one, other = (fact(PurchaseRecorded(), cut - timedelta(days=days)) for days in (20, 10))
    again, known = fact(PurchaseRecorded(), cut + timedelta(days=5)), cut + timedelta(days=30)
    for at, labels in ((known, [0, 0]), (spec.data_end, [0, 1])):
        merged = fact(CustomersMerged(survivor="older", absorbed="younger"), at, number=1)
        later = [fact(e.event, e.occurred_at, known_at=at) for e in (one, other, again)]
        histories = {"older": [one, later[1], again, merged], "younger": [later[0], other, later[2], merged]}
        rows = rows_of(histories, spec, [cut])
        assert [
            label for _, label in sorted(zip(rows.customers, rows.labels.tolist(), strict=True))
        ] == labels


def test_the_digest_of_merged_customers_does_not_know_their_names(spec, fact):
    """Equal rows of somebody else must not come between two of one person for the sake of an id."""
    cut = spec.train_cuts[0]
    small, large = (fact(PurchaseRecorded(amount=n), cut - timedelta(days=9), number=n) for n in (1, 2))

    def digest(older, younger, stranger):
        merged = fact(CustomersMerged(survivor=older, absorbed=younger), spec.data_end, number=3)
        return rows_of(
            {older: [small, merged], younger: [large, merged], stranger: [large]}, spec, [cut]
        ).digest()

    assert len({digest(*names) for names in permutations("abc")}) == 1
