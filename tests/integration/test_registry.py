"""Which model scores: the first, then whoever ranks no worse; and every change of it is an event."""

from datetime import timedelta
from functools import partial

import pytest

from events.prediction import ModelPromoted, ModelRolledBack
from models.errors import Refused
from services import prediction, registry
from tests.support.shop import END, open_shop
from tests.support.viewing import recorded

train = partial(prediction.train, report=False)


@pytest.fixture
def shop(workspace):
    return open_shop(workspace)


def moves(workspace):
    return [e.event for e in recorded(workspace) if isinstance(e.event, ModelPromoted | ModelRolledBack)]


def test_the_first_scores_at_once_and_the_next_where_it_ranks_no_worse(shop):
    first = train(shop, until=END)
    assert (first.champion, first.why) == (True, "it is the first")
    assert prediction.champion(shop).card.id == first.artifact.card.id
    later = train(shop, until=END - timedelta(days=31))
    assert "AUC" in later.why
    now = later if later.champion else first
    assert registry.champion(shop, "churn") == now.artifact.card.id
    assert later.champion == later.why.startswith("it ranks no worse")
    assert [move.artifact for move in moves(shop)] == (
        [first.artifact.card.id, later.artifact.card.id] if later.champion else [first.artifact.card.id]
    )


def test_a_challenger_waits_for_a_persons_word_and_can_be_taken_back(shop):
    first = train(shop, until=END).artifact.card.id
    other = train(shop, until=END, horizon_days=90, promote=False)
    assert (other.champion, registry.champion(shop, "churn")) == (False, first)
    assert "foretells something else" in other.why
    assert registry.promote(shop, "churn", other.artifact.card.id, "we plan by quarters now", "ann")
    assert not registry.promote(shop, "churn", other.artifact.card.id, "again", "ann")
    assert prediction.champion(shop).card.id == other.artifact.card.id
    assert registry.roll_back(shop, "churn", "the list was odd", "bea") == (first, other.artifact.card.id)
    assert prediction.champion(shop).card.id == first
    with pytest.raises(Refused, match="no other artifact scored before"):
        registry.roll_back(shop, "churn", "once more", "bea")
    told = moves(shop)
    assert [(type(move), move.artifact) for move in told] == [
        (ModelPromoted, first), (ModelPromoted, other.artifact.card.id), (ModelRolledBack, first),
    ]  # fmt: skip
    assert told[2].why == "the list was odd"
    standing = {one.artifact: one.champion_of for one in registry.standings(shop)}
    assert standing == {first: ("churn",), other.artifact.card.id: ()}


def test_each_issuers_customers_have_a_model_of_their_own(shop):
    train(shop, "shop", until=END)
    assert registry.champion(shop, "churn") is None
    assert registry.champion(shop, "churn:shop") is not None
    with pytest.raises(FileNotFoundError, match="run `touchstone train` first"):
        prediction.champion(shop)


def test_what_was_never_trained_here_cannot_be_promoted(workspace):
    with pytest.raises(Refused, match="never registered here"):
        registry.promote(workspace, "churn", "churn-0", "why not", "ann")
    with pytest.raises(Refused, match="no other artifact"):
        registry.roll_back(workspace, "churn", "why not", "ann")


def test_a_champion_that_can_no_longer_score_gives_way_only_to_who_foretells_the_same(shop):
    first = train(shop, until=END - timedelta(days=31)).artifact
    (first.path / "model.skops").write_bytes(b"")
    other = prediction.train(shop, until=END, report=False, horizon_days=150)
    assert not other.champion
    assert "foretells something else" in other.why
    same = train(shop, until=END)
    assert same.champion
    assert "can no longer score here" in same.why
    assert registry.champion(shop, "churn") == same.artifact.card.id
