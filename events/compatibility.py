"""What would break a reader: one form of a schema against another, and what to do about it."""

from typing import Any

Schema = dict[str, Any]

_WORDS_ONLY = frozenset({"title", "description", "$schema", "$id", "$defs", "examples"})
_NESTED = frozenset({"properties", "required", "items", "anyOf"})

ANEW = "raise the schema in @event and write an upcaster"
GONE = f"leave it in, optional and with a default if nobody fills it any more, or {ANEW}"
NARROWED = f"allow again what was allowed, or {ANEW}"
WIDENED = f"say the new thing in a new optional field, or {ANEW}"
CHANGED = f"put it back, or {ANEW}"


def breaks(before: Schema, after: Schema) -> list[str]:
    """Each way in which a reader of `before` is surprised by `after`, each with what to do about it.

    Only a new optional field surprises nobody. A longer list of words or a wider range does: a subscriber who
    generated code from the old schema refuses what the new one allows.
    """
    return _breaks(inlined(before), inlined(after), "$")


def inlined(document: Schema) -> Schema:
    """The schema with every reference into its own `$defs` replaced by what stands there."""
    definitions = document.get("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(one) for one in node]
        if not isinstance(node, dict):
            return node
        reference = str(node.get("$ref", ""))
        if reference.startswith("#/$defs/"):
            return resolve(definitions[reference.removeprefix("#/$defs/")])
        return {key: resolve(value) for key, value in node.items() if key != "$defs"}

    whole: Schema = resolve(document)
    return whole


def _breaks(before: Schema, after: Schema, path: str) -> list[str]:
    found: list[str] = []
    old, new = before.get("properties", {}), after.get("properties", {})
    was, now = set(before.get("required", ())), set(after.get("required", ()))
    found += [f"{path}.{name} is gone: {GONE}" for name in old if name not in new]
    found += [f"{path}.{name} must be given now: give it a default, or {ANEW}" for name in sorted(now - was)]
    found += [
        f"{path}.{name} may be missing now: {CHANGED}" for name in sorted((was - now) & new.keys())
    ]  # fmt: skip
    for name in old.keys() & new.keys():
        found += _breaks(old[name], new[name], f"{path}.{name}")
    if "items" in before and "items" in after:
        found += _breaks(before["items"], after["items"], f"{path}[]")
    elif "items" in before or "items" in after:
        found.append(f"{path}[] may hold something else now: {CHANGED}")
    return found + _ways(before, after, path) + _changed(before, after, path)


def _ways(before: Schema, after: Schema, path: str) -> list[str]:
    """The alternatives of an `anyOf`, in their order."""
    ways, others = before.get("anyOf", []), after.get("anyOf", [])
    if len(ways) == len(others):
        pairs = zip(ways, others, strict=True)
        return [why for one, other in pairs for why in _breaks(one, other, path)]
    if len(ways) > len(others):
        return [f"{path} allows less now: {NARROWED}"]
    return [f"{path} may be something else now: {WIDENED}"]


def _changed(before: Schema, after: Schema, path: str) -> list[str]:
    keys = sorted((before.keys() | after.keys()) - _WORDS_ONLY - _NESTED)
    return [
        f"{path}: {key} was {before.get(key)!r}, is {after.get(key)!r}: "
        f"{_cure(key, before.get(key), after.get(key))}"
        for key in keys
        if before.get(key) != after.get(key)
    ]


def _cure(key: str, was: Any, now: Any) -> str:
    """What to do, by what the change does to whoever reads or writes the field."""
    match key, was, now:
        case "enum", list(), list():
            return NARROWED if set(map(str, was)) - set(map(str, now)) else WIDENED
        case "maxLength" | "maximum" | "maxItems" | "exclusiveMaximum", int() | float(), int() | float():
            return NARROWED if now < was else WIDENED
        case "minLength" | "minimum" | "minItems" | "exclusiveMinimum", int() | float(), int() | float():
            return NARROWED if now > was else WIDENED
        case (("type" | "format" | "default" | "const"), _, _):
            return CHANGED
        case _, None, _:
            return NARROWED  # a rule where there was none
        case _, _, None:
            return WIDENED
    return CHANGED
