"""Closing: which part of what is full is the object, also where nobody sees it.

What stands on a table has no bottom in any photo. Seen from a point x, the object's visible surface covers a
solid angle Ω(x); w = Ω / 4π (the generalised winding number, Jacobson et al. 2013) is 1 inside a closed
surface and 0 outside. Where a flat opening is left, w is exactly 0.5 on the opening, however the rest is
shaped: from there the surface covers one half of all directions. So w ≥ 0.5 closes what stands on, or leans
at, something flat by that very plane.

w(x) = Σ a n·(y - x) / (4π |y - x|³) over the surface's elements is a convolution, done here by Fourier
transforms on the voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

BAND = 2.5  # voxels from a visible surface within which its own owner decides
VOTING = 2.0  # voxels over which surfaces agree whose they are
BLUR = 1.0  # voxels over which the decision is blurred, for a smooth cut


@dataclass(frozen=True)
class VisibleSurface:
    """The elements of what the training cameras see.

    Attributes:
        places: Their middles, in units of voxels.
        areas: Their areas times their outward normals, in voxels squared.
        own: Whether they are the object's.
    """

    places: Float[np.ndarray, "n 3"]
    areas: Float[np.ndarray, "n 3"]
    own: Bool[np.ndarray, "n"]


def winding(
    shape: tuple[int, int, int], places: Float[np.ndarray, "n 3"], areas: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "nx ny nz"]:
    """Winding number at each voxel of an open surface.

    Args:
        shape: Of the grid.
        places: Middles of the surface's elements, in units of voxels.
        areas: Their areas times their outward normals, in voxels squared.
    """
    from scipy import fft

    sizes = [2 * n for n in shape]  # so that the far side does not come round
    offsets = [np.fft.fftfreq(size, 1 / size).astype(np.float32) for size in sizes]
    x, y, z = offsets[0][:, None, None], offsets[1][None, :, None], offsets[2][None, None, :]
    cube = (x * x + y * y + z * z) ** 1.5
    cube[0, 0, 0] = 1.0  # an element says nothing of its own voxel: it is half inside
    total = np.zeros((sizes[0], sizes[1], sizes[2] // 2 + 1), np.complex64)
    for axis, along in enumerate((x, y, z)):
        moments = scattered(shape, places, areas[:, axis])
        # from x to y is minus the kernel's own offset x - y
        kernel = (-along / (4 * np.pi * cube)).astype(np.float32)
        total += np.asarray(fft.rfftn(moments, sizes)) * np.asarray(fft.rfftn(kernel, sizes))
    nx, ny, nz = shape
    return np.asarray(fft.irfftn(total, sizes))[:nx, :ny, :nz].astype(np.float32)


def scattered(
    shape: tuple[int, int, int], places: Float[np.ndarray, "n 3"], values: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "nx ny nz"]:
    """Values put on the grid, each divided among the eight voxels round its place."""
    grid = np.zeros(shape, np.float32)
    low = np.clip(np.floor(places).astype(np.int64), 0, np.array(shape) - 2)
    part = places - low
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, part, 1 - part), -1)
        np.add.at(grid, tuple((low + corner).T), (weight * values).astype(np.float32))
    return grid


def owned(
    shape: tuple[int, int, int], surface: VisibleSurface
) -> tuple[Float[np.ndarray, "nx ny nz"], Float[np.ndarray, "nx ny nz"]]:
    """Whose each voxel is: by the nearest visible surface, and far from any by the winding number.

    Args:
        shape: Of the grid.
        surface: All that is visible, of the object at least a part.

    Returns:
        How far each voxel is the object's, in [0, 1], and how many voxels it is from the object's visible
        surface.
    """
    from scipy import ndimage

    votes = scattered(shape, surface.places, np.where(surface.own, 1.0, -1.0))
    near = votes != 0
    votes = ndimage.gaussian_filter(votes, VOTING)
    distance, nearest = ndimage.distance_transform_edt(  # pyright: ignore[reportGeneralTypeIssues]
        ~near, return_indices=True
    )
    beside = distance <= BAND
    own = (votes > 0)[tuple(nearest[:, beside])]
    del distance, nearest  # by far the largest
    half = tuple(-(-n // 2) for n in shape)
    places, areas = surface.places[surface.own], surface.areas[surface.own]
    inside = winding((half[0], half[1], half[2]), (places - 0.5) / 2, areas / 4)
    for axis in range(3):
        inside = inside.repeat(2, axis)
    inside = inside[: shape[0], : shape[1], : shape[2]] >= 0.5
    decided = inside.astype(np.float32)
    decided[beside] = own
    away = np.asarray(ndimage.distance_transform_edt(~(near & (votes > 0))))
    return ndimage.gaussian_filter(decided, BLUR), away.astype(np.float32)
