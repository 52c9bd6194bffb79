"""Letterbox: how a photo lies in the square input of a SAM-like model, and the way back.

The longest side is scaled to the square's, the rest is padding right and below. Coordinates are continuous
(a pixel's centre at +0.5) on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Letterbox:
    """A photo's place in the square.

    Attributes:
        side: The square's side in pixels.
        height: The photo's height in pixels.
        width: The photo's width in pixels.
    """

    side: int
    height: int
    width: int

    @property
    def inner(self) -> tuple[int, int]:
        """Height and width of the scaled photo, each at least 1."""
        scale = self.side / max(self.height, self.width)
        return max(1, int(self.height * scale + 0.5)), max(1, int(self.width * scale + 0.5))

    def pixel_values(self, image: UInt8[Tensor, "h w 3"]) -> Float[Tensor, "1 3 side side"]:
        """The photo scaled, normalised by ImageNet's mean and deviation, padded by 0."""
        rows, columns = self.inner
        square = torch.zeros(1, 3, self.side, self.side)
        square[0, :, :rows, :columns] = normalised(image, rows, columns)
        return square

    def to_square(self, xy: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """Photo coordinates to the square's."""
        rows, columns = self.inner
        return xy * xy.new_tensor([columns / self.width, rows / self.height])

    def to_photo(self, low_res: Float[Tensor, "k low low"]) -> Float[Tensor, "k h w"]:
        """Logits over the whole square, of any resolution, to the photo's pixels; on the CPU."""
        rows, columns = self.inner
        photos = torch.empty(len(low_res), self.height, self.width)
        for mask, photo in zip(low_res.cpu().numpy(), photos, strict=True):
            square = resized(mask, self.side, self.side)
            photo.copy_(torch.from_numpy(resized(square[:rows, :columns], self.height, self.width)))
        return photos

    def to_low_res(self, logits: Float[Tensor, "rows columns"], low: int) -> Float[Tensor, "low low"]:
        """Logits over the photo, of any resolution, to the whole square's; padding is as sure as any."""
        scale = low / self.side
        rows, columns = (max(1, round(inner * scale)) for inner in self.inner)
        square = torch.full((low, low), -float(logits.abs().max()))
        square[:rows, :columns] = torch.from_numpy(resized(logits.cpu().numpy(), rows, columns))
        return square


def normalised(image: UInt8[Tensor, "h w 3"], rows: int, columns: int) -> Float[Tensor, "3 rows columns"]:
    """A photo resized, by ImageNet's mean and deviation, channels first."""
    photo = Image.fromarray(image.cpu().numpy())
    if photo.size != (columns, rows):
        photo = photo.resize((columns, rows), Image.Resampling.BILINEAR)  # averages when it shrinks
    values = torch.from_numpy(np.array(photo)).float() / 255
    return ((values - torch.tensor(MEAN)) / torch.tensor(DEVIATION)).permute(2, 0, 1)


def resized(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """A map of numbers in another size: bilinear, not averaged where it shrinks.

    OpenCV does in 1 ms what takes torch 10.
    """
    import cv2

    return cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_LINEAR)
