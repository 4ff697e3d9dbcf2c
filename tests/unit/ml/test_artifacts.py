"""An artifact is what it says it is, or it does not score."""

import hashlib
import shutil

import msgspec
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from events.prediction import ModelRegistered
from ml import artifacts
from ml.artifacts import ArtifactRefused, find, load, save, training_key
from ml.histories import Histories
from ml.scoring import score
from ml.training import prepare, train


class Stranger:
    """A type no model file may hold."""


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    return save(tmp_path_factory.mktemp("artifacts"), trained, code="revision-1")


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved.path, tmp_path / saved.card.id)


def rewrite_card(path, **changes):
    card = msgspec.json.decode((path / "card.json").read_bytes())
    (path / "card.json").write_bytes(msgspec.json.encode(card | changes))


def replace_model(path, contents):
    packed = skops.io.dumps(contents)
    (path / "model.skops").write_bytes(packed)
    rewrite_card(path, model_sha256=hashlib.sha256(packed).hexdigest())


def refusal(path, **known):
    with pytest.raises(ArtifactRefused) as refused:
        load(path, **known)
    return refused.value.code


def test_a_saved_champion_scores_as_before(saved, trained, told, spec):
    again = load(saved.path, sha256=saved.sha256)
    assert score(again.model, Histories.of(told), spec.data_end) == score(
        trained.model, Histories.of(told), spec.data_end
    )
    assert again.card.judgement == trained.judgement
    assert len(again.card.sample) >= 20


def test_the_card_names_no_customer(saved, told):
    card = (saved.path / "card.json").read_text()
    assert not any(f'"{customer}"' in card for customer in told)


def test_the_same_training_has_the_same_id_and_is_done_once(saved, told, spec, tmp_path, trained):
    renamed = {f"{number:x}": history for number, history in enumerate(reversed(told.values()))}
    first = save(tmp_path, train(Histories.of(renamed), spec), code="revision-1")
    assert first.card.id == saved.card.id
    again = find(tmp_path, training_key(spec, prepare(Histories.of(told), spec), "revision-1"))
    assert again.sha256 == first.sha256
    assert save(tmp_path, trained, code="revision-1").sha256 == first.sha256
    assert [entry.name for entry in tmp_path.iterdir()] == [saved.card.id]


def test_other_code_is_another_training(saved, trained, spec, tmp_path):
    key = training_key(spec, trained.dataset, "revision-2")
    assert key != saved.card.key
    assert find(saved.path.parent, key) is None
    assert find(saved.path.parent, saved.card.key).sha256 == saved.sha256


def test_registration_says_how_it_did(saved, spec):
    event = saved.registered()
    assert isinstance(event, ModelRegistered)
    assert (event.artifact, event.sha256, event.judged_at) == (saved.card.id, saved.sha256, spec.judge_cut)
    assert event.metrics["auc"] == saved.card.judgement.of(saved.card.judgement.champion).active.auc


def test_a_changed_model_file_is_refused(copy):
    with (copy / "model.skops").open("ab") as model:
        model.write(b"\0")
    assert refusal(copy) == "artifact.hash_mismatch"


def test_a_changed_card_is_refused_where_its_hash_is_registered(copy, saved):
    rewrite_card(copy, customers=1)
    assert refusal(copy, sha256=saved.sha256) == "artifact.hash_mismatch"


def test_a_model_file_too_large_is_refused_unread(copy, monkeypatch):
    monkeypatch.setattr(artifacts, "LARGEST_PACKED", 100)
    assert refusal(copy) == "artifact.too_large"


def test_a_model_file_that_unpacks_too_large_is_refused(copy, monkeypatch):
    monkeypatch.setattr(artifacts, "LARGEST_UNPACKED", 100)
    assert refusal(copy) == "artifact.too_large"


def test_another_release_of_the_library_is_refused(copy, saved):
    rewrite_card(copy, libraries=saved.card.libraries | {"scikit-learn": "1.0.0"})
    assert refusal(copy) == "artifact.version_mismatch"


def test_other_feature_definitions_are_refused(copy):
    rewrite_card(copy, definition_hash="0" * 64)
    assert refusal(copy) == "artifact.features_changed"


def test_a_type_we_did_not_allow_is_refused(copy):
    replace_model(copy, {"estimator": Stranger()})
    assert refusal(copy) == "artifact.untrusted_type"


def test_an_estimator_that_scores_otherwise_is_refused(copy, trained):
    contents = artifacts._contents(trained.model)
    replace_model(copy, contents | {"slope": trained.model.slope * 1.001})
    assert refusal(copy) == "artifact.scores_differ"


def test_a_card_without_sample_rows_is_refused(copy):
    rewrite_card(copy, sample=[])
    assert refusal(copy) == "artifact.scores_differ"


def test_a_file_that_holds_no_model_is_refused(copy):
    replace_model(copy, {"estimator": LogisticRegression()})
    assert refusal(copy) == "artifact.unreadable"


@pytest.mark.parametrize("name", ["card.json", "model.skops"])
def test_a_broken_or_missing_file_is_refused(copy, name):
    (copy / name).write_bytes(b"\xff\x00 broken")
    if name == "model.skops":
        rewrite_card(copy, model_sha256=hashlib.sha256(b"\xff\x00 broken").hexdigest())
    assert refusal(copy) == "artifact.unreadable"
    (copy / name).unlink()
    assert refusal(copy) == "artifact.unreadable"


def test_an_unsound_artifact_is_not_silently_trained_over(copy, saved):
    (copy / "model.skops").write_bytes(b"")
    with pytest.raises(ArtifactRefused):
        find(copy.parent, saved.card.key)
