"""Training and scoring over a workspace: what is recorded, and what is refused."""

from datetime import timedelta
from functools import partial

import pytest

from ml.artifacts import ArtifactRefused
from models.errors import Refused
from services import prediction
from tests.support.clock import MONDAY
from tests.support.shop import END, open_shop

train = partial(prediction.train, report=False)


@pytest.fixture
def shop(workspace):
    return open_shop(workspace)


def test_training_again_registers_nothing_new_and_scoring_again_records_nothing(shop):
    artifact = train(shop, "shop", until=END).artifact
    first = prediction.score_everyone(shop, artifact, END, "shop")
    head = shop.journal.head()
    assert first.new == len(first.scores) == 240
    again = prediction.score_everyone(shop, train(shop, "shop", until=END).artifact, END, "shop")
    assert (again.run, again.new, shop.journal.head()) == (first.run, 0, head)


def test_an_artifact_whose_card_was_changed_is_refused_with_the_cure(shop):
    artifact = train(shop, "shop", until=END).artifact
    assert prediction.champion(shop, "shop").sha256 == artifact.sha256
    card = artifact.path / "card.json"
    card.write_text(card.read_text().replace('"horizon_days": 180', '"horizon_days": 7', 1))
    for refuse in (
        lambda held: prediction.champion(held, "shop"),
        lambda held: train(held, "shop", until=END),
    ):
        with pytest.raises(ArtifactRefused, match="touchstone train"):
            refuse(shop)


def test_nothing_is_foretold_as_of_a_moment_that_has_not_come(shop):
    ahead = MONDAY + timedelta(days=1)
    with pytest.raises(Refused, match="as_of_ahead"):
        train(shop, "shop", until=ahead)
    artifact = train(shop, "shop", until=END).artifact
    with pytest.raises(Refused, match="as_of_ahead"):
        prediction.score_everyone(shop, artifact, ahead, "shop")


def test_a_training_leaves_a_report_of_its_own(shop):
    """One file, beside the artifact, that needs nothing else to be read."""
    done = prediction.train(shop, "shop", until=END)
    page = prediction.report_of(done.artifact).read_text()
    assert done.artifact.card.id in page
    assert "<svg" in page
    assert not any(word in page for word in ("<script", "http://", "https://", " src="))
