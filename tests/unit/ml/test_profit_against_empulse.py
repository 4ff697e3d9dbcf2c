"""Our profit measures beside those of the package empulse, which others use."""

import numpy as np
import pytest
from empulse.metrics import empb_score, empc_score, mpc_score

from ml.profit import Acceptance, Terms, counted, expected_maximum


@pytest.fixture(scope="module")
def judged():
    """2,000 customers, some with the same score, and what each is worth."""
    random = np.random.default_rng(9)
    left = (random.random(2_000) < 0.26).astype(float)
    return left, np.round(left + random.normal(size=2_000), 2), random.uniform(20, 400, 2_000)


@pytest.mark.parametrize("value, offer, contact", [(200, 10, 1), (60, 15, 3), (40, 20, 0.5)])
@pytest.mark.parametrize("alpha, beta", [(6, 14), (2, 2)])
def test_the_expected_maximum_is_theirs(judged, value, offer, contact, alpha, beta):
    left, order, _ = judged
    ours = expected_maximum(left, order, Terms(value, offer, contact), Acceptance(alpha, beta)).a_customer
    theirs = empc_score(
        left.astype(int), order, alpha=alpha, beta=beta, clv=value, incentive_cost=offer, contact_cost=contact
    )
    assert ours == pytest.approx(theirs, abs=0.02)


@pytest.mark.parametrize("value, offer, contact", [(200, 10, 1), (60, 15, 3)])
def test_the_maximum_for_a_known_acceptance_and_its_list_are_theirs(judged, value, offer, contact):
    left, order, _ = judged
    asked = {"clv": value, "incentive_cost": offer, "contact_cost": contact, "accept_rate": 0.3}
    best = counted(left, order, Terms(value, offer, contact), 0.3).best
    assert best.a_customer == pytest.approx(mpc_score(left.astype(int), order, **asked), abs=0.02)
    assert best.share == pytest.approx(mpc_score.optimal_rate(left.astype(int), order, **asked), abs=0.001)


def test_so_is_the_maximum_where_every_customer_has_their_own_value(judged):
    """There an offer is a share of the value."""
    left, order, values = judged
    theirs = empb_score(left.astype(int), order, clv=values, incentive_fraction=0.05, contact_cost=15)
    ours = counted(left, order, Terms(values, 0.05 * values, 15), Acceptance().mean).best.a_customer
    assert ours == pytest.approx(theirs, abs=0.02)
