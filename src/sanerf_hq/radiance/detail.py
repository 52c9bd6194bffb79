"""Detail: pixels in plain parts of photos are drawn less often in training than others.

A photo is mostly wall, table and sky, which few rays teach; what is left to learn late in training is where
photos have edges and patterns. There a pixel is drawn with full chance, elsewhere with less; and where things
move before a camera that stays in its place, all others are drawn with still less.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d

from sanerf_hq.radiance.changes import changed_pixels
from sanerf_hq.radiance.moments import moments_of
from sanerf_hq.scene import TrainingPixels

WINDOW = 5  # pixels across, in which contrast is measured
USUAL = 0.8  # quantile of all contrasts from which on a pixel has full chance
LEAST = 1.0  # of 255, the contrast below which nothing has full chance, be photos as plain as they may
ASKED = 1 << 20  # pixels at most of which the quantile is taken
STILL = 0.1  # of its chance, that a pixel has where nothing moves, in a scene that moves
SPARE = 3  # pixels drawn for each that is kept


def chances(pixels: TrainingPixels, plain: float) -> UInt8[Tensor, "n_pixels"]:
    """The chance of each pixel, 255 = full.

    Args:
        pixels: Of all training views.
        plain: Chance of a pixel without any contrast round it, in [0, 1].
    """
    sizes, starts = pixels.offsets.diff().tolist(), pixels.offsets.tolist()
    photos = [
        rgb.view(camera.height, camera.width, 3)
        for camera, rgb in zip(pixels.cameras, pixels.rgb.split(sizes), strict=True)
    ]
    # Contrasts are found twice, a photo at a time: all of them would take more than the photos do.
    stride = -(-len(pixels.rgb) // ASKED)
    some = [_contrast(rgb)[-start % stride :: stride] for rgb, start in zip(photos, starts, strict=False)]
    full = torch.cat(some).quantile(USUAL).clamp_min(LEAST)
    changed = changed_pixels(pixels) if moments_of(pixels.cameras) else None
    moving = changed.split(sizes) if changed is not None and bool(changed.any()) else [None] * len(sizes)
    result = torch.empty(len(pixels.rgb), dtype=torch.uint8)
    for part, rgb, moves in zip(result.split(sizes), photos, moving, strict=True):
        chance = plain + (1 - plain) * (_contrast(rgb) / full).clamp(max=1.0)
        chance = chance if moves is None else torch.where(moves, 1.0, STILL * chance)
        part.copy_((255 * chance).round())
    return result


def _contrast(rgb: UInt8[Tensor, "h w 3"]) -> Float[Tensor, "hw"]:
    grey = rgb.float().mean(-1)[None, None]
    return _blurred((grey - _blurred(grey)).square()).sqrt().flatten()


def _blurred(picture: Tensor) -> Tensor:
    return avg_pool2d(picture, WINDOW, 1, WINDOW // 2, count_include_pad=False)


def prefer(
    drawn: Int64[Tensor, "n_drawn"], n: int, chance: UInt8[Tensor, "n_pixels"], generator: torch.Generator
) -> Int64[Tensor, "n"]:
    """Keep n of the pixels drawn, each by its chance; if too few come through, some of the others as well."""
    lots = torch.randint(255, (len(drawn),), generator=generator, device=drawn.device)
    missed = chance[drawn] <= lots
    return drawn[missed.byte().argsort(stable=True)[:n]]
