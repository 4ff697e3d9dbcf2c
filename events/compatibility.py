"""What would break a reader: one form of a schema against another."""

from typing import Any

Schema = dict[str, Any]

_WORDS_ONLY = frozenset({"title", "description", "$schema", "$id", "$defs", "examples"})
_NESTED = frozenset({"properties", "required", "items", "anyOf"})


def breaks(before: Schema, after: Schema) -> list[str]:
    """Each way in which a reader of `before` is surprised by `after`; only a new optional field is not one.

    A longer list of words or a wider range counts too: a subscriber who generated code from the old
    schema refuses what the new one allows. Those need a new schema number and an upcaster.
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
    found += [f"{path}.{name} is gone" for name in old if name not in new]
    found += [f"{path}.{name} must be given now" for name in sorted(now - was)]
    found += [f"{path}.{name} may be missing now" for name in sorted((was - now) & new.keys())]
    for name in old.keys() & new.keys():
        found += _breaks(old[name], new[name], f"{path}.{name}")
    if "items" in before and "items" in after:
        found += _breaks(before["items"], after["items"], f"{path}[]")
    ways, other_ways = before.get("anyOf", []), after.get("anyOf", [])
    if len(ways) == len(other_ways):
        for one, other in zip(ways, other_ways, strict=True):
            found += _breaks(one, other, path)
    else:
        found.append(f"{path} may be something else now")
    return found + _changed(before, after, path)


def _changed(before: Schema, after: Schema, path: str) -> list[str]:
    keys = sorted((before.keys() | after.keys()) - _WORDS_ONLY - _NESTED)
    return [
        f"{path}: {key} was {before.get(key)!r}, is {after.get(key)!r}"
        for key in keys
        if before.get(key) != after.get(key)
    ]
