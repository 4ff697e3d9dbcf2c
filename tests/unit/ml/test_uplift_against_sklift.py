"""The Qini coefficient is the one that scikit-uplift calls by this name, to the last digit."""

import numpy as np
import pytest
from sklift.metrics import qini_auc_score

from ml.uplift.qini import qini


@pytest.mark.filterwarnings("ignore:.*stable_cumsum.*:FutureWarning")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("decimals", [1, 12], ids=["many ties", "no ties"])
def test_the_coefficient_is_that_of_scikit_uplift(seed: int, decimals: int):
    random = np.random.default_rng(seed)
    score = random.normal(size=900).round(decimals)
    treated = random.random(900) < random.uniform(0.2, 0.8)
    chance = 0.3 + treated * 0.3 * (score > 0)
    outcome = (random.random(900) < chance).astype(float)
    theirs = qini_auc_score(outcome, score, treated.astype(int))
    assert qini(outcome, treated, score) == pytest.approx(theirs, abs=1e-12)
