"""Stretched: how a photo lies in the square input of SAM 2, and the way back.

Both sides are scaled to the square's, each by itself: the shape is not kept, and nothing is padded.
Coordinates are continuous (a pixel's centre at +0.5) on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from sanerf_hq.segmenters.letterbox import normalised, resized


@dataclass(frozen=True)
class Stretched:
    """A photo's place in the square.

    Attributes:
        side: The square's side in pixels.
        height: The photo's height in pixels.
        width: The photo's width in pixels.
    """

    side: int
    height: int
    width: int

    def pixel_values(self, image: UInt8[Tensor, "h w 3"]) -> Float[Tensor, "1 3 side side"]:
        """The photo scaled and normalised by ImageNet's mean and deviation."""
        return normalised(image, self.side, self.side)[None]

    def to_square(self, xy: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """Photo coordinates to the square's."""
        return xy * xy.new_tensor([self.side / self.width, self.side / self.height])

    def to_photo(self, low_res: Float[Tensor, "k low low"]) -> Float[Tensor, "k h w"]:
        """Logits over the whole square, of any resolution, to the photo's pixels; on the CPU."""
        photos = torch.empty(len(low_res), self.height, self.width)
        for mask, photo in zip(low_res.cpu().numpy(), photos, strict=True):
            photo.copy_(torch.from_numpy(resized(mask, self.height, self.width)))
        return photos

    def to_low_res(self, logits: Float[Tensor, "rows columns"], low: int) -> Float[Tensor, "low low"]:
        """Logits over the photo, of any resolution, to the square's."""
        return torch.from_numpy(resized(logits.cpu().numpy(), low, low))
