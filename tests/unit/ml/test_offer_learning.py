"""What is learnt of presentations: a personal choice where it is shown to earn more, else the same for everyone."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from ml.features.catalogue import BY_NAME
from ml.offer.learning import EARLIER, learn
from models.errors import Refused

QUESTIONS = (BY_NAME["offers_declined_365d"], BY_NAME["attempts_90d"])
CALLS, NOISE = (one.name for one in QUESTIONS)
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
WORTH = {"pass": 2.0, "plan": 2.0}


def told(count=2_000, *, suits=0.5, base=0.1, seed=0, share=0.5):
    """Those with many calls like the pass and the others the plan, by `suits`; chance chose which was shown."""
    random = np.random.default_rng(seed)
    calls = random.integers(0, 2, count) * 8
    is_pass = random.random(count) < share
    takes = random.random(count) < base + suits * ((calls > 0) == is_pass)
    return pl.DataFrame({
        "customer": [f"c{at}" for at in range(count)], "made_at": [BEGIN + timedelta(hours=at) for at in range(count)],
        "offer": np.where(is_pass, "pass", "plan"), "propensity": np.where(is_pass, share, 1 - share),
        "possible": [["pass", "plan"]] * count, "taken": takes.astype(np.int8),
        CALLS: calls.astype(float), NOISE: np.where(random.random(count) < 0.2, np.nan, random.random(count)),
    }).with_columns(pl.col(NOISE).fill_nan(None))  # fmt: skip


def learnt(rows, worth=WORTH):
    return learn(rows, worth, {one: one for one in rows["customer"]}, QUESTIONS)


def test_where_tastes_differ_a_choice_for_each_customer_is_learnt():
    found = learnt(told())
    assert found.personal, found.verdict.says
    assert found.verdict.gain.low > 0.3
    caller, other = found.acceptance.probability(np.array([[np.log1p(8), 0.4], [0.0, 0.4]]))
    by_name = {name: at for at, name in enumerate(found.acceptance.offers)}
    assert caller[by_name["pass"]] == pytest.approx(0.6, abs=0.1)
    assert other[by_name["pass"]] == pytest.approx(0.1, abs=0.1)
    assert found.acceptance.columns == (CALLS, NOISE)
    assert sum(found.acceptance.shown) == 2_000


def test_where_all_are_alike_the_same_for_everyone_is_what_is_learnt():
    """In at most two of twenty worlds without tastes is a personal choice taken for better."""
    found = [learnt(told(800, suits=0.0, base=0.3, seed=seed)) for seed in range(20)]
    assert sum(one.personal for one in found) <= 2
    alike = next(one for one in found if not one.personal)
    assert alike.acceptance.columns == ()
    assert alike.acceptance.probability(np.empty((1, 0)))[0] == pytest.approx([0.3, 0.3], abs=0.06)
    assert sum(alike.accepted) == pytest.approx(240, abs=40)


def test_it_is_judged_on_presentations_that_came_after_those_it_learnt_from():
    rows = told()
    found = learnt(rows)
    assert found.judged_from == rows["made_at"][int(len(rows) * EARLIER)]
    late = pl.col("made_at") >= found.judged_from
    turned = rows.with_columns(taken=pl.when(late).then(1 - pl.col("taken")).otherwise(pl.col("taken")))
    assert not learnt(turned).personal, "what the earlier ones said is wrong in the later ones"


def test_an_offer_that_was_hardly_shown_is_left_out_and_the_others_are_learnt():
    rows = told()
    rare = pl.int_range(pl.len()) % 100 == 0
    rows = rows.with_columns(
        offer=pl.when(rare).then(pl.lit("phone")).otherwise("offer"),
        propensity=pl.when(rare).then(0.01).otherwise(0.495),
        possible=pl.lit(["pass", "phone", "plan"], dtype=pl.List(pl.String)),
    )
    found = learnt(rows, {**WORTH, "phone": 90.0})
    assert found.acceptance.offers == ("pass", "plan")
    assert found.left_out == {"phone": "shown 12 times to learn from and 8 to judge by; 50 each are needed"}
    assert found.personal


def test_what_did_not_record_how_likely_it_was_is_counted_and_left_out():
    rows = told()
    dumb = pl.int_range(pl.len()) % 10 == 0
    rows = rows.with_columns(propensity=pl.when(dumb).then(None).otherwise("propensity"))
    found = learnt(rows)
    assert found.unknown == 200
    assert sum(found.acceptance.shown) == 1_800


def test_an_offer_that_the_rules_no_longer_have_is_not_learnt():
    found = learnt(told(), {"pass": 2.0})
    assert found.acceptance.offers == ("pass",)
    assert found.left_out == {"plan": "the rules no longer have it"}
    assert not found.personal


@pytest.mark.parametrize(
    "rows, code, fix",
    [
        (told(0), "offer.nothing_shown", "offers propose --record"),
        (told().with_columns(propensity=None), "replay.no_propensity", "let Touchstone choose"),
        (
            told().with_columns(possible=pl.lit(["phone"], dtype=pl.List(pl.String))),
            "replay.no_propensity",
            "possible",
        ),
        (told(60), "offer.too_few_shown", "show it longer"),
        (told().with_columns(taken=pl.lit(0, dtype=pl.Int8)), "offer.one_answer", "presentation.answered"),
        (told().with_columns(propensity=pl.lit(0.9)), "replay.propensities_do_not_fit", "log the chance"),
    ],
)
def test_where_nothing_can_be_learnt_the_cause_and_the_fix_are_named(rows, code, fix):
    with pytest.raises(Refused) as refused:
        learnt(rows)
    assert refused.value.code == code
    assert fix in refused.value.detail
