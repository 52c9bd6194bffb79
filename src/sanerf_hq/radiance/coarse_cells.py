"""Coarse cells of the contracted cube, of which it is asked whether cameras tell that they are empty."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import interpolate

from sanerf_hq.geometry import from_unit, uncontract

SIDE = 64


def cell_middles(device: torch.device | str = "cpu") -> Float[Tensor, "n_cells 3"]:
    """Their middles in field units."""
    steps = (torch.arange(SIDE, device=device) + 0.5) / SIDE
    return uncontract(from_unit(torch.cartesian_prod(steps, steps, steps)))


def as_grid(cells: Int64[Tensor, "n"], side: int) -> Bool[Tensor, "side side side"]:
    """Some of them as cells of a finer or a coarser cube."""
    chosen = torch.zeros(SIDE**3, device=cells.device)
    chosen[cells] = 1.0
    return interpolate(chosen.view(1, 1, SIDE, SIDE, SIDE), size=(side, side, side))[0, 0] > 0
