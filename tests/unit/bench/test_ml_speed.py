"""The measurements of speed do what they say: all rows, everybody ranked, reasons for the first."""

import numpy as np
import pytest

from bench.ml import features, scoring
from ml.histories import Histories
from ml.model import CANDIDATES, fit
from ml.scoring import ranked

BY_NAME = {one.name: one for one in CANDIDATES}


def test_a_drawn_export_gives_every_customer_a_row_at_every_cut(tmp_path):
    features.export(tmp_path, 5_000)
    found = features.measure(str(tmp_path))
    assert found["rows"] == 5_000 // features.EACH * len(features.CUTS)
    told = next(iter(Histories.exported(tmp_path).read()))
    assert len(told) == 5_000
    assert set(told["type"]) == set(features.WEIGHTS)


def test_the_features_of_a_drawn_export_are_measured_in_a_process_of_their_own(tmp_path):
    seconds, memory = features.run(tmp_path, events=5_000)
    assert seconds.holds
    assert 0 < memory.value < 4


@pytest.fixture(scope="module", params=scoring.KINDS)
def model(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("taught") / "taught.parquet"
    scoring.table(1_500, seed=2).write_parquet(path)
    return fit(BY_NAME[request.param], scoring._taught(path), seed=0)


def test_only_the_first_are_given_reasons_and_theirs_are_the_same(model):
    table = scoring.table(300, seed=1)
    everyone, first = ranked(model, table), ranked(model, table, explained=40)
    assert first[:40] == everyone[:40]
    assert all(not one.reasons for one in first[40:])
    assert [one.customer for one in first] == [one.customer for one in everyone]
    assert all(not one.reasons for one in ranked(model, table, explained=0))


def test_nobody_is_ranked_out_of_an_empty_table(model):
    assert ranked(model, scoring.table(0, seed=1)) == []


def test_equals_stand_at_both_sides_of_the_last_reason(model):
    """Two customers whose rows are the same share a probability, and only the one before the edge has reasons."""
    one = scoring.table(1, seed=1)
    twins = one.vstack(one.with_columns(customer=one["customer"] + "b", first=one["first"] + 1))
    first, second = ranked(model, twins, explained=1)
    assert first.probability == second.probability
    assert (first.customer, first.rank, second.rank) == ("0", 1, 2)
    assert first.reasons
    assert not second.reasons


def test_the_drawn_table_has_unknown_values_only_where_a_question_may_have_no_answer():
    table = scoring.table(2_000, seed=1)
    for question in scoring.FEATURES:
        unknown = table[question.name].is_null().mean()
        assert (
            (unknown == 0) if question.empty is not None else np.isclose(unknown, scoring.UNKNOWN, atol=0.05)
        )
