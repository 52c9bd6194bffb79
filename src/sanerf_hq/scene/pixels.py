"""Training pixels: every pixel that a field may be trained on, in memory."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera
from sanerf_hq.scene.images import read_mask, read_rgba
from sanerf_hq.scene.photo_size import OWN_SIZE, PhotoSize
from sanerf_hq.scene.scene import Scene, View

THREADS = 2
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingPixels:
    """All pixels of the training views, view after view, row after row.

    Attributes:
        rgb: Colours; where a photo is transparent they are composited on white.
        alpha: Opacity, 255 = opaque; None if every pixel is opaque. On a background b in [0, 1] a pixel is
            rgb + (255 - alpha)·(b - 1).
        offsets: Pixels of view i are ``offsets[i]:offsets[i + 1]``.
        cameras: One for each view, at the size of the pixels.
        usable: Indices of the pixels that masks allow and lenses reach, ascending; None if these are all.
    """

    rgb: UInt8[Tensor, "n_pixels 3"]
    alpha: UInt8[Tensor, "n_pixels"] | None
    offsets: Int64[Tensor, "n_offsets"]
    cameras: tuple[Camera, ...]
    usable: Int64[Tensor, "n_usable"] | None


def load_training_pixels(
    scene: Scene, size: PhotoSize = OWN_SIZE, progress: Callable[[int, int], None] | None = None
) -> TrainingPixels:
    """Read the photos of the training views.

    Args:
        scene: The scene; its test views are not touched.
        size: What photos are scaled to.
        progress: Called with the number of views read and of all; what it raises stops the reading.

    Raises:
        InputError: A file is missing, damaged or of another size, or masks leave no pixel.
    """
    views = scene.train_views
    cameras = tuple(size.sized(view.camera) for view in views)
    sizes = [camera.width * camera.height for camera in cameras]
    offsets = torch.tensor([0, *sizes]).cumsum(0)
    rgb = torch.empty(sum(sizes), 3, dtype=torch.uint8)
    parts = [rgb[start:end] for start, end in pairwise(offsets.tolist())]

    def read(index: int) -> UInt8[Tensor, "n"] | None:
        return _read_into(parts[index], views[index], cameras[index].width)

    alphas: list[Tensor | None] = []
    pool = ThreadPoolExecutor(THREADS)
    try:
        for alpha in pool.map(read, range(len(views))):
            alphas.append(alpha)
            if progress is not None:
                progress(len(alphas), len(views))
    finally:
        pool.shutdown(cancel_futures=True)
    return TrainingPixels(rgb, _joined_alpha(alphas, sizes), offsets, cameras, _usable(scene, cameras))


def _read_into(rgb: UInt8[Tensor, "n 3"], view: View, width: int) -> UInt8[Tensor, "n"] | None:
    """Fill in one view's colours; its opacity, or None if it is opaque."""
    rgba = read_rgba(view, width).reshape(-1, 4)
    alpha = rgba[:, 3]
    if (alpha == 255).all():
        rgb.copy_(rgba[:, :3])
        return None
    opacity = alpha[:, None].float() / 255
    rgb.copy_((rgba[:, :3] * opacity + 255 * (1 - opacity)).round())
    return alpha.clone()


def _joined_alpha(alphas: list[Tensor | None], sizes: list[int]) -> UInt8[Tensor, "n"] | None:
    if all(alpha is None for alpha in alphas):
        return None
    opaque = (torch.full((size,), 255, dtype=torch.uint8) for size in sizes)
    return torch.cat([full if alpha is None else alpha for alpha, full in zip(alphas, opaque, strict=True)])


def _usable(scene: Scene, cameras: Sequence[Camera]) -> Int64[Tensor, "n"] | None:
    asked = [one for one in (_allowed(scene, cameras), _reached(scene, cameras)) if one is not None]
    if not asked:
        return None
    usable = torch.stack(asked).all(0).nonzero()[:, 0]
    if not len(usable):
        raise InputError(
            f"the masks of {scene.root} leave no pixel to train on; make them white where it may be"
        )
    return usable


def _allowed(scene: Scene, cameras: Sequence[Camera]) -> Bool[Tensor, "n_pixels"] | None:
    """The pixels that masks allow; None if no view has a mask."""
    views = scene.train_views
    if all(view.mask_path is None for view in views):
        return None
    masks = [read_mask(view, camera.width) for view, camera in zip(views, cameras, strict=True)]
    return torch.cat([mask.flatten() for mask in masks])


def _reached(scene: Scene, cameras: Sequence[Camera]) -> Bool[Tensor, "n_pixels"] | None:
    """The pixels that lenses bring light to; None if these are all."""
    if all(math.isinf(camera.distortion.fold) for camera in cameras):
        return None
    lenses = {camera.lens: camera for camera in cameras}
    reached = {lens: camera.has_ray(camera.pixel_grid()) for lens, camera in lenses.items()}
    if all(bool(one.all()) for one in reached.values()):
        return None
    joined = torch.cat([reached[camera.lens] for camera in cameras])
    LOG.warning(
        "%s: the lens distortion of its cameras folds back within their pictures: %d of %d pixels have no "
        "ray and teach nothing; check its coefficients, or crop the photos",
        scene.file or scene.root,
        int((~joined).sum()),
        len(joined),
    )
    return joined
