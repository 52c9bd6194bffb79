"""Formats: which one a folder holds, and who reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sanerf_hq.errors import InputError
from sanerf_hq.scene import colmap, llff, mip360, transforms_json
from sanerf_hq.scene.colmap_model import has_model
from sanerf_hq.scene.options import Format
from sanerf_hq.scene.scene import View
from sanerf_hq.scene.splits import SplitRule

NERFSTUDIO_FILE = "transforms.json"
BLENDER_FILE = "transforms_train.json"  # it stands for transforms_val.json and transforms_test.json as well
IN_A_FILE: dict[Format, str] = {
    "nerfstudio": NERFSTUDIO_FILE,
    "lerf": NERFSTUDIO_FILE,  # LERF's scenes were made by nerfstudio's ns-process-data
    "blender": BLENDER_FILE,
}
FOLDERS = {"colmap": colmap.read_views, "mip360": mip360.read_views, "llff": llff.read_views}


@dataclass(frozen=True)
class Source:
    """Where a scene is read from.

    Attributes:
        root: Its folder.
        format: The folder's format.
        file: The one file that the format is read from; None where there are several.
    """

    root: Path
    format: Format
    file: Path | None


def find_source(path: Path, format: Format | None) -> Source:
    """What to read: of a folder that holds several formats, the first of nerfstudio, Blender, COLMAP, LLFF.

    Args:
        path: A scene's folder, or its JSON file.
        format: As asked for; None: found by looking.

    Raises:
        InputError: There is nothing to read, or not what is asked for.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; give a scene's folder or its transforms.json")
    if path.is_dir():
        return _in_folder(path, _look(path) if format is None else format)
    if path.suffix.lower() != ".json":
        raise InputError(f"{path} is no JSON file; give a scene's folder or its transforms.json")
    if format in FOLDERS:
        raise InputError(f"{path} is a file, but --format {format} reads a folder; give the scene's folder")
    found: Format = "blender" if path.name == BLENDER_FILE else "nerfstudio"
    return Source(path.parent, format or found, path)


def read_views(source: Source, images: str | None, rule: SplitRule) -> tuple[View, ...]:
    """The views of a source.

    Raises:
        InputError: Anything in it is missing, broken or does not fit.
    """
    if source.file is not None:
        return transforms_json.read_views(source.file, images, rule)
    return FOLDERS[source.format](source.root, images, rule)


def _look(folder: Path) -> Format:
    found = _format_of(folder)
    if found is None:
        near = next((path for path in _near(folder) if _format_of(path) is not None), None)
        remedy = ", or pose its photos first" if near is None else f", such as {near}"
        raise InputError(
            f"{folder} holds no {NERFSTUDIO_FILE}, no COLMAP model (sparse/0) and no {llff.POSES_FILE}; "
            f"give a scene's folder{remedy}"
        )
    return found


def _format_of(folder: Path) -> Format | None:
    if (folder / NERFSTUDIO_FILE).is_file():
        return "nerfstudio"
    if (folder / BLENDER_FILE).is_file():
        return "blender"
    if colmap.find_model(folder) is not None:
        return "colmap"
    if (folder / llff.POSES_FILE).is_file():
        return "llff"
    return "colmap" if has_model(folder) else None


def _near(folder: Path) -> Iterator[Path]:
    """Folders that may have been meant: those inside, with those that COLMAP numbers, and the one above."""
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:  # it may not be looked into
        inside = []
    for path in inside:
        yield path
        yield path / "0"
    yield folder.absolute().parent


def _in_folder(folder: Path, format: Format) -> Source:
    name = IN_A_FILE.get(format)
    if name is None:
        return Source(folder, format, None)
    if not (folder / name).is_file():
        raise InputError(f"{folder} holds no {name}, which --format {format} reads; give another --format")
    return Source(folder, format, folder / name)
