"""What a segmenter is: an image becomes an embedding once; the embedding and prompts become masks, cheaply.

Points are XY in pixels of the image that was embedded, a pixel's centre at +0.5; labels are 1 (on the
object) and 0 (beside it); boxes are x0, y0, x1, y1 in the same pixels, the last two exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor


@dataclass(frozen=True)
class Embedding:
    """An encoded image: a value, so decoding never encodes again.

    Attributes:
        tensors: What the segmenter's decoder reads, by name; what the cache stores.
        height: Height of the embedded image, pixels.
        width: Width of the embedded image, pixels.
        view: Name of the view that the image is, "" for a picture of no recorded view.
    """

    tensors: dict[str, Tensor]
    height: int
    width: int
    view: str = ""


@dataclass(frozen=True)
class DecoderPrompt:
    """What one object is prompted with, in one image. At least one point, a box or a mask must be there.

    Attributes:
        point_coords: XY pixels.
        point_labels: 1 on the object, 0 beside it.
        box: x0, y0, x1, y1, or None.
        mask_logits: A guess of the mask in the segmenter's own low resolution
            (:attr:`Masks.low_res_logits` of an earlier answer, or of :meth:`Segmenter.mask_prompt`), or None.
    """

    point_coords: Float[Tensor, "n_points 2"] = field(default_factory=lambda: torch.zeros(0, 2))
    point_labels: Int64[Tensor, "n_points"] = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    box: Float[Tensor, "4"] | None = None
    mask_logits: Float[Tensor, "low_h low_w"] | None = None


@dataclass(frozen=True)
class Masks:
    """Candidate masks of one prompt, at the embedded image's size, on the CPU, the best candidate first.

    Attributes:
        mask_logits: One channel a candidate; > 0 is object.
        iou_predictions: The segmenter's own guess of each candidate's IoU, in [0, 1].
        low_res_logits: The same in the segmenter's own resolution, for use as a mask prompt.
    """

    mask_logits: Float[Tensor, "k h w"]
    iou_predictions: Float[Tensor, "k"]
    low_res_logits: Float[Tensor, "k low_h low_w"]


@runtime_checkable
class Segmenter(Protocol):
    """The contract that compact, sam, sam_hq, sam2 and grabcut fulfil."""

    @property
    def name(self) -> str:
        """As given by ``--segmenter``, fit for a table."""
        ...

    @property
    def identity(self) -> str:
        """Changes whenever embeddings would: the key under which they are cached."""
        ...

    def embed(self, image: UInt8[Tensor, "h w 3"], view: str = "") -> Embedding:
        """Encode one RGB image. Pure: no state is kept."""
        ...

    def mask_prompt(
        self, embedding: Embedding, logits: Float[Tensor, "rows columns"]
    ) -> Float[Tensor, "low_h low_w"]:
        """Logits over the image, at any resolution, as :attr:`DecoderPrompt.mask_logits`."""
        ...

    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        """Masks for each prompt on its own; an empty list gives an empty list.

        Called from several threads at once, an image each.
        """
        ...
