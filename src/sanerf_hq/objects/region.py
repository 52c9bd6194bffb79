"""Region: the cells of contracted space that an object may lie in. Outside them everything is background.

A cell belongs to the object if the labelled rays that end in it say so by a fair share. Where a thin part is
missing from the geometry, its masks fall on whatever lies behind, each view's on another spot: such spots are
outvoted or small, and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sanerf_hq.radiance import SurfaceSamples

SIDES = (128, 64, 32, 16)  # cells a side of the contracted cube: the finest that rays are dense enough for
DENSE = 3.0  # rays' worth of labelled weight in a cell, with which its neighbours hardly have none
WELL_KNOWN = 0.9  # share of the labelled weight that must lie in such cells
LEAST_SHARE = 0.3  # of a cell's weight that must be labelled object
LEAST_WEIGHT = 1.0  # rays' worth of weight below which a cell says nothing
LEAST_PART = 0.02  # of the largest part's weight, below which a part that stands apart is left out
CUT_OFF = 0.15  # of the largest prompted part's weight, from which a part apart from the prompts is kept
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

    @staticmethod
    def union(regions: Sequence[Region]) -> Region:
        """All cells of several, at least one, at the finest side among them."""
        side = max(region.cells.shape[0] for region in regions)
        cells = torch.zeros(side, side, side, dtype=torch.bool, device=regions[0].cells.device)
        for region in regions:
            times = side // region.cells.shape[0]
            fine = region.cells
            for axis in range(3):
                fine = fine.repeat_interleave(times, axis)
            cells |= fine
        return Region.of(cells)

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


def find_regions(
    surfaces: SurfaceSamples,
    on_objects: Bool[Tensor, "n_rays n_objects"],
    trust: Float[Tensor, "n_rays"],
    seeds: Sequence[Float[Tensor, "_ 3"]] | None = None,
) -> list[Region | None]:
    """The cells that labelled rays give to each object, with some room; None where there is no such cell.

    Args:
        surfaces: Samples of labelled rays.
        on_objects: Whether each ray's pixel is labelled as each object.
        trust: How far each ray's label counts.
        seeds: Points on each object in [0, 1]³. Of the parts that stand apart only theirs are kept, and those
            that are not small beside theirs: a hole in the geometry may cut one off.
    """
    side = SIDES[0]
    i, j, k = (surfaces.unit_points * side).long().clamp_(0, side - 1).unbind(-1)
    cells, rays = (i * side + j) * side + k, surfaces.ray_indices
    weights = surfaces.weights * trust[rays]
    every = torch.zeros(side**3, device=cells.device).index_add_(0, cells, weights).view(side, side, side)
    found = []
    for number in range(on_objects.shape[1]):
        on = on_objects[:, number][rays].nonzero()[:, 0]
        labelled = torch.zeros(side**3, device=cells.device).index_add_(0, cells[on], weights[on])
        at = torch.zeros(0, 3) if seeds is None else seeds[number]
        found.append(_find_region(every, labelled.view(side, side, side), at.cpu()))
    return found


def _find_region(
    every: Float[Tensor, "side side side"],
    labelled: Float[Tensor, "side side side"],
    seeds: Float[Tensor, "n_seeds 3"],
) -> Region | None:
    """The object's cells, from the weight that rays leave in each: all of them, and those labelled object."""
    best: tuple[float, Tensor, Tensor] | None = None
    for side in SIDES:
        if side < every.shape[0]:
            every, labelled = _halved(every), _halved(labelled)
        favoured = (labelled > 0) & (labelled >= LEAST_SHARE * every)
        held = favoured & (labelled >= LEAST_WEIGHT)
        dense = labelled[favoured & (labelled >= DENSE)].sum()
        known = float(dense / labelled[favoured].sum().clamp_min(1e-9))
        if bool(held.any()) and (best is None or known > best[0]):
            best = known, held, labelled
        if known >= WELL_KNOWN:
            break
    if best is None:
        return None
    _, held, labelled = best
    side = held.shape[0]
    places = (seeds * side).long().clamp(0, side - 1)
    return Region.of(_large_parts(held.cpu(), labelled.cpu(), places).to(held.device))


def _halved(weight: Float[Tensor, "side side side"]) -> Float[Tensor, "half half half"]:
    half = weight.shape[0] // 2
    return weight.view(half, 2, half, 2, half, 2).sum((1, 3, 5))


def _large_parts(
    held: Bool[Tensor, "side side side"],
    weight: Float[Tensor, "side side side"],
    seeds: Int64[Tensor, "n_seeds 3"],
) -> Bool[Tensor, "side side side"]:
    """The cells near the parts that are kept."""
    from scipy import ndimage

    index = held.nonzero()
    low, high = (index.amin(0) - 1).clamp_min(0), index.amax(0) + 2
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    grown = _grown(held[box])
    numbers = np.zeros(tuple(grown.shape), np.int32)
    ndimage.label(grown.numpy(), structure=np.ones((3, 3, 3)), output=numbers)
    part = torch.from_numpy(numbers).long()
    sums = torch.zeros(int(part.max()) + 1).index_add_(0, part[held[box]], weight[box][held[box]])
    inside = ((seeds >= low) & (seeds < low + torch.tensor(part.shape))).all(-1)
    i, j, k = (seeds[inside] - low).unbind(-1)
    seeded = torch.zeros_like(sums, dtype=torch.bool)
    seeded[part[i, j, k]] = True
    seeded[0] = False
    large = sums >= LEAST_PART * sums.max()
    if bool(seeded.any()):
        large = seeded | (sums >= CUT_OFF * sums[seeded].max())
    large[0] = False
    found = torch.zeros_like(held)
    found[box] = large[part]
    return found


def _grown(held: Bool[Tensor, "nx ny nz"]) -> Bool[Tensor, "nx ny nz"]:
    pooled = torch.nn.functional.max_pool3d(held[None, None].float(), NEIGHBOURHOOD, 1, NEIGHBOURHOOD // 2)
    return pooled[0, 0] > 0
