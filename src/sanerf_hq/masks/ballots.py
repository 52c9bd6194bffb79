"""Ballots: what each view sees of the cells of space, and how much of that its masks give to the object.

Every ray of the pool leaves the weight of its surface samples in the cells that these lie in: w_k to what is
seen, and w_k · y to what is labelled object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sanerf_hq.geometry import PixelRays
from sanerf_hq.radiance import ViewSamples

SIDES = (128, 64, 32)  # cells a side of the contracted cube
DENSE = 4.0  # rays' worth of labelled weight that a cell should have on average


@dataclass(frozen=True)
class Booth:
    """Where a view's rays cast their votes.

    Attributes:
        cells: Cell of each of its samples at the finest side, numbered in Morton's order (the bits of x, y
            and z by turns): an eighth of a number is that of the cell twice as large.
        weights: w_k of each.
        rays: Ray of the view's pool that each belongs to.
        pixels: Pixel of each ray, numbered within the view.
        block: Side in pixels of the blocks of which each ray is a pixel.
    """

    cells: Int64[Tensor, "n_samples"]
    weights: Float[Tensor, "n_samples"]
    rays: Int64[Tensor, "n_samples"]
    pixels: Int64[Tensor, "n_rays"]
    block: int

    @staticmethod
    def of_view(pool: ViewSamples, pixel_rays: PixelRays, number: int) -> Booth:
        """A training view's booth."""
        here = pool.of_view(number)
        surfaces = pool.surfaces
        info = surfaces.packed_info[here].long().cpu()
        first = int(info[0, 0]) if len(info) else 0
        counts = info[:, 1]
        samples = slice(first, first + int(counts.sum()))
        cells = (surfaces.unit_points[samples].cpu() * SIDES[0]).long().clamp_(0, SIDES[0] - 1)
        spread = _spread_bits(SIDES[0])
        i, j, k = (spread[along] for along in cells.unbind(-1))
        rays = torch.arange(len(info)).repeat_interleave(counts)
        pixels = pool.pixels[here].cpu() - int(pixel_rays.offsets[number])
        return Booth(4 * i + 2 * j + k, surfaces.weights[samples].cpu(), rays, pixels, pool.block)

    def numbers(self, side: int) -> Int64[Tensor, "n_samples"]:
        """Cell of each sample at ``side``."""
        return _coarser(self.cells, side)

    def labelled(self, mask: Bool[Tensor, "h w"]) -> Bool[Tensor, "n_samples"]:
        """Samples of rays under a mask."""
        return mask.flatten()[self.pixels][self.rays]


@dataclass(frozen=True)
class Ballots:
    """Votes of masks, over the cells that any of them claims.

    Attributes:
        side: Cells a side of the contracted cube.
        place: Row of each cell of the cube among those that count, or -1.
        views: Numbers of the views that vote, ascending.
        owner: Row of ``seen`` that each mask belongs to.
        seen: Weight that each view leaves in each cell.
        inside: The part of it under each mask.
    """

    side: int
    place: Int64[Tensor, "n_cube"]
    views: tuple[int, ...]
    owner: Int64[Tensor, "n_masks"]
    seen: Float[Tensor, "n_views n_cells"]
    inside: Float[Tensor, "n_masks n_cells"]

    def spread_over(self, booth: Booth, values: Float[Tensor, "n_cells"]) -> Float[Tensor, "n_rays"]:
        """Σ_k w_k v(x_k) of a view's rays, where cells have values; what lies elsewhere adds 0."""
        at = self.place[booth.numbers(self.side)]
        counts = at >= 0
        sums = torch.zeros(len(booth.pixels))
        return sums.index_add_(0, booth.rays[counts], booth.weights[counts] * values[at[counts]])


def count_ballots(booths: Mapping[int, Booth], masks: Sequence[tuple[int, Bool[Tensor, "h w"]]]) -> Ballots:
    """The votes of masks, at the finest cells that rays are dense enough for.

    Args:
        booths: Of the masks' views.
        masks: View number and pixels of each, at least one; a view may have several.
    """
    views = tuple(sorted({number for number, _ in masks}))
    row = {number: index for index, number in enumerate(views)}
    owner = torch.tensor([row[number] for number, _ in masks], dtype=torch.int64)
    labelled = [booths[number].labelled(mask).nonzero()[:, 0] for number, mask in masks]
    claims = [booths[number].cells[hit] for (number, _), hit in zip(masks, labelled, strict=True)]
    weight = [booths[number].weights[hit] for (number, _), hit in zip(masks, labelled, strict=True)]
    claimed = torch.zeros(SIDES[0] ** 3)
    for cells, weights in zip(claims, weight, strict=True):
        claimed.index_add_(0, cells, weights)
    side = SIDES[0]
    each_view = claimed.sum() * len(views) / len(masks)
    for coarser in SIDES[1:]:
        if float(each_view) >= DENSE * int((claimed > 0).sum()):
            break
        claimed = claimed.view(-1, 8).sum(1)
        side = coarser
    cells = claimed.nonzero()[:, 0]
    place = torch.full((side**3,), -1, dtype=torch.int64)
    place[cells] = torch.arange(len(cells))
    seen = torch.zeros(len(views), len(cells))
    inside = torch.zeros(len(masks), len(cells))
    for number in views:
        booth = booths[number]
        at = place[booth.numbers(side)]
        counts = at >= 0
        seen[row[number]].index_add_(0, at[counts], booth.weights[counts])
    for index, (cells, weights) in enumerate(zip(claims, weight, strict=True)):
        inside[index].index_add_(0, place[_coarser(cells, side)], weights)
    return Ballots(side, place, views, owner, seen, inside)


def _spread_bits(side: int) -> Int64[Tensor, "side"]:
    """Numbers below a power of two, two zeros before each of their bits."""
    numbers = torch.arange(side)
    bits = [(numbers >> bit & 1) << 3 * bit for bit in range(side.bit_length() - 1)]
    return torch.stack(bits).sum(0)


def _coarser(cells: Int64[Tensor, "n"], side: int) -> Int64[Tensor, "n"]:
    return cells >> 3 * (SIDES[0] // side).bit_length() - 3
