"""What else a customer may want: small shops where the answer can be seen."""

import numpy as np
import pytest

from ml.related import Recommendation, fit, judge
from models.errors import Refused

TENT_AND_TEA = [
    *[(f"camper{n}", item) for n in range(8) for item in ("tent", "stove", "lamp")],
    *[(f"drinker{n}", item) for n in range(8) for item in ("tea", "pot", "cup")],
    *[(f"camper{n}", "bag") for n in range(8)],
    *[(f"drinker{n}", "bag") for n in range(8)],
]
"""Two kinds of customers; a bag everybody takes."""


@pytest.fixture(scope="module")
def shop():
    return fit(*zip(*TENT_AND_TEA, strict=True))


def test_what_others_bought_beside_it_comes_first_and_says_why(shop):
    [answer] = shop.recommend([{"tent": 1, "stove": 2}], most=2)
    assert [one.item for one in answer] == ["lamp", "bag"]
    assert answer[0].because == ("stove", "tent")
    assert answer[0].says({"stove": "a stove", "tent": "a tent"}) == "bought a stove and a tent"


def test_an_item_without_a_title_is_told_by_its_id(shop):
    [[lamp]] = shop.recommend([{"tent": 1}], most=1)
    assert lamp.says({}) == "bought tent"


def test_what_was_bought_is_never_recommended(shop):
    bought = [{"tent": 1}, {"tent": 1, "stove": 1, "lamp": 1, "bag": 3}, dict.fromkeys(shop.items, 1)]
    for own, answer in zip(bought, shop.recommend(bought), strict=True):
        assert {one.item for one in answer} == set(shop.items) - set(own)


def test_whoever_bought_nothing_we_know_gets_what_most_customers_buy(shop):
    answers = shop.recommend([{}, {"hammock": 1}, {"tent": 0}], most=2)
    often = [Recommendation(item="bag", score=0.0), Recommendation(item="cup", score=0.0)]
    assert answers == [often, often, often]
    assert often[0].says({}) == "often bought by others"


def test_an_answer_that_nearness_cannot_fill_is_filled_with_what_most_customers_buy():
    shop = fit(["a", "a", "b", "b", "c", "d"], ["x", "y", "x", "y", "z", "z"])
    [answer] = shop.recommend([{"x": 1}])
    assert [(one.item, one.because) for one in answer] == [("y", ("x",)), ("z", ())]


def test_an_item_that_everybody_buys_says_less_than_a_rare_one():
    """Bag and stove were bought by the same eight campers; the bag by eight others too."""
    shop = fit(*zip(*TENT_AND_TEA, strict=True))
    [answer] = shop.recommend([{"bag": 1, "lamp": 1}], most=1)
    assert answer[0].because == ("lamp", "bag")


def test_a_customer_who_buys_everything_says_less_than_one_who_chooses():
    """Two hoarders have pot and apple among fifty items, two choosers pot and bread alone."""
    hoards = [(f"hoarder{n}", item) for n in range(2) for item in ("pot", "apple", *map(str, range(48)))]
    chosen = [(f"chooser{n}", item) for n in range(2) for item in ("pot", "bread")]
    shop = fit(*zip(*hoards, *chosen, strict=True))
    [answer] = shop.recommend([{"pot": 1}], most=2)
    assert [one.item for one in answer] == ["bread", "0"]


def test_a_thing_bought_more_often_speaks_louder_but_not_in_proportion():
    shop = fit(*zip(*TENT_AND_TEA, strict=True))
    [once], [ten] = shop.recommend([{"tent": 1}, {"tent": 10}], most=1)
    assert once.score < ten.score < 10 * once.score


def test_equal_scores_go_by_buyers_and_then_by_id():
    shop = fit(["a", "a", "a", "b", "b", "b"], ["x", "q", "p", "x", "q", "p"])
    [answer] = shop.recommend([{"x": 1}])
    assert [one.item for one in answer] == ["p", "q"]
    assert answer[0].score == answer[1].score


def test_the_order_of_the_purchases_does_not_matter():
    random = np.random.default_rng(3)
    pairs = [(f"c{random.integers(60)}", f"i{random.zipf(1.4) % 40:02d}") for _ in range(2000)]
    shuffled = [pairs[at] for at in random.permutation(len(pairs))]
    bought = [{f"i{at:02d}": 1 + at % 3} for at in range(40)]
    first = fit(*zip(*pairs, strict=True), nearest=10).recommend(bought)
    assert fit(*zip(*shuffled, strict=True), nearest=10).recommend(bought) == first


def test_only_the_nearest_are_kept_and_never_the_item_itself():
    random = np.random.default_rng(4)
    customers = [f"c{n}" for n in random.integers(0, 50, 3000)]
    shop = fit(customers, [f"i{n:04d}" for n in random.integers(0, 1200, 3000)], nearest=5)
    assert np.diff(shop.nearness.indptr).max() == 5
    assert shop.nearness.diagonal().sum() == 0


def test_a_shop_with_two_tastes_is_foretold_better_than_by_what_most_buy(shop):
    bought = [{"tent": 1}] * 30 + [{"tea": 1}] * 30 + [{"bag": 1}]
    wanted = [frozenset({"lamp"})] * 30 + [frozenset({"pot"})] * 30 + [frozenset[str]()]
    found = judge(shop, bought, wanted, seed=1, most=3)
    assert found.related.customers == 60
    assert (found.related.hit, found.related.coverage) == (1.0, 5 / 7)
    assert found.popular.hit == 0.5
    assert found.gain.low > 0 < found.gain.value == 0.5


def test_average_precision_by_hand():
    """Named lamp, stove, bag; wanted stove and bag: right at 2 and 3, so (1/2 + 2/3) / 2."""
    shop = fit(*zip(*TENT_AND_TEA, strict=True))
    [named] = shop.recommend([{"tent": 1}], most=3)
    assert [one.item for one in named] == ["lamp", "stove", "bag"]
    found = judge(shop, [{"tent": 1}], [frozenset({"stove", "bag"})], seed=1, most=3)
    assert found.related.map == pytest.approx((1 / 2 + 2 / 3) / 2)


@pytest.mark.parametrize(
    "bought, wanted, code, path",
    [
        (
            [{"tent": 1}, {"tea": 1}],
            [frozenset({"bag"}), frozenset({"tea"})],
            "related.bought_before",
            "wanted/1",
        ),
        ([{"tent": 1}], [frozenset[str]()], "related.nobody_wanted", "wanted"),
    ],
)
def test_a_judgement_that_would_mean_nothing_is_refused(shop, bought, wanted, code, path):
    with pytest.raises(Refused) as refused:
        judge(shop, bought, wanted, seed=1)
    assert (refused.value.code, refused.value.path) == (code, path)


@pytest.mark.parametrize(
    "customers, items, code",
    [
        (["a", "b"], ["x"], "related.uneven"),
        (["a", "a"], ["x", "y"], "related.too_few"),
        (["a", "b"], ["x", "x"], "related.too_few"),
        ([], [], "related.too_few"),
    ],
)
def test_too_few_purchases_are_refused(customers, items, code):
    with pytest.raises(Refused) as refused:
        fit(customers, items)
    assert refused.value.code == code
