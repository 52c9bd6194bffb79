"""Names of the images that a capture writes: near the photos' own, unique, the same on every system."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from sanerf_hq.errors import InputError
from sanerf_hq.runs import check_name


def stems(written: Sequence[str]) -> list[str]:
    """A stem for each photo: its own, without spaces, numbered where another photo has it already.

    Lists of image pairs, as COLMAP reads them, part names at spaces; a line that begins with # is a comment.

    Args:
        written: The files' own stems.

    Returns:
        Stems of which no two are equal, also where case does not count.
    """
    taken: set[str] = set()
    found: list[str] = []
    for number, stem in enumerate(written, 1):
        plain = "_".join(unicodedata.normalize("NFC", stem).split()).lstrip("#")
        try:
            base = check_name(plain)
        except InputError:
            base = f"photo_{number:04d}"
        name, again = base, 2
        while name.casefold() in taken:
            name, again = f"{base}-{again}", again + 1
        taken.add(name.casefold())
        found.append(name)
    return found
