"""Which model scores: the first, then whoever ranks no worse; and every change of it is an event."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from events.prediction import ModelPromoted, ModelRolledBack
from models.errors import Refused
from services import prediction, registry
from tests.support.sending import account, purchase, send
from tests.support.viewing import recorded

train = partial(prediction.train, report=False)
END = datetime(2025, 7, 1, tzinfo=UTC)


@pytest.fixture
def shop(workspace):
    """A year and a half of purchases by 240 customers; some stop early, some go on."""
    items, first = [], datetime(2024, 1, 2, tzinfo=UTC)
    for who in range(240):
        gap, last = 12 + who % 7 * 9, 60 + who * 37 % 480
        for number, day in enumerate(range(who % 30, last, gap)):
            at = first + timedelta(days=day)
            items.append(purchase(f"{who}-{number}", account(str(who)), at=at, amount=str(5 + who % 40)))
    for start in range(0, len(items), 1000):
        send(workspace, *items[start : start + 1000])
    return workspace


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
