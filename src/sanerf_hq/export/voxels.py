"""Voxels: a regular grid of points round an object, axes as the scene's own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sanerf_hq.export.sights import Sight

HALF_PIXEL = 0.5  # spacing in pixels of the training photos: what they do not resolve need not be sampled
FEWEST = 96  # cells along the longest side, however small the object is in the photos
ROOM = 4  # cells round the object's points
LOOSE = 0.01  # of the largest clump's points, below which a clump that stands apart is left out
CLUMP_CELLS = 48  # cells along the longest side in which points that touch are one clump


@dataclass(frozen=True)
class Voxels:
    """Points at ``low + spacing · (i, j, k)``.

    Attributes:
        low: The first point, in the scene's coordinates.
        spacing: Between neighbours, scene units.
        shape: Points along x, y and z.
    """

    low: tuple[float, float, float]
    spacing: float
    shape: tuple[int, int, int]

    @property
    def size(self) -> float:
        """The longest side, scene units."""
        return self.spacing * (max(self.shape) - 1)

    @property
    def n_points(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2]

    def coarser(self, factor: int) -> Voxels:
        """The middles of blocks of ``factor`` points a side."""
        shift = (factor - 1) / 2 * self.spacing
        x, y, z = self.low
        nx, ny, nz = (-(-n // factor) for n in self.shape)
        return Voxels((x + shift, y + shift, z + shift), self.spacing * factor, (nx, ny, nz))

    def points(self, index: Int64[Tensor, "n"]) -> Float[Tensor, "n 3"]:
        """Points by their flat numbers, z fastest."""
        _, ny, nz = self.shape
        ijk = torch.stack([index // (ny * nz), index // nz % ny, index % nz], -1)
        return ijk * self.spacing + torch.tensor(self.low)

    def to_scene(self, places: np.ndarray) -> np.ndarray:
        """Places in units of cells to the scene's coordinates."""
        return places * self.spacing + np.asarray(self.low)

    def to_cells(self, points: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`to_scene`."""
        return (points - np.asarray(self.low)) / self.spacing


def surround(points: Float[Tensor, "n 3"], cells: float) -> Voxels:
    """The grid round points, with so many cells along the longest side."""
    low, high = points.amin(0), points.amax(0)
    longest = max(float((high - low).max()), 1e-9)
    spacing = longest / max(cells - 2 * ROOM, 1)
    counts = [math.ceil(float(side) / spacing) + 2 * ROOM + 1 for side in high - low]
    middle = (low + high) / 2
    first = [float(m) - (n - 1) / 2 * spacing for m, n in zip(middle, counts, strict=True)]
    return Voxels((first[0], first[1], first[2]), spacing, (counts[0], counts[1], counts[2]))


def main_clump(points: Float[Tensor, "n 3"]) -> Float[Tensor, "m 3"]:
    """The points without those of small clumps that stand apart."""
    from scipy import ndimage

    low, high = points.quantile(0.02, 0), points.quantile(0.98, 0)
    side = float((high - low).max()) / CLUMP_CELLS
    near = ((points > low - (high - low)) & (points < high + (high - low))).all(-1)
    cells = ((points[near] - low) / max(side, 1e-12)).floor().long()
    cells = cells - cells.amin(0)
    grid = np.zeros(tuple((cells.amax(0) + 1).tolist()), np.int32)
    np.add.at(grid, tuple(cells.T.numpy()), 1)
    labels = np.zeros(grid.shape, np.int32)
    ndimage.label(ndimage.binary_dilation(grid > 0, np.ones((3, 3, 3))), np.ones((3, 3, 3)), output=labels)
    sums = np.bincount(labels.ravel(), grid.ravel())
    large = sums >= LOOSE * sums.max()
    return points[near][torch.from_numpy(large[labels[tuple(cells.T.numpy())]])]


def fitting_cells(sights: list[Sight], points: Float[Tensor, "n 3"], most: int) -> float:
    """Cells along the longest side of an object: two a pixel of the photos, those taken nearest of all.

    Args:
        sights: The views.
        points: On the object.
        most: Cells at most.
    """
    middle = points.median(0).values
    sizes = [float((s.camera.center - middle).norm()) / s.camera.focal for s in sights]
    pixel = float(np.quantile(sizes, 0.25))
    return min(max(float((points.amax(0) - points.amin(0)).max()) / (HALF_PIXEL * pixel), FEWEST), most)
