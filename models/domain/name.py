"""A person's name as others write it: without accents, in pinyin, by initials, with a slip of the keyboard."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice, product

from rapidfuzz import fuzz

from models.domain.word import LONGEST, folded, is_east, runs

READINGS = 4
"""So many ways to read a Chinese name are tried; most have one or two."""

JOINED = 4
"""A name of more words is not looked for written as one."""

INITIALS = "^"
"""Stands before initials, so that they are no short word."""

BY_SOUND = 0.95
"""How alike two names are at most that are written differently and sound the same."""

BY_INITIALS = 0.6
"""How alike a name and the initials of its pinyin are."""

Group = list[str]
"""A name fits if it has each of these spellings, or one near it."""


def near(word: str) -> set[str]:
    """The word, and what is left of it with one letter dropped.

    Of two words one slip apart (a letter wrong, missing, too many, or two in the wrong order) these sets meet.
    """
    if len(word) < 3 or word.startswith(INITIALS):
        return {word}
    return {word, *(word[:place] + word[place + 1 :] for place in range(len(word)))}


def spellings(name: str) -> set[str]:
    """Everything a name is to be found by."""
    found: set[str] = set()
    parts = list(_parts(name))
    for part in parts:
        found |= near(part)
        for syllables in readings(part):
            found |= near("".join(syllables)).union({_initials(syllables)}, *map(near, syllables))
    if 1 < len(parts) <= JOINED:
        found |= near("".join(parts))
    return found


def groups(name: str) -> list[Group]:
    """What to ask for, to find a name that somebody typed: any of these groups will do."""
    parts = list(_parts(name))
    if not parts:
        return []
    found = [parts]
    if 1 < len(parts) <= JOINED:
        found.append(["".join(parts)])
    if len(parts) == 1:
        found += [["".join(syllables)] for syllables in readings(parts[0])]
        if 1 < len(parts[0]) <= JOINED and parts[0].isascii():
            found.append([INITIALS + parts[0]])
    return found


def likeness(one: str, other: str) -> float:
    """How alike two names are, from 0 to 1: as they are written, and as they sound in Chinese.

    Words may stand in another order or be left out.
    """
    first, second = _written(one), _written(other)
    if not first or not second:
        return 0.0
    if _is_initials(first, other) or _is_initials(second, one):
        return BY_INITIALS
    written = fuzz.WRatio(first, second) / 100
    spoken = max(
        (fuzz.WRatio(a, b) for a in sounds(one) for b in sounds(other) if (a, b) != (first, second)),
        default=0,
    )
    return max(written, BY_SOUND * spoken / 100)


def sounds(name: str) -> list[str]:
    """How a name may be read, words apart; a Western one as it is written."""
    ways = [readings(part) or [(part,)] for part in _parts(name)]
    return [" ".join(one for part in way for one in part) for way in islice(product(*ways), READINGS)]


@lru_cache(65_536)
def readings(run: str) -> list[tuple[str, ...]]:
    """The syllables of Chinese characters, without tones: a character may be read in more than one way."""
    if not run or not all(map(_is_chinese, run)):
        return []
    # Its dictionaries take most of a second to load: longer than all else that a command loads.
    from pypinyin import Style, pinyin

    ways: Sequence[Sequence[str]] = pinyin(run, style=Style.NORMAL, heteronym=True)
    read = islice(product(*(list(dict.fromkeys(way)) for way in ways)), READINGS)
    # pypinyin writes ü as v, as a keyboard does; a passport writes u.
    both = (tuple(one.replace("v", letter) for one in way) for way in read for letter in "vu")
    return list(dict.fromkeys(both))


def _parts(name: str) -> Iterator[str]:
    """A name's words, a Chinese one whole."""
    return (run[:LONGEST] for run in runs(folded(name)))


def _written(name: str) -> str:
    return " ".join(_parts(name))


def _is_initials(letters: str, name: str) -> bool:
    return any(INITIALS + letters == _initials(way) for part in _parts(name) for way in readings(part))


def _initials(syllables: Sequence[str]) -> str:
    return INITIALS + "".join(one[0] for one in syllables if one)


def _is_chinese(letter: str) -> bool:
    return is_east(letter) and "\u3400" <= letter <= "\u9fff"
