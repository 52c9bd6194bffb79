"""What a detector is: an image and words become boxes of what the words say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, UInt8
from torch import Tensor


@dataclass(frozen=True)
class Detections:
    """Boxes in one image, the likeliest first.

    Attributes:
        boxes: x0, y0, x1, y1 in pixels of the image, the last two exclusive.
        scores: How well each fits the words, in [0, 1].
    """

    boxes: Float[Tensor, "n 4"]
    scores: Float[Tensor, "n"]


@runtime_checkable
class Detector(Protocol):
    """Words to boxes, whatever the model."""

    @property
    def name(self) -> str:
        """As given by ``--detector``."""
        ...

    def detect(self, image: UInt8[Tensor, "h w 3"], text: str) -> Detections:
        """Boxes of all that fits the words, however little: the caller draws the line."""
        ...
