"""Photos: the files of an exported scene, and their names."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sanerf_hq.export.scene_formats.straighten import straightened
from sanerf_hq.geometry import Camera
from sanerf_hq.runs import write_bytes
from sanerf_hq.scene import View, png, read_mask
from sanerf_hq.scene.image_files import SUFFIXES, image_size
from sanerf_hq.scene.image_folders import ORIGINALS

MASKS = "masks"
PNG_SUFFIX = ".png"  # of what is not copied


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

    @property
    def as_stored(self) -> bool:
        """Whether the file is copied as it is: its camera is the view's own."""
        return self.camera is self.view.camera


def nested_names(views: Sequence[View], cameras: Sequence[Camera]) -> list[str]:
    """File names that keep the views' folders, with the suffix that each file will have.

    Args:
        views: Whose.
        cameras: Those that are written; a photo is straightened where this is not the view's own.
    """
    names = [_suffixed(view, camera is view.camera) for view, camera in zip(views, cameras, strict=True)]
    if len({name.casefold() for name in names}) == len(names):
        return names
    return [f"{index:05d}_{name.replace('/', '_')}" for index, name in enumerate(names)]


def flat_names(views: Sequence[View], cameras: Sequence[Camera]) -> list[str]:
    """File names without folders, otherwise as :func:`nested_names`."""
    names = nested_names(views, cameras)
    for flat in ([PurePosixPath(name).name for name in names], [name.replace("/", "_") for name in names]):
        if len({name.casefold() for name in flat}) == len(flat):
            return flat
    return [f"{index:05d}_{PurePosixPath(name).name}" for index, name in enumerate(names)]


def mask_name(photo: Photo) -> str:
    """Where the mask of a photo goes, below the folder of masks.

    Raises:
        InputError: The mask is damaged.
    """
    assert photo.view.mask_path is not None
    suffix = photo.view.mask_path.suffix if _keeps_mask(photo) else PNG_SUFFIX
    return f"{MASKS}/{photo.name}{suffix}"


def put_photo(photo: Photo, folder: Path, with_mask: bool) -> None:
    """Copy a photo as it is, or straighten it where its camera is not the view's own; its mask likewise.

    Raises:
        InputError: The photo is damaged, or the folder cannot be written.
    """
    path = folder / ORIGINALS / photo.name
    path.parent.mkdir(parents=True, exist_ok=True)
    usable = None
    if photo.as_stored:
        shutil.copyfile(photo.view.image_path, path)
    else:
        pixels, usable = straightened(photo.view, photo.camera)
        write_bytes(path, png(pixels.numpy()))
    if not with_mask or photo.view.mask_path is None:
        return
    mask_path = folder / mask_name(photo)
    mask_path.parent.mkdir(parents=True, exist_ok=True)
    if _keeps_mask(photo):
        shutil.copyfile(photo.view.mask_path, mask_path)
        return
    usable = read_mask(photo.view) if usable is None else usable
    write_bytes(mask_path, png(usable.byte().mul(255).numpy()))


def _keeps_mask(photo: Photo) -> bool:
    """Whether the mask is copied as it is; other programs want it of the photo's size."""
    assert photo.view.mask_path is not None
    size = (photo.camera.width, photo.camera.height)
    return photo.as_stored and image_size(photo.view.mask_path) == size


def _suffixed(view: View, as_stored: bool) -> str:
    name = view.name.removeprefix(f"{ORIGINALS}/")
    suffix = view.image_path.suffix if as_stored else PNG_SUFFIX
    own = PurePosixPath(name).suffix
    if own == suffix:
        return name
    return str(PurePosixPath(name).with_suffix(suffix)) if own.lower() in SUFFIXES else name + suffix
