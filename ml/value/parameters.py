"""A fitted model as plain floats, for JSON, and back."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from ml.value.refusals import BadParameters


def as_floats(model: msgspec.Struct) -> dict[str, float]:
    """The fields by name; every digit survives JSON."""
    return {name: float(value) for name, value in msgspec.structs.asdict(model).items()}


def checked(parameters: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Exactly these names, each a positive finite number; else BadParameters."""
    wrong = sorted(set(names) ^ set(parameters))
    if wrong:
        raise BadParameters(f"parameters.{wrong[0]}", f"expected {', '.join(names)}, no more and no less.")
    for name in names:
        value = parameters[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise BadParameters(f"parameters.{name}", "it must be a positive finite number.")
    return {name: float(parameters[name]) for name in names}
