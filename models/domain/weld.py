"""What only shared identifiers hold together: groups of identifiers that no event showed as one person's."""

from collections.abc import Collection, Iterable

from models.domain.identity import Key


def groups(
    held: Collection[Key],
    shown: Iterable[Collection[Key]],
    joined: Iterable[Collection[Key]],
    blocked: Collection[Key],
) -> list[list[Key]]:
    """The unblocked of these identifiers, those together that hang together; who was shown first comes first.

    Two hang together where an event showed both, or where a merge `joined` the customers they are of for another
    reason. `shown` is in the order of the journal; what was never shown is in no group.
    """
    group = {key: {key} for key in held if key not in blocked}
    first: list[Key] = []
    for together in shown:
        first += _one(group, together)
    for together in joined:
        _one(group, together)
    found: list[list[Key]] = []
    told: set[Key] = set()
    for key in first:
        if key not in told:
            found.append(sorted(group[key].intersection(first)))
            told |= group[key]
    return found


def _one(group: dict[Key, set[Key]], together: Collection[Key]) -> list[Key]:
    """Put these into one group; those of them that count."""
    keys = [key for key in together if key in group]
    whole = {one for key in keys for one in group[key]}
    for one in whole:
        group[one] = whole
    return keys
