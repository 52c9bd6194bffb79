"""Photos: the files of an exported scene, and their names."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from jaxtyping import Bool
from torch import Tensor

from sanerf_hq.export.scene_formats.straighten import straightened
from sanerf_hq.geometry import Camera
from sanerf_hq.runs import write_bytes
from sanerf_hq.scene import View, png, read_mask
from sanerf_hq.scene.image_files import SUFFIXES, image_size
from sanerf_hq.scene.image_folders import ORIGINALS

MASKS = "masks"
STRAIGHT_SUFFIX = ".png"


@dataclass(frozen=True)
class Photo:
    """One view as it is exported.

    Attributes:
        view: Whose.
        camera: The camera that is written.
        name: The file's, below ``images``.
    """

    view: View
    camera: Camera
    name: str


def nested_names(views: Sequence[View], straight: bool) -> list[str]:
    """File names that keep the views' folders, with the suffix that each file will have."""
    names = [_suffixed(view, straight) for view in views]
    if len({name.casefold() for name in names}) == len(names):
        return names
    return [f"{index:05d}_{name.replace('/', '_')}" for index, name in enumerate(names)]


def flat_names(views: Sequence[View], straight: bool) -> list[str]:
    """File names without folders."""
    names = nested_names(views, straight)
    for flat in ([PurePosixPath(name).name for name in names], [name.replace("/", "_") for name in names]):
        if len({name.casefold() for name in flat}) == len(flat):
            return flat
    return [f"{index:05d}_{PurePosixPath(name).name}" for index, name in enumerate(names)]


def mask_name(photo: Photo) -> str:
    """Where the mask of a photo goes, below the folder of masks."""
    assert photo.view.mask_path is not None
    return f"{MASKS}/{photo.name}{photo.view.mask_path.suffix}"


def put_photo(photo: Photo, folder: Path, with_mask: bool) -> None:
    """Copy a photo as it is, or straighten it where its camera is not the view's own; its mask likewise.

    Raises:
        InputError: The photo is damaged, or the folder cannot be written.
    """
    path = folder / ORIGINALS / photo.name
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = photo.view.mask_path if with_mask else None
    mask_path = None if mask is None else folder / mask_name(photo)
    if mask_path is not None:
        mask_path.parent.mkdir(parents=True, exist_ok=True)
    if photo.camera is photo.view.camera:
        shutil.copyfile(photo.view.image_path, path)
        if mask is not None and mask_path is not None:
            if image_size(mask) == (photo.camera.width, photo.camera.height):
                shutil.copyfile(mask, mask_path)
            else:  # other programs want it of the photo's size
                _write_mask(mask_path, read_mask(photo.view))
        return
    pixels, usable = straightened(photo.view, photo.camera)
    write_bytes(path, png(pixels.numpy()))
    if mask_path is not None:
        _write_mask(mask_path, usable)


def _write_mask(path: Path, usable: Bool[Tensor, "h w"]) -> None:
    write_bytes(path, png(usable.byte().mul(255).numpy()))


def _suffixed(view: View, straight: bool) -> str:
    name = view.name.removeprefix(f"{ORIGINALS}/")
    suffix = STRAIGHT_SUFFIX if straight else view.image_path.suffix
    own = PurePosixPath(name).suffix
    if own == suffix:
        return name
    return str(PurePosixPath(name).with_suffix(suffix)) if own.lower() in SUFFIXES else name + suffix
