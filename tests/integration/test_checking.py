"""Whether a model still holds: what came true month by month, its challengers in shadow, and a record of it."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from events.prediction import ModelEvaluated
from services import checking, prediction
from tests.support.shop import open_shop
from tests.support.viewing import recorded

train = partial(prediction.train, report=False, horizon_days=60)
THEN, END = datetime(2024, 11, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC)


@pytest.fixture
def shop(workspace):
    return open_shop(workspace)


def test_a_champion_and_its_challenger_are_judged_on_the_same_months_that_neither_learnt_from(shop):
    champion = train(shop, until=THEN).artifact
    challenger = train(shop, until=THEN - timedelta(days=31), promote=False).artifact
    done = checking.check(shop, as_of=END)
    assert done.champion == champion.card.id
    latest = max(one.card.spec.judge_cut for one in (champion, challenger))
    assert min(done.months) > latest
    assert max(done.months) + timedelta(days=60) <= END
    assert [month.month for month in done.drift.months] == [f"{month:%Y-%m}" for month in done.months]
    assert set(done.shadow) == {champion.card.id, challenger.card.id}
    assert len({told.population for told in done.shadow.values()}) == 1
    told = {e.event.artifact: e for e in recorded(shop) if isinstance(e.event, ModelEvaluated)}
    assert set(told) == set(done.shadow)
    for artifact, e in told.items():
        assert e.event.metrics["auc"] == done.shadow[artifact].auc
        assert (e.origin, e.occurred_at) == ("replay", END)
    assert told[champion.card.id].event.findings == tuple(one.says[:200] for one in done.drift.findings[:5])


def test_right_after_a_training_nobody_can_be_judged_and_the_check_says_so(shop):
    champion = train(shop, until=THEN).artifact
    done = checking.check(shop, as_of=champion.card.spec.judge_cut + timedelta(days=1))
    assert (done.months, done.shadow, done.drift.months) == ((), {}, ())
    [told] = [e.event for e in recorded(shop) if isinstance(e.event, ModelEvaluated)]
    assert "auc" not in told.metrics
    assert prediction.champion(shop).card.id == champion.card.id, "what was looked at can still score"
    assert prediction.trusted(shop, champion.path).sha256 == champion.sha256


def test_without_a_champion_the_cure_is_told(workspace):
    with pytest.raises(FileNotFoundError, match="touchstone train"):
        checking.check(workspace)
