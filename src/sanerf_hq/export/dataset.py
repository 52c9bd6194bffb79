"""Cut-out training set: a scene of the object alone, for any NeRF or splat trainer.

    transforms.json    nerfstudio's format: the scene's own cameras, poses and units
    images/*.png       RGBA: the object on nothing, colours not multiplied by opacity

Opacity is that of the object alone, so it is whole also where something stands in front of it in the photo.
Colours are the photo's where it shows the object, the field's elsewhere and along outlines, where the photo's
pixels are mixed with what is behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.evaluate.metrics import erode
from sanerf_hq.export.aside import check_free, folder_aside
from sanerf_hq.export.frames import straight
from sanerf_hq.export.masks import files_of, mask_in, sized
from sanerf_hq.export.removal import isolated
from sanerf_hq.export.scene_formats.nerfstudio import write_nerfstudio
from sanerf_hq.export.scene_formats.photos import Photo
from sanerf_hq.export.target import MovingTarget, Target, still
from sanerf_hq.runs import Progress, ProgressCallback, quiet, write_bytes
from sanerf_hq.scene import View, png, read_image, to_bytes
from sanerf_hq.scene.image_folders import ORIGINALS

Colours = Literal["photo", "render"]
STAGE = "dataset"
OUTLINE = 2  # pixels along a mask's edge in which a photo's colours are mixed with what is behind
SOLID = 250  # of 255: opacity from which a pixel shows the object and nothing else


def export_dataset(
    target: Target | MovingTarget,
    out: Path,
    views: Sequence[View] | None = None,
    width: int | None = None,
    colours: Colours = "photo",
    progress: ProgressCallback = quiet,
) -> None:
    """Write a training set of the object alone, one view in memory at a time.

    Args:
        target: The object; its field is at home.
        out: A new folder.
        views: Which; None: all of the scene. Each keeps its split.
        width: Of the images in pixels; None: each photo's own.
        colours: ``photo``, or ``render`` for the field's colours everywhere.
        progress: Told after each view; may raise Cancelled.

    Raises:
        InputError: ``out`` is taken or cannot be written, or no training view is among the views.
        Cancelled: The callback asked for it; nothing is left at ``out``.
    """
    scene = target.radiance.at_home().scene
    chosen = scene.views if views is None else tuple(views)
    if not any(view.split == "train" for view in chosen):
        raise InputError("no training view is among the views to export; add one with --view")
    check_free(out)
    alone = None if isinstance(target, MovingTarget) else isolated(target)
    done = 0

    def tell(_: Progress) -> None:
        progress(Progress(STAGE, done, len(chosen)))

    photos: list[Photo] = []
    files = files_of(scene)
    with folder_aside(out) as folder:
        for view in chosen:
            progress(Progress(STAGE, done, len(chosen)))
            camera = sized(view, width).camera
            now = still(target, camera.time)
            if now is None:
                picture = torch.zeros(camera.height, camera.width, 4, dtype=torch.uint8)
            else:
                picture = to_bytes(straight(alone or isolated(now), camera, tell))
            if colours == "photo":
                picture = with_photo(picture, read_image(view, width), mask_in(target, camera))
            name = f"{files[view.name]}.png"
            write_bytes(folder / ORIGINALS / name, png(picture.numpy()))
            photos.append(Photo(replace(view, mask_path=None), camera, name))
            done += 1
        write_nerfstudio(photos, None, folder)
    progress(Progress(STAGE, done, len(chosen)))


def with_photo(
    picture: UInt8[Tensor, "h w 4"], photo: UInt8[Tensor, "h w 3"], seen: Bool[Tensor, "h w"]
) -> UInt8[Tensor, "h w 4"]:
    """A picture of the object alone with the photo's colours where the photo surely shows the object.

    Args:
        picture: The object alone, as rendered.
        photo: The photo from the same camera.
        seen: Where the object is not hidden from it.
    """
    sure = erode(seen & (picture[..., 3] >= SOLID), OUTLINE)
    rgb = torch.where(sure[..., None], photo, picture[..., :3])
    return torch.cat([rgb, picture[..., 3:]], -1)
