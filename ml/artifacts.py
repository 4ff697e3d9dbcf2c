"""Artifacts: a champion on disk with its card, and every reason to refuse one.

A folder `<id>` holds `model.skops` and `card.json`. The id follows from what the model was made of, so
that the same training finds itself again. What a file may contain is decided here, never by the file.
"""

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np
import skops.io
from msgspec import Struct

from events.prediction import ModelRegistered
from ml.dataset import Dataset
from ml.features.catalogue import definition_hash
from ml.kit import OURS, Kit
from ml.model import ChurnModel
from ml.training import ChurnSpec, Judgement, Trained

MODEL, CARD = "model.skops", "card.json"
LARGEST_PACKED, LARGEST_UNPACKED = 50_000_000, 500_000_000
"""Bytes of a model file, as it lies there and as it says it unpacks."""

LIBRARIES = ("numpy", "scikit-learn", "skops")
BINDING = "scikit-learn"
"""The library whose other releases may read a model differently."""

SAMPLE_ROWS = 24
TOLERANCE = 1e-9


class ArtifactRefused(Exception):
    """An artifact must not score, and why.

    Codes: artifact.unreadable, .too_large, .hash_mismatch, .version_mismatch, .features_changed,
    .untrusted_type, .scores_differ.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


class FeatureNote(Struct, frozen=True, kw_only=True):
    """A feature as the model saw it."""

    name: str
    meaning: str
    unit: str
    sources: tuple[str, ...]


class SampleRow(Struct, frozen=True, kw_only=True):
    """One row of nobody in particular: values of all features, and the log odds they must give."""

    features: tuple[float | None, ...]
    log_odds: float


class Card(Struct, frozen=True, kw_only=True):
    """What there is to know about a model before it is trusted."""

    id: str
    key: str
    spec: ChurnSpec
    judgement: Judgement
    customers: int
    rows: int
    features: tuple[FeatureNote, ...]
    definition_hash: str
    own_digest: str
    dataset_digest: str
    code: str
    libraries: dict[str, str]
    model_sha256: str
    sample: tuple[SampleRow, ...]


@dataclass(frozen=True)
class Artifact:
    """A model that passed all checks. `sha256` is that of its card, which names the model's own."""

    card: Card
    model: ChurnModel
    sha256: str
    path: Path

    def registered(self) -> ModelRegistered:
        """The artifact's registration, as it is recorded."""
        judgement, spec = self.card.judgement, self.card.spec
        active = judgement.of(judgement.champion).active
        return ModelRegistered(
            artifact=self.card.id,
            foretells=f"{spec.label} within {spec.horizon_days} days",
            sha256=self.sha256,
            trained_on=spec.train_cuts,
            judged_at=spec.judge_cut,
            metrics={
                name: float(value)
                for name, value in (
                    msgspec.structs.asdict(active) | {"auc_gain": judgement.gain.value}
                ).items()
            },
        )


def training_key(spec: ChurnSpec, dataset: Dataset, code: str, kit: Kit = OURS) -> str:
    """SHA-256 of all that decides what is trained: specification, features, rows, our code and hers, libraries."""
    made_of = [spec, definition_hash(), dataset.digest(), code, kit.digest, _libraries()]
    return hashlib.sha256(msgspec.json.encode(made_of)).hexdigest()


def save(folder: Path, trained: Trained, *, code: str, kit: Kit = OURS) -> Artifact:
    """Write a champion under its id and load it again; one that is there already stays as it is.

    `code` is the revision of the program that trained. Raises ArtifactRefused as `load` does.
    """
    key = training_key(trained.spec, trained.dataset, code, kit)
    target = folder / _id(key)
    if not target.exists():
        packed = skops.io.dumps(_contents(trained.model))
        folder.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".making-", dir=folder))
        (made / MODEL).write_bytes(packed)
        (made / CARD).write_bytes(
            msgspec.json.format(msgspec.json.encode(_card(trained, key, code, packed, kit)))
        )
        made.chmod(0o755)
        try:
            os.rename(made, target)
        except OSError:
            shutil.rmtree(made)
            if not target.exists():
                raise
    return load(target, kit=kit)


def find(folder: Path, key: str, kit: Kit = OURS) -> Artifact | None:
    """The artifact of this training, or None. Raises ArtifactRefused where it is there and not sound."""
    target = folder / _id(key)
    return load(target, kit=kit) if target.exists() else None


def load(path: Path, *, sha256: str | None = None, kit: Kit = OURS) -> Artifact:
    """Read an artifact and prove it: size, hash, libraries, features, types, then its own sample rows.

    `sha256`, where it is known from the registration, is that of the card; `kit` is what it is to be used with.
    Raises ArtifactRefused.
    """
    try:
        written = (path / CARD).read_bytes()
        card = msgspec.json.decode(written, type=Card)
        size = (path / MODEL).stat().st_size
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        raise ArtifactRefused("artifact.unreadable", str(error)) from error
    if size > LARGEST_PACKED:
        raise ArtifactRefused("artifact.too_large", f"{size} bytes, at most {LARGEST_PACKED}")
    packed, card_hash = (path / MODEL).read_bytes(), hashlib.sha256(written).hexdigest()
    _assert_same("artifact.hash_mismatch", "the model", hashlib.sha256(packed).hexdigest(), card.model_sha256)
    _assert_same("artifact.hash_mismatch", "the card", card_hash, sha256 or card_hash)
    _assert_same(
        "artifact.version_mismatch", BINDING, version(BINDING), card.libraries.get(BINDING, "unknown")
    )
    _assert_same("artifact.features_changed", "the definitions", definition_hash(), card.definition_hash)
    _assert_same("artifact.features_changed", "the files of one's own", kit.digest, card.own_digest)
    model = _unpack(packed, kit)
    _assert_reproduces(model, card.sample, kit.names)
    return Artifact(card=card, model=model, sha256=card_hash, path=path)


def _unpack(packed: bytes, kit: Kit) -> ChurnModel:
    try:
        with zipfile.ZipFile(BytesIO(packed)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST_UNPACKED:
            raise ArtifactRefused(
                "artifact.too_large", f"unpacks to {size} bytes, at most {LARGEST_UNPACKED}"
            )
        unknown = set(skops.io.get_untrusted_types(data=packed))
        if unknown - kit.types:
            named = ", ".join(sorted(unknown - kit.types))
            raise ArtifactRefused(
                "artifact.untrusted_type", f"{named}: if you trust it, name it in the candidate's types"
            )
        contents = skops.io.loads(packed, trusted=sorted(unknown))
        model = ChurnModel(**contents | {"columns": tuple(contents["columns"])})
    except ArtifactRefused:
        raise
    except Exception as error:  # whatever a broken file makes its reader raise, it is a broken file
        raise ArtifactRefused("artifact.unreadable", f"{type(error).__name__}: {error}") from error
    if model.kind not in {one.name for one in kit.candidates} or not set(model.columns) <= set(kit.names):
        raise ArtifactRefused("artifact.unreadable", f"no such model: {model.kind} on {model.columns}")
    return model


def _assert_reproduces(model: ChurnModel, sample: Sequence[SampleRow], names: Sequence[str]) -> None:
    if not sample:
        raise ArtifactRefused("artifact.scores_differ", "no sample rows to prove it by")
    rows = np.array([[np.nan if value is None else value for value in row.features] for row in sample])
    if rows.shape != (len(sample), len(names)):
        raise ArtifactRefused("artifact.scores_differ", "the sample rows have other features")
    apart = float(np.abs(model.log_odds(rows, names) - [row.log_odds for row in sample]).max())
    if not apart <= TOLERANCE:
        raise ArtifactRefused("artifact.scores_differ", f"sample rows are off by up to {apart:g} in log odds")


def _assert_same(code: str, what: str, found: str, expected: str) -> None:
    if found != expected:
        raise ArtifactRefused(code, f"{what}: {found} here, {expected} on the card")


def _contents(model: ChurnModel) -> dict[str, object]:
    return {
        "kind": model.kind, "columns": list(model.columns), "skewed": model.skewed, "estimator": model.estimator,
        "slope": model.slope, "intercept": model.intercept, "lowest": model.lowest,
        "highest": model.highest, "reference": model.reference,
    }  # fmt: skip


def _card(trained: Trained, key: str, code: str, packed: bytes, kit: Kit) -> Card:
    dataset = trained.dataset
    by_name = {one.name: one for one in kit.questions}
    notes = (by_name[name] for name in trained.model.columns)
    return Card(
        id=_id(key), key=key, spec=trained.spec, judgement=trained.judgement,
        customers=len(set(dataset.customers.tolist())), rows=len(dataset),
        features=tuple(
            FeatureNote(name=f.name, meaning=f.meaning, unit=f.unit, sources=f.sources) for f in notes
        ),
        definition_hash=definition_hash(), own_digest=kit.digest, dataset_digest=dataset.digest(), code=code,
        libraries=_libraries(), model_sha256=hashlib.sha256(packed).hexdigest(), sample=_sample(trained),
    )  # fmt: skip


def _sample(trained: Trained) -> tuple[SampleRow, ...]:
    """Rows of the judge cut, evenly drawn over their order, with the log odds they got."""
    rows = trained.dataset.at([trained.spec.judge_cut]).features
    drawn = rows[np.unique(np.linspace(0, len(rows) - 1, SAMPLE_ROWS).astype(int))]
    return tuple(
        SampleRow(
            features=tuple(None if np.isnan(value) else float(value) for value in row), log_odds=float(told)
        )
        for row, told in zip(drawn, trained.model.log_odds(drawn, trained.dataset.names), strict=True)
    )


def _libraries() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def _id(key: str) -> str:
    return f"churn-{key[:16]}"
