"""Guesses: the 3D mask that votes make, as a view sees it, and what to prompt with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.masks.ballots import Ballots, Booth
from sanerf_hq.masks.consensus import Verdict
from sanerf_hq.masks.interior import interior, representatives

OBJECT = 0.5  # share of the votes from which a cell is the object's
HEARD = 0.5  # weight of views below which a cell is not known
LEAST_PIXELS = 6  # of the pool; a view that sees less of the object is not asked
LEAST_PART = 0.1  # of the largest part, below which a part of the guess is left out
BOX_MARGIN = 0.06  # of the box's sides, and a block: the pool's pixels lie inside the object
CONFIDENT = 6.0  # logits of a guess as a mask prompt


@dataclass(frozen=True)
class Guess:
    """What is known of an object in a view.

    Attributes:
        mask: The object, a pixel for each block of the view.
        xy: Where each block's pixel lies in the view.
        block: Pixels of the view a block, on a side.
    """

    mask: Bool[Tensor, "rows columns"]
    xy: Float[Tensor, "rows columns 2"]
    block: int

    @property
    def area(self) -> int:
        """Blocks that show the object."""
        return int(self.mask.sum())

    def likeness(self, mask: Bool[Tensor, "h w"]) -> float:
        """IoU of a mask with what is known."""
        x, y = self.xy.long().unbind(-1)
        other = mask[y, x]
        return int((other & self.mask).sum()) / max(1, int((other | self.mask).sum()))

    def points(self, k: int) -> Float[Tensor, "n 2"]:
        """At most ``k`` points that stand for the inside of the object."""
        xy = self.xy[interior(self.mask)]
        return xy[representatives(xy, k)]

    def box(self, width: int, height: int) -> Float[Tensor, "4"]:
        """The box round the object, in a picture of that size."""
        xy = self.xy[self.mask]
        low, high = xy.amin(0), xy.amax(0)
        margin = BOX_MARGIN * (high - low) + self.block / 2
        size = torch.tensor([width, height]).float()
        return torch.cat([(low - margin).clamp_min(0), torch.minimum(high + margin, size)])

    def logits(self) -> Float[Tensor, "rows columns"]:
        """The guess as logits over the picture, to be a mask prompt."""
        return (2 * self.mask.float() - 1) * CONFIDENT


def shares_in(ballots: Ballots, verdict: Verdict, booth: Booth) -> Float[Tensor, "n_rays"]:
    """How far the votes give a view's rays to the object; 0 where nothing is known."""
    return ballots.spread_over(booth, torch.where(verdict.known >= HEARD, verdict.shares, 0.0))


def guess_from(shares: Float[Tensor, "n_rays"], booth: Booth, width: int, height: int) -> Guess | None:
    """The object in a view as far as its rays are given to it; None where too little of it is seen."""
    rows, columns = -(-height // booth.block), -(-width // booth.block)
    mask = (shares > OBJECT).view(rows, columns)
    if int(mask.sum()) < LEAST_PIXELS:
        return None
    mask = _large_parts(mask)
    xy = torch.stack([booth.pixels % width, booth.pixels // width], -1).float() + 0.5
    return Guess(mask, xy.view(rows, columns, 2), booth.block)


def _large_parts(mask: Bool[Tensor, "rows columns"]) -> Bool[Tensor, "rows columns"]:
    import cv2

    _, parts = cv2.connectedComponents(mask.numpy().astype(np.uint8), connectivity=8)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return torch.from_numpy(sizes >= max(1.0, LEAST_PART * sizes.max()))[torch.from_numpy(parts).long()]
