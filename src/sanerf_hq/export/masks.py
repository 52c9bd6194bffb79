"""Masks of an object in the scene's views: a PNG each, soft ones in 16 bit, or all in one COCO file.

They are of the photos' own size and lens unless another width is asked for, so they lie on the photos. A soft
mask's value is round(65535 · P), P the object's probability in the pixel.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.export.aside import folder_aside
from sanerf_hq.export.target import MovingTarget, Target, still
from sanerf_hq.geometry import Camera
from sanerf_hq.masks.rle import encode
from sanerf_hq.objects import ObjectView
from sanerf_hq.runs import Progress, ProgressCallback, check_writable, quiet, write_bytes, write_text
from sanerf_hq.scene import Scene, View, png

MaskForm = Literal["png", "soft", "coco"]
STAGE = "masks"
SOFT_WHITE = 65535
CATEGORY = 1


def export_masks(
    target: Target | MovingTarget,
    out: Path,
    form: MaskForm = "png",
    views: Sequence[View] | None = None,
    width: int | None = None,
    progress: ProgressCallback = quiet,
) -> None:
    """Write an object's mask in each view, one view in memory at a time.

    Args:
        target: The object; its field is at home.
        out: A new folder for ``png`` (0 and 255) and ``soft`` (16 bit); a file for ``coco``.
        form: What to write.
        views: Which; None: all of the scene, training and test.
        width: Of the masks in pixels; None: each photo's own.
        progress: Told after each view; may raise Cancelled.

    Raises:
        InputError: ``out`` is taken or cannot be written.
        Cancelled: The callback asked for it; nothing is left at ``out``.
    """
    scene = target.radiance.at_home().scene
    chosen = scene.views if views is None else tuple(views)
    if form == "coco":
        _export_coco(target, out, chosen, width, progress)
        return
    files = files_of(scene)
    with folder_aside(out) as folder:
        for done, view in enumerate(chosen):
            progress(Progress(STAGE, done, len(chosen)))
            camera = sized(view, width).camera
            if form == "soft":
                pixels = (_share(target, camera) * SOFT_WHITE).round().numpy().astype(np.uint16)
            else:
                pixels = mask_in(target, camera).numpy().astype(np.uint8) * 255
            write_bytes(folder / f"{files[view.name]}.png", png(pixels))
        progress(Progress(STAGE, len(chosen), len(chosen)))


def mask_in(target: Target | MovingTarget, camera: Camera) -> Bool[Tensor, "h w"]:
    """The object's pixels as seen by a camera, at its time; none where it was not found then."""
    now = still(target, camera.time)
    if now is None:
        return torch.zeros(camera.height, camera.width, dtype=torch.bool)
    return object_mask(now, now.field.render(camera))


def _share(target: Target | MovingTarget, camera: Camera) -> Float[Tensor, "h w"]:
    """The object's probability in each pixel of a camera, at its time."""
    now = still(target, camera.time)
    return torch.zeros(camera.height, camera.width) if now is None else now.share(now.field.render(camera))


def object_mask(target: Target, seen: ObjectView) -> Bool[Tensor, "h w"]:
    """The pixels of a rendered view that are likelier the object than anything else."""
    return torch.isin(seen.labels, torch.tensor(target.channels))


def sized(view: View, width: int | None) -> View:
    """The view with a camera of another width; None: its photo's own."""
    return view if width is None else replace(view, camera=view.camera.resized(width))


def files_of(scene: Scene) -> dict[str, str]:
    """Each view's file in an export, no suffix: its photo's stem where no other has it, else its path."""
    stems = {view.name: PurePosixPath(view.name).stem for view in scene.views}
    times = Counter(stem.casefold() for stem in stems.values())
    return {name: stem if times[stem.casefold()] == 1 else name for name, stem in stems.items()}


def compressed(counts: Sequence[int]) -> str:
    """COCO's text form of run lengths: differences to the run before the last, five bits a character.

    A character's low five bits are the number's, the lowest first; the sixth says that more follow. The
    number is signed: the highest of its bits stands for all above it.
    """
    letters = []
    for index, count in enumerate(counts):
        left = count - counts[index - 2] if index > 2 else count
        while True:
            bits = left & 31
            left >>= 5
            more = left != (-1 if bits & 16 else 0)
            letters.append(chr(48 + bits + 32 * more))
            if not more:
                break
    return "".join(letters)


def _export_coco(
    target: Target | MovingTarget,
    out: Path,
    views: Sequence[View],
    width: int | None,
    progress: ProgressCallback,
) -> None:
    check_writable(out)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for done, view in enumerate(views):
        progress(Progress(STAGE, done, len(views)))
        camera = sized(view, width).camera
        mask = mask_in(target, camera)
        images.append(
            {"id": done + 1, "file_name": view.name, "width": camera.width, "height": camera.height}
        )
        if bool(mask.any()):
            annotations.append({"id": len(annotations) + 1, "image_id": done + 1} | _annotation(mask))
    category = {"id": CATEGORY, "name": target.name, "supercategory": "object"}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    write_text(out, json.dumps(content, ensure_ascii=False) + "\n")
    progress(Progress(STAGE, len(views), len(views)))


def _annotation(mask: Bool[Tensor, "h w"]) -> dict[str, Any]:
    runs = encode(mask)
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    left, top = int(columns[0]), int(rows[0])
    return {
        "category_id": CATEGORY,
        "segmentation": {"size": [runs.height, runs.width], "counts": compressed(runs.counts)},
        "area": runs.area,
        "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
        "iscrowd": 0,
    }
