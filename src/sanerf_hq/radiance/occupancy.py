"""Occupancy: which cells of the contracted cube are worth sampling.

A cell remembers the largest weight that any training ray gave to a sample in it, fading with time, so that
cells that are empty *or hidden* fall asleep; cells drawn at random are looked at afresh by their density, so
that nothing sleeps for ever.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor


@dataclass
class Occupancy:
    """The grid's state; changed in place by training.

    Attributes:
        levels: Remembered weight of each cell, ≥ 0.
        occupied: 1 where rays are sampled.
        free: Cells that are known to be empty and never sampled.
    """

    levels: Float[Tensor, "side side side"]
    occupied: UInt8[Tensor, "side side side"]
    free: Bool[Tensor, "side side side"]

    @staticmethod
    def full(side: int, level: float, device: torch.device | str = "cpu") -> Occupancy:
        """A grid of which nothing is known yet: every cell is sampled until ``level`` has faded."""
        levels = torch.full((side, side, side), level, device=device)
        occupied = torch.ones(side, side, side, dtype=torch.uint8, device=device)
        return Occupancy(levels, occupied, torch.zeros_like(occupied, dtype=torch.bool))

    def clear(self, cells: Bool[Tensor, "side side side"]) -> None:
        """Cells that are known to be empty from now on, beside those that were already."""
        self.free |= cells
        self.occupied.masked_fill_(self.free, 0)

    @property
    def side(self) -> int:
        return self.levels.shape[0]

    def cells_of(self, unit_points: Float[Tensor, "n 3"]) -> Int64[Tensor, "n"]:
        """Flat index of the cell that holds each point of [0, 1]³."""
        i, j, k = (unit_points * self.side).long().clamp_(0, self.side - 1).unbind(-1)
        return (i * self.side + j) * self.side + k

    def see(self, cells: Int64[Tensor, "n"], weights: Float[Tensor, "n"]) -> None:
        """Remember the weights that were found in cells."""
        self.levels.view(-1).scatter_reduce_(0, cells, weights, "amax")

    def fade(self, decay: float, threshold: float) -> None:
        """Let memories fade by ``decay`` and decide anew which cells are sampled."""
        self.levels.mul_(decay)
        self.occupied.copy_((self.levels > threshold) & ~self.free)

    def fraction(self) -> float:
        """Share of cells that are sampled."""
        return float(self.occupied.float().mean())

    def points_in(self, cells: Tensor, generator: torch.Generator) -> Float[Tensor, "n 3"]:
        """A random point of [0, 1]³ in each of the given cells."""
        side = self.side
        corner = torch.stack([cells // (side * side), cells // side % side, cells % side], -1)
        offset = torch.rand(corner.shape, generator=generator, device=corner.device)
        return (corner + offset) / side
