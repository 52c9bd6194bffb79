"""ViewPrompts: what a segmenter is asked in one view, whoever asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sanerf_hq.segmenters import DecoderPrompt

Source = Literal["user", "projected", "spread", "repeated", "corrected"]


@dataclass(frozen=True)
class ViewPrompts:
    """Prompts for one object in one view, in the pixels that are worked at.

    Attributes:
        view: Name of the view.
        points: XY.
        labels: 1 on the object, 0 beside it.
        box: x0, y0, x1, y1, or None.
        mask_logits: A guess of the mask in the segmenter's own resolution, or None.
        identity: Which object is meant, from 1.
        source: The user's own; the user's points projected; spread from what other views' masks agree on;
            asked again for that; or corrected by the user's clicks in another picture.
        score: How far the source is trusted, in [0, 1].
    """

    view: str
    points: Float[Tensor, "n_points 2"] = field(default_factory=lambda: torch.zeros(0, 2))
    labels: Int64[Tensor, "n_points"] = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    box: Float[Tensor, "4"] | None = None
    mask_logits: Float[Tensor, "low_h low_w"] | None = None
    identity: int = 1
    source: Source = "user"
    score: float = 1.0

    @property
    def decoder(self) -> DecoderPrompt:
        """As a segmenter is given them."""
        return DecoderPrompt(self.points, self.labels, self.box, self.mask_logits)
