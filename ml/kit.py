"""What a training can choose from: features, labels and candidates, ours and a data scientist's own.

Her own lie in one folder, a file each or together: `FEATURES`, `LABELS` and `CANDIDATES` at the top of a Python file
there are taken beside ours. They are run with our rights, so the folder is named by whoever runs the workspace.
"""

import hashlib
import runpy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml.cut import COLUMNS, Cut
from ml.definition import Feature
from ml.facts import facts, frame, owned, schema
from ml.features.catalogue import FEATURES
from ml.labels import LABELS, Label
from ml.model import CANDIDATES, Candidate
from ml.own import OwnFeature, OwnFileRefused, answers, feature_of, label_of, said

_NEVER = datetime(2000, 1, 1, tzinfo=UTC)
NAMES = {"FEATURES": Feature, "LABELS": Label, "CANDIDATES": Candidate}


@dataclass(frozen=True)
class Kit:
    """`digest` is the SHA-256 of the files of one's own; empty without any."""

    questions: tuple[Feature, ...] = FEATURES
    labels: Mapping[str, Label] = field(default_factory=lambda: LABELS)
    candidates: tuple[Candidate, ...] = CANDIDATES
    digest: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, in the order of the columns."""
        return tuple(one.name for one in self.questions)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the events that are looked at: ours, and those that features of one's own ask of."""
        asked = {root.removesuffix("_e4") for one in self.questions for root in one.ask.meta.root_names()}
        return (*COLUMNS, *sorted(asked & schema().keys() - set(COLUMNS)))

    @property
    def types(self) -> frozenset[str]:
        """What a stored model may hold beyond what skops trusts by itself."""
        return frozenset(one for candidate in self.candidates for one in candidate.types)


OURS = Kit()


def kit(folder: Path | None) -> Kit:
    """Ours, and what is in the folder. Raises `OwnFileRefused`; then nothing of it is used."""
    if folder is None:
        return OURS
    if not folder.is_dir():
        raise OwnFileRefused(f"{folder} is no folder: name the one with your features, labels and candidates")
    found: dict[str, list[Any]] = {name: [] for name in NAMES}
    hashed = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        hashed.update(path.name.encode() + path.read_bytes())
        for name, some in _read(path).items():
            found[name] += some
    made = Kit(
        questions=(*FEATURES, *found["FEATURES"]),
        labels={**LABELS, **{one.name: one for one in found["LABELS"]}},
        candidates=(*CANDIDATES, *found["CANDIDATES"]),
        digest=hashed.hexdigest(),
    )
    for what, names in (("feature", made.names), ("candidate", tuple(one.name for one in made.candidates))):
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise OwnFileRefused(
                f"{folder}: there are two {what}s called {twice[0]}: give yours a name of its own"
            )
    for one in found["CANDIDATES"]:
        unknown = sorted(set(one.columns or ()) - set(made.names))
        if unknown:
            raise OwnFileRefused(
                f"{one.whose}: there is no feature {unknown[0]}: `columns` has names of features, or is None for all"
            )
    return made


def _read(path: Path) -> dict[str, list[Any]]:
    try:
        told = runpy.run_path(str(path))
    except (Exception, SystemExit) as error:  # whatever a file of somebody else raises, that file is broken
        raise OwnFileRefused(
            f"{path}: {said(error)}: correct the file, or take it out of the folder"
        ) from error
    found: dict[str, list[Any]] = {}
    for name, kind in NAMES.items():
        some = told.get(name, ())
        some = [some] if isinstance(some, kind) else some
        if not isinstance(some, list | tuple) or not all(isinstance(one, kind) for one in some):
            raise OwnFileRefused(f"{path}: {name} must be a tuple of {kind.__name__}, see docs/training.md")
        found[name] = [_known(path, one) for one in some]
    if not any(found.values()):
        raise OwnFileRefused(f"{path}: none of {', '.join(NAMES)} is in it")
    return found


def _known(path: Path, one: Feature | Label | Candidate) -> Feature | Label | Candidate:
    """What was found, so that it is told with its file should it fail later."""
    match one:
        case Feature():
            feature = feature_of(path, one)
            _try(feature)
            return feature
        case Label():
            return label_of(path, one)
    return replace(one, whose=f"{path}: the candidate {one.name}")


def _try(feature: OwnFeature) -> None:
    """A feature that can't be asked of an empty table can't be asked of a full one."""
    empty = facts(owned(frame([]).lazy()).collect())
    answers(Cut(empty, _NEVER), (feature,))


__all__ = ["NAMES", "OURS", "Kit", "OwnFileRefused", "kit"]
