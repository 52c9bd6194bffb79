"""Naming: what counts as one name, and names made of any words."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

from sanerf_hq.errors import InputError
from sanerf_hq.runs import check_name

MOST_BYTES = 80  # of words; a number may follow
NOTHING = "object"


def folded(name: str) -> str:
    """What names have in common that differ only in case, or in how their accents are composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def is_taken(name: str, others: Collection[str]) -> bool:
    """Whether one of some names counts as the same."""
    return folded(name) in map(folded, others)


def made_name(words: str, others: Collection[str]) -> str:
    """A name for what some words say, that is an object's name on every system and none of some others.

    What no name may hold is left out, and what is too long is cut; a name that is taken gets a number.
    """
    composed = unicodedata.normalize("NFC", words)
    plain = "".join(letter if _may_stand(letter) else " " for letter in composed)
    name = " ".join(plain.split()).encode()[:MOST_BYTES].decode(errors="ignore").strip(" .")
    try:
        check_name(name)
    except InputError:  # empty, or reserved on some system
        name = f"{NOTHING} {name}".strip()
    numbered = (name if number == 1 else f"{name} {number}" for number in range(1, len(others) + 2))
    return next(one for one in numbered if not is_taken(one, others))


def _may_stand(letter: str) -> bool:
    try:
        check_name(f"a{letter}a")
    except InputError:
        return False
    return True
