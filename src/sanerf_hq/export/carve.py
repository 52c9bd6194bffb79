"""Carve: which voxels the training cameras leave standing, by outlines and by the light that gets through.

Photographs say where an object is not: a pixel beside it empties all voxels that it shows. What no camera
looks into, such as the object's own inside, is left standing, whatever the field's density there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from sanerf_hq.export.sights import Sight
from sanerf_hq.export.voxels import LOOSE, Voxels, main_clump, surround
from sanerf_hq.runs import Progress, ProgressCallback, quiet

STAGE = "carve"
VOTES = (0.07, 0.12)  # shares of the views that must agree: that a voxel is outside, that it lies in front
KNOWN = 0.3  # share of the views that must know of a voxel for it to have any support
SUPPORTED = 0.5  # share of the views that know of a voxel whose masks must cover it
LACKED = 0.3  # share of the views that know of a voxel from which the field is taken to lack it
GROWTH = 0.5  # of the size of what rays meet, by which the object may be larger on each side
ROUGH_CELLS = 72  # along the longest side of the space that an object is looked for in
RAMP = 1.5  # voxels: half the depth over which a surface is passed
MOSTLY = 0.9  # points that are still asked are packed anew when fewer than this are left of them
CLEAR = 0.05  # what is left of a voxel after which no further view is asked
BEHIND = 0.03  # of the grid's size: a surface that much behind a voxel shows that nothing hides the voxel
POINTS_A_PART = 1 << 18
COARSE = 4  # voxels along a side of the cells that rays are counted in
PASSES = 2  # rays that must have passed a cell


@dataclass(frozen=True)
class Carved:
    """What the views leave of each voxel, in [0, 1].

    Attributes:
        outlined: 1 inside all outlines, 0 outside, 0.5 on them.
        unseen: 1 where no ray that ends on the object passes, 0 in front of it, 0.5 on its surface; as
            ``outlined`` where the field lacks what the masks show, so that rays tell nothing.
        support: Share of the views in which the object's pixels cover the voxel, of those that know of it; 0
            where too few do.
    """

    outlined: Float[Tensor, "nx ny nz"]
    unseen: Float[Tensor, "nx ny nz"]
    support: Float[Tensor, "nx ny nz"]


@torch.no_grad()
def carve(sights: list[Sight], voxels: Voxels, progress: ProgressCallback = quiet) -> Carved:
    """Ask every view about every voxel.

    A view gives two answers, each the lowest of which, but for a few of the views that know, is what is left:
    were it the very lowest, each view's errors would eat into the object. Only voxels near a border are asked
    one by one.
    """
    rough = voxels.coarser(COARSE)
    parts = _standing(sights, rough, torch.arange(rough.n_points), voxels, quiet)
    known = [part.view(rough.shape) for part in parts]
    mixed = torch.zeros(rough.shape, dtype=torch.bool)
    for part in known[:2]:
        mixed |= spread(part > CLEAR) & spread(part < 1 - CLEAR)
    mixed &= spread(known[0] > CLEAR)
    maps = [enlarged(part, voxels.shape) for part in known]
    asked = enlarged(mixed, voxels.shape).flatten().nonzero()[:, 0]
    for kept, new in zip(maps, _standing(sights, voxels, asked, voxels, progress), strict=True):
        kept.view(-1)[asked] = new
    return Carved(*maps)


@torch.no_grad()
def extent(sights: list[Sight], points: Float[Tensor, "n 3"]) -> Float[Tensor, "m 3"]:
    """Points all over the object, also where rays pass through it because the field lacks a thin part.

    Args:
        sights: The views.
        points: Where rays meet it.
    """
    from scipy import ndimage

    clump = main_clump(points)
    low, high = clump.amin(0), clump.amax(0)
    room = GROWTH * (high - low).max()
    rough = surround(torch.stack([low - room, high + room]), ROUGH_CELLS)
    outlined, _, support = _standing(sights, rough, torch.arange(rough.n_points), rough, quiet)
    held = ((outlined >= 0.5) & (support >= SUPPORTED)).view(rough.shape).numpy()
    parts = np.zeros(rough.shape, np.int32)
    ndimage.label(held, np.ones((3, 3, 3)), output=parts)
    here = np.clip(
        np.rint(rough.to_cells(clump.double().numpy())).astype(np.int64), 0, np.array(rough.shape) - 1
    )
    met = np.bincount(parts[tuple(here.T)], minlength=int(parts.max()) + 1)
    met[0] = 0
    large = met > LOOSE * len(clump)
    found = rough.points(torch.from_numpy(large[parts].ravel()).nonzero()[:, 0])
    return torch.cat([clump, found])


def spread(cells: Bool[Tensor, "nx ny nz"]) -> Bool[Tensor, "nx ny nz"]:
    """The cells with their neighbours."""
    return torch.nn.functional.max_pool3d(cells[None, None].float(), 3, 1, 1)[0, 0] > 0


def enlarged(values: Shaped[Tensor, "cx cy cz"], shape: tuple[int, int, int]) -> Shaped[Tensor, "nx ny nz"]:
    """Values of cells of :data:`COARSE` voxels a side, for each voxel."""
    for axis in range(3):
        values = values.repeat_interleave(COARSE, axis)
    return values[: shape[0], : shape[1], : shape[2]].contiguous()


def _standing(
    sights: list[Sight], asked: Voxels, index: Int64[Tensor, "n"], voxels: Voxels, progress: ProgressCallback
) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"], Float[Tensor, "n"]]:
    """What :class:`Carved` holds, for some points of the grid ``asked``."""
    margin, ramp = BEHIND * voxels.size, RAMP * voxels.spacing
    most = [_votes(torch.tensor(len(sights)), share) for share in VOTES]
    results = torch.zeros(3, len(index))
    for first in range(0, len(index), POINTS_A_PART):
        progress(Progress(STAGE, first, len(index)))
        points = asked.points(index[first : first + POINTS_A_PART])
        alive = torch.arange(first, first + len(points))
        lowest = torch.ones(sum(map(int, most)), len(points))  # of both answers, each in ascending order
        knowing, covering, lacking = torch.zeros(3, len(points))
        for sight in _spread(sights):
            said = evidence(sight, points, margin, ramp)
            knowing += said.knows
            covering += said.covers
            lacking += said.lacks
            rank = 0
            for n, answer in zip(most, (said.outlined, said.behind), strict=True):
                for _ in range(int(n)):
                    value = lowest[rank]
                    lowest[rank], answer = torch.minimum(value, answer), torch.maximum(value, answer)
                    rank += 1
            standing = lowest[int(most[0]) - 1] > CLEAR
            if float(standing.float().mean()) < MOSTLY:
                alive, points = alive[standing], points[standing]
                lowest, knowing = lowest[:, standing], knowing[standing]
                covering, lacking = covering[standing], lacking[standing]
        rank = 0
        for result, n, share in zip(results, most, VOTES, strict=False):
            ranks = rank + _votes(knowing, share) - 1
            result[alive] = lowest.gather(0, ranks[None])[0]
            rank += int(n)
        lacked = alive[lacking >= LACKED * knowing.clamp_min(1)]
        results[1, lacked] = results[0, lacked]
        results[2, alive] = torch.where(knowing >= KNOWN * len(sights), covering / knowing.clamp_min(1), 0.0)
    progress(Progress(STAGE, len(index), len(index)))
    return results[0], results[1], results[2]


def _votes(knowing: Tensor, share: float) -> Int64[Tensor, "*n"]:
    """How many of the views that know of a voxel must agree."""
    return (knowing * share).round().long().clamp_min(1)


@dataclass(frozen=True)
class Evidence:
    """What a view says of points.

    Attributes:
        outlined: Whether they lie within the outline, in [0, 1]; 1 where the view does not know.
        behind: Whether they lie behind the object's surface, in [0, 1]; 1 where the view does not know.
        knows: Whether it knows at all: nothing else hides them.
        covers: Whether the object's pixels cover them.
        lacks: Whether the object's pixels do, but the ray there passes on to something else.
    """

    outlined: Float[Tensor, "n"]
    behind: Float[Tensor, "n"]
    knows: Bool[Tensor, "n"]
    covers: Bool[Tensor, "n"]
    lacks: Bool[Tensor, "n"]


def evidence(sight: Sight, points: Float[Tensor, "n 3"], margin: float, ramp: float) -> Evidence:
    """What a view says of points.

    Args:
        sight: The view.
        points: In the scene's coordinates.
        margin: Surfaces hide what lies behind them, and what lies less than so much in front.
        ramp: Half the depth over which ``behind`` goes from 0 to 1.
    """
    seen = sight.camera.project(points)
    h, w = sight.share.shape
    at = (seen.xy - 0.5).nan_to_num(0).clamp(-4, max(h, w) + 4)
    low = at.floor()
    x, y = (at - low).unbind(-1)
    i, j = low.long().unbind(-1)
    inside = (i >= 0) & (i < w - 1) & (j >= 0) & (j < h - 1) & (seen.depth > 0)
    flat = j.clamp(0, h - 2) * w + i.clamp(0, w - 2)
    share = sight.share.flatten()
    above = torch.lerp(share[flat], share[flat + 1], x)
    below = torch.lerp(share[flat + w], share[flat + w + 1], x)
    outline = torch.lerp(above, below, y)
    nearest = flat + (y > 0.5) * w + (x > 0.5)
    covers = inside & (outline >= 0.5)
    knows = covers | (inside & (sight.depth.flatten()[nearest] >= seen.depth + margin))
    outlined = torch.where(knows, outline, 1.0)
    front = sight.front.flatten()[nearest]
    behind = (0.5 + (seen.depth - front) / (2 * ramp)).clamp(0, 1)
    on = inside & (share[nearest] > 0.5) & (front > 0)
    lacks = covers & ~on & (sight.depth.flatten()[nearest] >= seen.depth + margin)
    return Evidence(outlined, torch.where(on, behind, outlined), knows, covers, lacks)


@torch.no_grad()
def passed(sights: list[Sight], voxels: Voxels) -> Bool[Tensor, "cx cy cz"]:
    """Cells of :data:`COARSE` voxels a side that rays pass on their way to the first surface."""
    shape = tuple(-(-n // COARSE) for n in voxels.shape)
    low = torch.tensor(voxels.low) - 0.5 * voxels.spacing
    cell = COARSE * voxels.spacing
    sides = torch.tensor(shape)
    counts = torch.zeros(shape[0] * shape[1] * shape[2])
    for sight in sights:
        rays = sight.camera.rays(sight.rays)
        end = sight.ray_front / rays.cosines
        near, far = _through(rays.origins, rays.directions, low, low + sides * cell)
        far = torch.minimum(far, end)
        steps = torch.arange(int((sides.double().norm() + 1) * 2)) * (cell / 2)
        t = near[:, None] + steps
        within = (t < far[:, None]).nonzero()
        points = (
            rays.origins[within[:, 0]]
            + rays.directions[within[:, 0]] * t[within[:, 0], within[:, 1]][:, None]
        )
        ijk = ((points - low) / cell).long().clamp_min(0).minimum(sides - 1)
        flat = (ijk[:, 0] * shape[1] + ijk[:, 1]) * shape[2] + ijk[:, 2]
        once = torch.unique(within[:, 0] * counts.numel() + flat) % counts.numel()
        counts += torch.bincount(once, minlength=counts.numel())
    return (counts >= PASSES).view(shape)


def _through(origins: Tensor, directions: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave a box; the leaving is before the entering where they miss it."""
    safe = torch.where(directions.abs() < 1e-9, torch.full_like(directions, 1e-9), directions)
    one, other = (low - origins) / safe, (high - origins) / safe
    near = torch.minimum(one, other).amax(-1).clamp_min(0)
    return near, torch.maximum(one, other).amin(-1)


def _spread(sights: list[Sight]) -> list[Sight]:
    """The same in an order in which neighbours are far apart, so that most is carved early."""
    step = next(n for n in (7, 5, 3, 11, 1) if len(sights) % n) if len(sights) > 1 else 1
    return [sights[i * step % len(sights)] for i in range(len(sights))]
