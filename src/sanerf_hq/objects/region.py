"""Region: the cells of contracted space that an object may lie in. Outside them everything is background.

A cell belongs to the object if the labelled rays that end in it say so by a fair share. Where a thin part is
missing from the geometry, its masks fall on whatever lies behind, each view's on another spot: such spots are
outvoted or small, and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.radiance import SurfaceSamples

SIDES = (128, 64, 32, 16)  # cells a side of the contracted cube: the finest that rays are dense enough for
DENSE = 3.0  # rays' worth of labelled weight in a cell, with which its neighbours hardly have none
WELL_KNOWN = 0.9  # share of the labelled weight that must lie in such cells
LEAST_SHARE = 0.3  # of a cell's weight that must be labelled object
LEAST_WEIGHT = 1.0  # rays' worth of weight below which a cell says nothing
LEAST_PART = 0.02  # of the largest part's weight, below which a part that stands apart is left out
NEIGHBOURHOOD = 3  # cells that parts may be apart and still be one, and that the region reaches further


@dataclass(frozen=True)
class Region:
    """Cells of the contracted cube [0, 1]³, and the box round them.

    Attributes:
        cells: Those that the object may lie in.
        low: Lower corner of the box.
        high: Its upper corner.
    """

    cells: Bool[Tensor, "side side side"]
    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @staticmethod
    def of(cells: Bool[Tensor, "side side side"]) -> Region:
        """The region of some cells, at least one."""
        index = cells.nonzero()
        low, high = index.amin(0) / cells.shape[0], (index.amax(0) + 1) / cells.shape[0]
        a, b = low.tolist(), high.tolist()
        return Region(cells, (a[0], a[1], a[2]), (b[0], b[1], b[2]))

    @staticmethod
    def everywhere() -> Region:
        """All of space."""
        return Region.of(torch.ones(1, 1, 1, dtype=torch.bool))

    def to(self, device: torch.device | str) -> Region:
        """The same on another device."""
        return Region(self.cells.to(device), self.low, self.high)

    def inside(self, unit_points: Float[Tensor, "n 3"]) -> Bool[Tensor, "n"]:
        """Which points lie in one of the cells."""
        i, j, k = (unit_points * self.cells.shape[0]).long().clamp_(0, self.cells.shape[0] - 1).unbind(-1)
        return self.cells[i, j, k]

    def to_unit(self, unit_points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Points in the box to [0, 1]³, by one scale for all axes."""
        low, high = unit_points.new_tensor(self.low), unit_points.new_tensor(self.high)
        return ((unit_points - low) / (high - low).max()).clamp(0, 1)


def find_region(surfaces: SurfaceSamples, on_object: Bool[Tensor, "n_rays"]) -> Region | None:
    """The cells that labelled rays give to the object, with some room; None if there is no such cell.

    Args:
        surfaces: Samples of labelled rays.
        on_object: Whether each ray's pixel is labelled object.
    """
    best: tuple[float, Tensor, Tensor] | None = None
    for side in SIDES:
        every, labelled = _votes(surfaces, on_object, side)
        favoured = labelled >= LEAST_SHARE * every
        held = favoured & (labelled >= LEAST_WEIGHT)
        dense = labelled[favoured & (labelled >= DENSE)].sum()
        known = float(dense / labelled[favoured].sum().clamp_min(1e-9))
        if bool(held.any()) and (best is None or known > best[0]):
            best = known, held, labelled
        if known >= WELL_KNOWN:
            break
    return None if best is None else Region.of(_large_parts(best[1].cpu(), best[2].cpu()).to(best[1].device))


def _votes(
    surfaces: SurfaceSamples, on_object: Bool[Tensor, "n_rays"], side: int
) -> tuple[Float[Tensor, "side side side"], Float[Tensor, "side side side"]]:
    """The weight that rays leave in each cell: of all of them, and of those labelled object."""
    i, j, k = (surfaces.unit_points * side).long().clamp_(0, side - 1).unbind(-1)
    cells = (i * side + j) * side + k
    every, labelled = (torch.zeros(side**3, device=cells.device) for _ in range(2))
    every.index_add_(0, cells, surfaces.weights)
    labelled.index_add_(0, cells, surfaces.weights * on_object[surfaces.ray_indices])
    return every.view(side, side, side), labelled.view(side, side, side)


def _large_parts(
    held: Bool[Tensor, "side side side"], weight: Float[Tensor, "side side side"]
) -> Bool[Tensor, "side side side"]:
    """The cells near parts that are not small beside the largest one."""
    from scipy import ndimage

    grown = _grown(held)
    numbers = np.zeros(tuple(grown.shape), np.int32)
    ndimage.label(grown.numpy(), structure=np.ones((3, 3, 3)), output=numbers)
    part = torch.from_numpy(numbers).long()
    sums = torch.zeros(int(part.max()) + 1).index_add_(0, part[held], weight[held])
    large = sums >= LEAST_PART * sums.max()
    large[0] = False
    return large[part]


def _grown(held: Bool[Tensor, "side side side"]) -> Bool[Tensor, "side side side"]:
    pooled = torch.nn.functional.max_pool3d(held[None, None].float(), NEIGHBOURHOOD, 1, NEIGHBOURHOOD // 2)
    return pooled[0, 0] > 0
