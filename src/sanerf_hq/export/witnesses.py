"""Witnesses: whose a surface is, by the views that see it.

An object field is trained where rays end. A little behind, where the level of the density lies, it says
whatever it likes; the pixels that show the surface do not.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.export.sights import Sight

OWN = 0.5  # a pixel is the object's from this share on


@torch.no_grad()
def said_own(
    sights: list[Sight], points: Float[Tensor, "n 3"], margin: float
) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
    """How many views see points of a surface, and in how many of them the object's pixels show them.

    Args:
        sights: The views.
        points: On surfaces, in the scene's coordinates.
        margin: Depth by which a point may lie before or behind what a view sees there.
    """
    seen, own = torch.zeros(2, len(points))
    for sight in sights:
        projected = sight.camera.project(points)
        h, w = sight.share.shape
        x, y = projected.xy.nan_to_num(0).floor().long().unbind(-1)
        inside = (x >= 0) & (x < w) & (y >= 0) & (y < h) & (projected.depth > 0)
        flat = y.clamp(0, h - 1) * w + x.clamp(0, w - 1)
        here = inside & ((sight.depth.flatten()[flat] - projected.depth).abs() <= margin)
        seen += here
        own += here & (sight.share.flatten()[flat] >= OWN)
    return seen, own
