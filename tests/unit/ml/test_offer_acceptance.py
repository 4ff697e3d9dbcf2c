"""How likely each offer is taken, where the truth is known."""

import msgspec
import numpy as np
import pytest
from scipy.special import expit

from ml.offer.acceptance import FEWEST_SHOWN, Acceptance, alike, fit
from models.errors import Refused

COLUMNS = ("roams", "month")


def answers(customers: int = 6000, seed: int = 1):
    """Who roams takes the day pass; nobody cares for the month; the phone is rarely taken by anybody."""
    random = np.random.default_rng(seed)
    features = np.column_stack([random.integers(0, 2, customers), random.integers(2020, 2032, customers)])
    truth = np.column_stack([expit(-3 + 2.5 * features[:, 0]), np.full(customers, 0.04)])
    place = random.integers(0, 2, customers)
    taken = (random.random(customers) < truth[np.arange(customers), place]).astype(int)
    return features.astype(float), np.array(["pass", "phone"])[place], taken, truth


def test_each_offer_learns_what_it_is_taken_for():
    features, shown, taken, truth = answers()
    found = fit(features, shown, taken, columns=COLUMNS)
    assert found.offers == ("pass", "phone")
    assert found.shown == (int((shown == "pass").sum()), int((shown == "phone").sum()))
    assert found.probability(features) == pytest.approx(truth, abs=0.03)


def test_a_rarely_taken_offer_stays_rare_whatever_its_columns_are():
    """The constant carries how often an offer is taken; no column has to."""
    features, shown, taken, _ = answers()
    found = fit(features, shown, taken, columns=COLUMNS)
    usual = found.probability(np.array([found.usual]))[0]
    assert usual[1] == pytest.approx(taken[shown == "phone"].mean(), abs=0.005)
    assert len(found.weights[1]) == 1 + len(COLUMNS)


def test_alike_gives_everybody_the_share_that_took_it():
    features, shown, taken, _ = answers()
    found = alike(shown, taken, columns=COLUMNS).probability(features)
    assert (found == found[0]).all()
    assert found[0] == pytest.approx([taken[shown == o].mean() for o in ("pass", "phone")], abs=0.001)


def test_alike_holds_an_offer_that_nobody_took_yet_for_unlikely_not_impossible():
    found = alike(["pass"] * 60, np.zeros(60), columns=()).probability(np.zeros((1, 0)))
    assert 0 < found[0, 0] < 0.01


def test_a_column_that_never_differs_says_nothing():
    features, shown, taken, _ = answers()
    features[:, 1] = 7
    assert fit(features, shown, taken, columns=COLUMNS).weights[0][2] == pytest.approx(0)


def test_written_as_json_and_read_back_it_says_the_same():
    features, shown, taken, _ = answers(1000)
    found = fit(features, shown, taken, columns=COLUMNS)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Acceptance) == found


def with_missing(features: np.ndarray) -> np.ndarray:
    features[3, 1] = np.nan
    return features


@pytest.mark.parametrize(
    "spoil, code, path",
    [
        (lambda f, s, t: (with_missing(f), s, t), "offer.bad_features", "features/3/month"),
        (lambda f, s, t: (f[:, :1], s, t), "offer.bad_features", "features"),
        (lambda f, s, t: (f, s[1:], t), "offer.uneven", "shown"),
        (lambda f, s, t: (f, s, t * 2), "offer.bad_answer", "taken"),
        (lambda f, s, t: (f, np.append(s[1:], "tablet"), t), "offer.too_few_shown", "tablet"),
        (lambda f, s, t: (f, s, np.where(s == "phone", 0, t)), "offer.one_answer", "phone"),
        (lambda f, s, t: (f, s, np.where(s == "phone", 1, t)), "offer.one_answer", "phone"),
    ],
)
def test_answers_that_teach_nothing_are_refused(spoil, code, path):
    features, shown, taken, _ = answers(1000)
    with pytest.raises(Refused) as refused:
        fit(*spoil(features, shown, taken), columns=COLUMNS)
    assert (refused.value.code, refused.value.path) == (code, path)


def test_an_offer_shown_just_often_enough_is_learnt():
    taken = np.arange(FEWEST_SHOWN) % 2
    features = np.zeros((FEWEST_SHOWN, 1))
    assert fit(features, ["pass"] * FEWEST_SHOWN, taken, columns=["x"]).shown == (FEWEST_SHOWN,)
