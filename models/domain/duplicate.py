"""Which customers may be one person although no identifier says so: the same birthday, and much the same name."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import combinations

from msgspec import Struct
from rapidfuzz import fuzz

from models.domain.name import BY_SOUND, sounds
from models.domain.word import folded, runs

WHY = "name_and_birthday"
ALIKE = 0.88
"""Names that are at least so alike, with the same birthday, are worth a person's look."""

RARE = 5
"""A name that more customers have says nothing, where their birthdays differ by a slip."""

SLIPPED = 0.8
"""What a slip in the birthday leaves of the likeness."""

CROWD = 2_000
"""So many with one birthday were not born on it: it is what a form had filled in."""


class Person(Struct, frozen=True, kw_only=True):
    """A customer by what they told last; `birthday` is YYYY-MM-DD."""

    customer: str
    name: str
    birthday: str

    def __repr__(self) -> str:
        return f"Person({self.customer!r}, ***)"


class Pair(Struct, frozen=True, order=True):
    """Two customers who may be one; `likeness` is from 0 to 1, and `one` is the lesser id."""

    likeness: float
    one: str
    other: str


def pairs(people: Iterable[Person]) -> list[Pair]:
    """Everybody who may be somebody else too, the likest pairs first.

    Only people of one birthday are compared, and people of one name that few have: never all with all.
    """
    born: dict[str, list[Person]] = defaultdict(list)
    called: dict[str, list[Person]] = defaultdict(list)
    for one in people:
        born[one.birthday].append(one)
        called[" ".join(sorted(runs(folded(one.name))))].append(one)
    found: dict[tuple[str, str], float] = {}
    for one, other in _together(born, CROWD):
        if (alike := likeness(one.name, other.name)) >= ALIKE:
            found[_ids(one, other)] = alike
    for one, other in _together(called, RARE):
        if one.birthday != other.birthday and slipped(one.birthday, other.birthday):
            found[_ids(one, other)] = SLIPPED
    return sorted(
        (Pair(round(alike, 3), *ids) for ids, alike in found.items()),
        key=lambda p: (-p.likeness, p.one, p.other),
    )


def likeness(one: str, other: str) -> float:
    """How surely two whole names are one name, from 0 to 1; part of a name is not the name.

    The order of words, case and accents say nothing; a middle name may be missing; Chinese is compared as
    written and as read.
    """
    first, second = _words(one), _words(other)
    if not first or not second:
        return 0.0
    written = _alike(first, second)
    spoken = max(_alike(a.split(), b.split()) for a in sounds(one) for b in sounds(other))
    return max(written, BY_SOUND * spoken)


def slipped(one: str, other: str) -> bool:
    """May these be one birthday, written down wrongly once: one digit, or day and month changed about?"""
    if sum(a != b for a, b in zip(one, other, strict=False)) == 1:
        return True
    first, second = date.fromisoformat(one), date.fromisoformat(other)
    return first.year == second.year and (first.month, first.day) == (second.day, second.month)


def _alike(one: list[str], other: list[str]) -> float:
    """As sets of words where both are more than a word: else a first name alone would be everybody's."""
    compare = fuzz.token_set_ratio if min(len(one), len(other)) > 1 else fuzz.token_sort_ratio
    if "".join(one) == "".join(other):
        return 1.0  # written as one word, or as several
    return compare(" ".join(one), " ".join(other)) / 100


def _words(name: str) -> list[str]:
    return list(runs(folded(name)))


def _together(groups: dict[str, list[Person]], most: int) -> Iterator[tuple[Person, Person]]:
    for group in groups.values():
        if 1 < len(group) <= most:
            yield from combinations(group, 2)


def _ids(one: Person, other: Person) -> tuple[str, str]:
    first, second = sorted((one.customer, other.customer))
    return first, second
