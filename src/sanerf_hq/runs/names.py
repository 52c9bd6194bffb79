"""Names that a user gives to things that become folders."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from sanerf_hq.errors import InputError

MAX_BYTES = 100
_FORBIDDEN = frozenset('/\\:*?"<>|')
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"]
)


def check_name(name: str, existing: Iterable[str] = (), remedy: str = "choose another") -> str:
    """A name that is a folder's name on every system; spaces and letters of any script are welcome.

    Args:
        name: As the user typed it.
        existing: Names already taken; one that differs only in case or in how its accents are composed
            clashes, since some file systems cannot tell them apart.
        remedy: What to do about a name that is taken, to end the sentence with.

    Returns:
        The name in Unicode's composed form (NFC).

    Raises:
        InputError: Says what is wrong with it.
    """
    composed = unicodedata.normalize("NFC", name)
    defect = _defect(composed)
    if defect is not None:
        raise InputError(f"the name {name!r} {defect}: choose another")
    key = _fold(composed)
    for other in existing:
        if _fold(other) == key:
            raise InputError(f"the name {name!r} is taken (by {other!r}): {remedy}")
    return composed


def _defect(name: str) -> str | None:
    if not name:
        return "is empty"
    if name != name.strip():
        return "begins or ends with a space"
    if name.startswith("."):
        return "begins with a dot"
    if name.endswith("."):
        return "ends with a dot"
    if not name.isprintable():  # control characters, line breaks, lone surrogates, odd spaces
        return "holds a character that cannot be printed"
    if any(letter in _FORBIDDEN for letter in name):
        return 'holds one of / \\ : * ? " < > |'
    if len(name.encode()) > MAX_BYTES:
        return f"is longer than {MAX_BYTES} bytes"
    if name.split(".")[0].rstrip().casefold() in _RESERVED:
        return "is reserved on Windows"
    return None


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
