"""Changes: pixels at which something passes before a camera that stays in its place.

What moves is small in most photos and is somewhere else in each; what stands still is in all of them. Drawn
like other pixels, those of moving things teach too late: by then the air is known to be empty.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from sanerf_hq.geometry import Camera
from sanerf_hq.scene import TrainingPixels

LEAST_PHOTOS = 3  # by one camera, before it can be said what it mostly sees
CHANGED = 20  # of 255, in any channel: more than noise and shadows
PIXELS_A_PART = 1 << 16


def changed_pixels(pixels: TrainingPixels) -> Bool[Tensor, "n_pixels"] | None:
    """Pixels that differ from what their camera sees there most of the time; None if no camera stays."""
    places: dict[tuple[object, ...], list[int]] = {}
    for number, camera in enumerate(pixels.cameras):
        places.setdefault(_place(camera), []).append(number)
    staying = [numbers for numbers in places.values() if len(numbers) >= LEAST_PHOTOS]
    if not staying:
        return None
    changed = torch.zeros(len(pixels.rgb), dtype=torch.bool)
    starts = pixels.offsets.tolist()
    for numbers in staying:
        size = starts[numbers[0] + 1] - starts[numbers[0]]
        for first in range(0, size, PIXELS_A_PART):
            last = min(first + PIXELS_A_PART, size)
            photos = torch.stack([pixels.rgb[starts[n] + first : starts[n] + last] for n in numbers]).int()
            differs = (photos - photos.median(0).values).abs().amax(-1) > CHANGED
            for number, each in zip(numbers, differs, strict=True):
                changed[starts[number] + first : starts[number] + last] = each
    return changed


def _place(camera: Camera) -> tuple[object, ...]:
    return (
        camera.width,
        camera.height,
        *camera.K.flatten().tolist(),
        *camera.camtoworld.flatten().tolist(),
    )
