"""Image folders: ``images`` and its smaller copies ``images_2``, ``images_4``, ``images_8``.

Copies have the names of their originals, or names of their own (LLFF writes ``image000.png``); then both
folders, sorted, tell which is which, as in the loaders of LLFF and Mip-NeRF 360.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from sanerf_hq.errors import InputError
from sanerf_hq.scene.image_files import SUFFIXES
from sanerf_hq.scene.paths import SceneFolder

ORIGINALS = "images"
CANDIDATES = (ORIGINALS, "images_2", "images_4", "images_8", "input")


def choose_folder(folder: SceneFolder, asked: str | None) -> str:
    """The folder of photos, by its name in the scene's folder.

    Args:
        folder: The scene's.
        asked: What ``--images`` says; None takes the first of :data:`CANDIDATES` that is there.

    Raises:
        InputError: It is not there.
    """
    if asked is not None:
        name = folder.tidy(asked, "the folder of --images", str(folder.root))
        if not (folder.root / name).is_dir():
            there = ", ".join(found for found in CANDIDATES if (folder.root / found).is_dir())
            raise InputError(f"{folder.root} has no folder {asked!r}; --images takes {there or 'none here'}")
        return name
    for name in CANDIDATES:
        if (folder.root / name).is_dir():
            return name
    raise InputError(f"{folder.root} has no folder 'images'; put the photos there, or name it by --images")


def list_images(folder: Path) -> list[str]:
    """Names of the image files directly in a folder, sorted; hidden files and other kinds are passed over."""
    try:
        names = [path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror}); check its permissions") from error
    return sorted(name for name in names if not name.startswith("."))


def match_images(folder: SceneFolder, chosen: str, names: Sequence[str], where: str) -> dict[str, Path]:
    """The file of each name in the chosen folder; names without a file are left out.

    Args:
        folder: The scene's.
        chosen: The folder of photos.
        names: File names as the scene's files have them, relative to the folder of photos.
        where: File that the names stand in, as a message begins.

    Raises:
        InputError: A name leads out of the scene's folder.
    """
    tidied = {name: f"{chosen}/{folder.tidy(name, 'image name', where)}" for name in names}
    found: dict[str, Path] = {}
    by_order: dict[str, str] | None = None
    for name, path in tidied.items():
        file = folder.find(path, "image name", where)
        if file is None:
            file = folder.find(str(PurePosixPath(path).with_suffix("")), "image name", where)
        if file is None and chosen != ORIGINALS:
            by_order = _pairs(folder.root, chosen) if by_order is None else by_order
            copy = by_order.get(name)
            file = None if copy is None else folder.find(f"{chosen}/{copy}", "image name", where)
        if file is not None:
            found[name] = file
    return found


def _pairs(root: Path, chosen: str) -> dict[str, str]:
    """Which copy belongs to which original, both sorted; nothing where their numbers differ."""
    if not (root / ORIGINALS).is_dir():
        return {}
    originals, copies = list_images(root / ORIGINALS), list_images(root / chosen)
    return dict(zip(originals, copies, strict=True)) if len(originals) == len(copies) else {}
