"""Cells of the contracted cube round points, and coarse ones that cameras may tell to be empty."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import interpolate

from sanerf_hq.geometry import contract, from_unit, to_unit, uncontract
from sanerf_hq.geometry.contraction import LIMIT

SIDE = 64
STRETCH = 4 / 3  # contracted, two points are at most so much farther apart along an axis (at m = 1.5)


def cell_middles(device: torch.device | str = "cpu", side: int = SIDE) -> Float[Tensor, "n_cells 3"]:
    """Middles of cells in field units, the coarse ones' if not told otherwise."""
    steps = (torch.arange(side, device=device) + 0.5) / side
    return uncontract(from_unit(torch.cartesian_prod(steps, steps, steps)))


def cells_round(
    points: Float[Tensor, "n 3"], radii: Float[Tensor, "n"], side: int
) -> Bool[Tensor, "side side side"]:
    """Cells whose middle lies within its radius (field units) of a point.

    Only those in a box round each point are looked at.
    """
    middles = cell_middles(points.device, side).view(side, side, side, 3)
    near = torch.zeros(side, side, side, dtype=torch.bool, device=points.device)
    places = to_unit(contract(points)) * side
    reaches = STRETCH * radii[:, None] * side / (2 * LIMIT) + 1.0  # a cell more: middles, and rounding
    firsts, lasts = (places - reaches).long().clamp_min(0), (places + reaches).long().clamp_min(0) + 1
    for point, radius, first, last in zip(points, radii, firsts.tolist(), lasts.tolist(), strict=True):
        box = tuple(slice(*ends) for ends in zip(first, last, strict=True))
        near[box] |= (middles[box] - point).square().sum(-1) < radius**2
    return near


def as_grid(cells: Int64[Tensor, "n"], side: int) -> Bool[Tensor, "side side side"]:
    """Some of them as cells of a finer or a coarser cube."""
    chosen = torch.zeros(SIDE**3, device=cells.device)
    chosen[cells] = 1.0
    return interpolate(chosen.view(1, 1, SIDE, SIDE, SIDE), size=(side, side, side))[0, 0] > 0
