"""Stands: space round each camera that is empty, because there its photographer stood.

At first nothing is known but where the cameras are. One that comes closer to what all look at than most do
takes less; so do all where photos were taken in small steps, for then things may be close. Once it is known
how far away what each camera sees is, more is taken where that is far, but for what others have before them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.geometry import Camera, WorldTransform
from sanerf_hq.radiance.coarse_cells import SIDE, as_grid, cell_middles, cells_round

STAND = 0.4  # field units round a camera, the most
OF_FOCUS = 0.31  # of its distance from what all cameras look at, the most at first
OF_STEP = 1.25  # of the usual distance from a camera to the next, the most at first
OF_REACH = 0.4  # of the distance that a quarter of its rays end before, the most
SAME = 1e-4  # field units up to which two cameras stand in one place
BEFORE = 1.25  # reaches within which what a camera sees is before it, not its background


def first_stands(centers: Float[Tensor, "n 3"]) -> Float[Tensor, "n"]:
    """Radius of the empty space round each camera's place, in field units.

    Args:
        centers: The places, several of which may be one; the field's origin is what all cameras look at.
    """
    away = (centers[:, None] - centers).norm(dim=-1)
    step = float(away.masked_fill(away < SAME, torch.inf).amin(-1).median())
    return (OF_FOCUS * centers.norm(dim=-1)).clamp(max=min(STAND, OF_STEP * step))


def stands(reaches: Float[Tensor, "n_cameras"]) -> Float[Tensor, "n_cameras"]:
    """The same once it is known what a quarter of each camera's rays end before, ``reaches``."""
    return (OF_REACH * reaches).clamp(max=STAND)


def before_others(
    cameras: Sequence[Camera], world: WorldTransform, reaches: Float[Tensor, "n_cameras"], side: int
) -> Bool[Tensor, "side side side"]:
    """Cells of the contracted cube round cameras that other cameras have before them.

    Args:
        cameras: That photos were taken with.
        world: From their coordinates to the field's.
        reaches: How far away what each of them sees is, in field units.
        side: Cells a side of the cube.
    """
    points = cell_middles(reaches.device)
    centers = world.to_field(torch.stack([camera.center for camera in cameras])).to(points)
    room = torch.full_like(reaches, 2 * STAND)  # for the size of cells
    near = cells_round(centers, room, SIDE).flatten()
    left = near.nonzero()[:, 0]
    for camera, center, reach in zip(cameras, centers, reaches, strict=True):
        away = (points[left] - center).norm(dim=-1)
        seen = camera.project(world.to_scene(points[left])).on_screen
        left = left[~((away > STAND) & (away < BEFORE * reach) & seen)]  # others need not be asked any more
    near[left] = False
    return as_grid(near.nonzero()[:, 0], side)
