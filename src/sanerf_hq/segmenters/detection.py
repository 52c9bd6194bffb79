"""What a detector is: an image and words become boxes of what the words say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, UInt8
from torch import Tensor

from sanerf_hq.choices import DETECTORS
from sanerf_hq.errors import InputError


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


def load_detector(spec: str, device: str = "cpu") -> Detector:
    """What answers to a spec, one of :data:`~sanerf_hq.choices.DETECTORS`.

    Args:
        spec: A kind and, after a colon, which weights.
        device: Where it computes, in torch's words.

    Raises:
        InputError: No such detector, or its weights are missing or broken; the sentence says what to do.
    """
    kind, colon, where = spec.partition(":")
    if kind != "grounding_dino" or (colon and not where):
        raise InputError(f"there is no detector {spec!r}; choose one of {', '.join(DETECTORS)}")
    from sanerf_hq.segmenters.grounding_dino import load_grounding_dino

    return load_grounding_dino(where, device)
