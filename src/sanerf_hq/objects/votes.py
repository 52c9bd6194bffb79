"""Votes: objects in closed form, by weighted votes of labelled surface samples.

In each cell A = Σ w_k · y over the labelled rays is set against B = Σ w_k: the share A / B is the object's
(FlashSplat, Shen et al. 2024, on a grid). Few rays meet a fine cell, so its votes are counted together with a
few of what the coarser cell round it says, from the coarsest to the finest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float16
from torch import Tensor

from sanerf_hq.objects.region import Region
from sanerf_hq.radiance import SurfaceSamples

SIDES = (8, 16, 32, 64)  # cells a side of an object's cube, each half of the one before
DOUBT = 0.02  # that any share of votes leaves
PRIOR = 0.5  # rays' worth of votes that the coarser cell adds
COARSEST_PRIOR = 1e-2


@dataclass(frozen=True)
class VoteGrid:
    """Shares of the votes, each object's in a cube of its own: one more does not change the others.

    Attributes:
        shares: In each cell, in [0, 1], along x, y and z.
        cubes: Lower corner and side of each object's cube, in contracted space's [0, 1]³.
    """

    shares: Float16[Tensor, "n_objects side side side"]
    cubes: Float[Tensor, "n_objects 4"]

    @property
    def side(self) -> int:
        """Cells a side."""
        return self.shares.shape[-1]

    def at(self, unit_points: Float[Tensor, "n_points 3"]) -> Float[Tensor, "n_points n_objects"]:
        """Shares at points of [0, 1]³, linear between the cells' middles; 0 outside an object's cube."""
        where = (unit_points[None] - self.cubes[:, None, :3]) / self.cubes[:, None, 3:]
        inside = ((where >= 0) & (where <= 1)).all(-1)
        sampled = torch.nn.functional.grid_sample(
            self.shares[:, None].float(),
            (2 * where - 1).flip(-1)[:, :, None, None],  # grid_sample takes z, y, x
            "bilinear",
            "border",
            align_corners=False,
        )
        return (sampled[:, 0, :, 0, 0] * inside).T

    def logits(self, unit_points: Float[Tensor, "n_points 3"]) -> Float[Tensor, "n_points n_logits"]:
        """Logarithms of the shares, within what votes can be sure of, as identity vectors."""
        shares = self.at(unit_points)
        background = 1 - shares.sum(-1, keepdim=True)
        return torch.cat([background, shares], -1).clamp(DOUBT, 1 - DOUBT).log()


def count_votes(
    surfaces: SurfaceSamples,
    possible: Bool[Tensor, "n_rays n_logits"],
    trust: Float[Tensor, "n_rays"],
    regions: Sequence[Region],
) -> VoteGrid:
    """The votes of labelled rays.

    Args:
        surfaces: Their samples.
        possible: What each ray's pixel may be, channel 0 = background. A pixel that may be an object or
            something else votes neither for nor against it.
        trust: How far each ray's label counts.
        regions: Where each object may lie.
    """
    rays = surfaces.ray_indices
    weights = surfaces.weights * trust[rays]
    certain = possible.sum(-1) == 1
    grids, cubes = [], []
    for channel, region in enumerate(regions, 1):
        low = surfaces.unit_points.new_tensor(region.low)
        extent = (surfaces.unit_points.new_tensor(region.high) - low).max()
        against = ~possible[:, channel]
        pro = possible[:, channel] & certain
        voting = (against | pro)[rays] & region.inside(surfaces.unit_points)
        points = (surfaces.unit_points[voting] - low) / extent
        shares = _shares(points, weights[voting], pro[rays][voting])
        middles = torch.cartesian_prod(*[(torch.arange(SIDES[-1], device=low.device) + 0.5) / SIDES[-1]] * 3)
        apart = ~region.inside(low + extent * middles).view(shares.shape)
        grids.append(shares.masked_fill(apart, 0))
        cubes.append(torch.cat([low, extent[None]]))
    return VoteGrid(torch.stack(grids), torch.stack(cubes))


def _shares(points: Tensor, weights: Tensor, pro: Tensor) -> Float16[Tensor, "side side side"]:
    share = torch.zeros(1, 1, 1, device=points.device)
    prior = COARSEST_PRIOR
    for side in SIDES:
        i, j, k = (points * side).long().clamp_(0, side - 1).unbind(-1)
        cells = (i * side + j) * side + k
        every, labelled = (torch.zeros(side**3, device=points.device) for _ in range(2))
        every.index_add_(0, cells, weights)
        labelled.index_add_(0, cells, weights * pro)
        times = side // share.shape[0]
        around = share
        for axis in range(3):
            around = around.repeat_interleave(times, axis)
        share = (labelled.view(around.shape) + prior * around) / (every.view(around.shape) + prior)
        prior = PRIOR
    return share.half()
