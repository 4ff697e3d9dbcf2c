"""Personas on a small town whose four kinds of customers are known."""

import msgspec
import numpy as np
import pytest

from ml.persona import FEWEST, Personas, Scale, fit, names, refit
from models.errors import Refused

KINDS = ((5, 30, 4000), (10, 2, 60), (60, 8, 900), (250, 1.2, 40))
"""Days since the last purchase, purchases, spend."""


def town(seed: int, share: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25), customers: int = 600) -> np.ndarray:
    random = np.random.default_rng(seed)
    kind = random.choice(len(KINDS), customers, p=share)
    rows = np.array(KINDS)[kind] * random.lognormal(0, 0.25, (customers, 3))
    return np.column_stack([rows[:, 0].round(), rows[:, 1].round().clip(1), rows[:, 2].round(2)])


@pytest.fixture(scope="module")
def fitted() -> Personas:
    return fit(town(1), seed=0)


def test_the_four_kinds_are_found_and_named_by_their_centres(fitted):
    assert [one.name for one in fitted.personas] == [
        "recent, frequent, high spend",
        "lapsing, occasional, high spend",
        "recent, rare, low spend",
        "lapsed, bought once, low spend",
    ]
    best = fitted.personas[0]
    assert (best.days, best.purchases, best.spend) == pytest.approx((5, 30, 4000), rel=0.1)
    assert best.says.startswith("about 5 days since the last purchase, ")
    assert sum(one.share for one in fitted.personas) == pytest.approx(1)


def test_their_number_is_chosen_and_told_why(fitted):
    four, five = fitted.tried
    assert (four.groups, four.objection) == (4, "")
    assert five.objection or five.silhouette < four.silhouette
    assert fitted.why.startswith(f"4 groups lie furthest apart: silhouette {four.silhouette:.3f} (5 groups: ")


def test_the_groups_that_lie_furthest_apart_win_where_both_numbers_stand():
    found = fit(town(4, (0.05, 0.05, 0.1, 0.8), 1500), seed=0)
    four, five = found.tried
    assert (four.objection, five.objection, len(found.personas)) == ("", "", 4)
    assert four.silhouette > five.silhouette
    fifth = np.random.default_rng(1).lognormal(0, 0.25, (150, 3)) * [1500, 60, 300]
    assert len(fit(np.vstack([town(1), fifth]), seed=0).personas) == 5


def test_later_customers_are_assigned_by_the_frozen_centres_alone(fitted):
    """Whoever comes beside them changes nobody's persona, even when the town is another."""
    newcomers = np.array([[4, 28, 3900], [240, 1, 45]])
    among = np.vstack([newcomers, town(9, (0.0, 0.0, 0.0, 1.0)) * [2, 1, 1]])
    assert fitted.assign(newcomers).tolist() == [0, 3]
    assert fitted.assign(among)[:2].tolist() == [0, 3]


def test_the_order_of_the_customers_does_not_matter(fitted):
    rows = town(1)
    assert fit(rows[np.random.default_rng(5).permutation(len(rows))], seed=0) == fitted


def test_written_as_json_and_read_back_they_are_the_same(fitted):
    read_back = msgspec.json.decode(msgspec.json.encode(fitted), type=Personas)
    assert read_back == fitted
    assert (read_back.assign(town(2)) == fitted.assign(town(2))).all()


@pytest.mark.parametrize("field, value", [("spread", [1.0, 0.0, 1.0]), ("personas", []), ("usual", [1.0])])
def test_a_broken_file_of_personas_is_not_read(fitted, field, value):
    broken = msgspec.json.encode({**msgspec.to_builtins(fitted), field: value})
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(broken, type=Personas)


def test_more_returned_than_paid_counts_as_nothing_spent():
    rows = town(1)
    nothing, less = rows.copy(), rows.copy()
    nothing[::50, 2], less[::50, 2] = 0, -80
    assert fit(less, seed=0) == fit(nothing, seed=0)


def test_a_refit_on_the_same_customers_moves_nobody(fitted):
    found = refit(fitted, town(1), seed=3)
    assert (found.customers, found.moved, found.agreement) == (600, 0, 1)
    assert all(flow.was == flow.becomes for flow in found.flows)


def test_groups_that_only_change_their_order_move_nobody(fitted):
    """The lapsed now spent a little more than the recent and rare: the list's order turns, the groups stay."""
    later = town(1)
    later[later[:, 0] > 150] *= [1, 1, 2]
    found = refit(fitted, later, seed=0)
    days = [one.days for one in found.personas.personas]
    assert days[2] > days[3]
    assert found.moved == 0


def test_a_refit_on_a_changed_town_says_how_many_it_moves(fitted):
    """The best customers are gone, and half of the lapsed are back and spend little: the usual is another."""
    later = town(4)
    lapsed = np.flatnonzero(later[:, 0] > 150)
    often = later[:, 2] > 2500
    later[lapsed[::2]] *= [0.2, 1, 0.2]
    later = later[~often]
    found = refit(fitted, later, seed=0)
    assert 0.1 < found.moved < 1
    assert found.agreement < 0.9
    assert sum(flow.customers for flow in found.flows) == found.customers == len(later)


SCALE = Scale(np.log1p([30.0, 20.0, 200.0]), np.array([1.0, 0.5, 1.0]))


def test_three_grades_an_axis_do_where_they_tell_all_apart_else_five():
    apart = np.array([[-2.0, 2.0, 2.0], [2.0, -2.0, -2.0]])
    assert names(apart, SCALE) == ["recent, frequent, high spend", "lapsed, rare, low spend"]
    close = np.array([[-2.0, 2.0, 2.0], [-0.7, 0.7, 0.7]])
    assert names(close, SCALE) == [
        "very recent, very frequent, very high spend",
        "recent, frequent, high spend",
    ]


def test_who_bought_once_is_told_so_even_where_that_is_usual():
    usual = Scale(np.log1p([30.0, 1.2, 200.0]), np.array([1.0, 0.5, 1.0]))
    assert names(np.zeros((1, 3)), usual) == ["lapsing, bought once, middle spend"]


def test_customers_without_groups_are_refused_with_what_was_tried():
    """One cloud: wherever a fit starts, it cuts it elsewhere."""
    cloud = np.exp(np.random.default_rng(7).normal(3, 0.3, (500, 3))).clip(1)
    with pytest.raises(Refused) as refused:
        fit(cloud, seed=0)
    assert refused.value.code == "persona.no_groups"
    assert "4 groups: they differ from start to start" in refused.value.detail


@pytest.mark.parametrize(
    "rows, code, path",
    [
        (town(1)[: FEWEST - 1], "persona.too_few", "customers"),
        (town(1)[:, :2], "persona.bad_rows", "customers"),
        (np.vstack([town(1), [3, np.nan, 10]]), "persona.bad_rows", "customers/600/frequency"),
        (np.vstack([[3, 0, 0], town(1)]), "persona.bad_rows", "customers/0/frequency"),
        (np.vstack([town(1), [-1, 1, 10]]), "persona.bad_rows", "customers/600/recency"),
        (np.vstack([town(1), [3, 1, np.inf]]), "persona.bad_rows", "customers/600/spend"),
        (town(1) * [1, 0, 1] + [0, 1, 0], "persona.no_difference", "frequency"),
    ],
)
def test_rows_that_cannot_be_are_refused_with_their_place(rows, code, path):
    with pytest.raises(Refused) as refused:
        fit(rows, seed=0)
    assert (refused.value.code, refused.value.path) == (code, path)
