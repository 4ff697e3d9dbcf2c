"""The whole round: choose with chance, keep what was chosen and how likely it was, learn, judge, and decide."""

import numpy as np
import pytest
from scipy.special import expit

from ml.offer import acceptance
from ml.offer.choice import Exploration, Option, choose
from ml.offer.replay import Log, Verdict, certain, judge

OFFERS = ("data", "roaming")
VALUE = 20.0


def season(differ: float, seed: int, customers: int = 8000) -> tuple[np.ndarray, Log]:
    """Last year's rule preferred data for everyone and left three in ten to chance.

    Who travels takes roaming the more, and data the less, the larger `differ` is.
    """
    random = np.random.default_rng(seed)
    travels = random.normal(size=customers)
    truth = expit(np.column_stack([-1 - differ * travels, -1 + differ * travels]))
    shown, propensity = np.empty(customers, dtype=int), np.empty(customers)
    exploration = Exploration(epsilon=0.3, seed=f"season-{seed}")
    options = [
        Option(offer=offer, probability=p, value=VALUE) for offer, p in zip(OFFERS, (0.3, 0.2), strict=True)
    ]
    for row in range(customers):
        made = choose(options, contact_refused="", key=f"c{row}", exploration=exploration)
        assert made.offer is not None
        shown[row], propensity[row] = OFFERS.index(made.offer), made.propensity
    taken = random.random(customers) < truth[np.arange(customers), shown]
    return travels[:, None], Log(OFFERS, shown, propensity, VALUE * taken)


def judged(differ: float, seed: int) -> Verdict:
    features, log = season(differ, seed)
    learn, check = np.arange(8000) < 4000, np.arange(8000) >= 4000
    model = acceptance.fit(
        features[learn],
        np.array(OFFERS)[log.shown[learn]],
        (log.earned[learn] > 0).astype(int),
        columns=["travels"],
    )
    later = Log(OFFERS, log.shown[check], log.chance[check], log.earned[check])
    return judge(later, certain(model.probability(features[check]).argmax(axis=1), 2))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_travellers_differ_from_others_a_personal_offer_is_proven(seed):
    verdict = judged(differ=0.8, seed=seed)
    assert not verdict.same_for_everyone
    assert verdict.gain.low > 0.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_they_do_not_everyone_gets_the_same(seed):
    assert judged(differ=0, seed=seed).same_for_everyone
