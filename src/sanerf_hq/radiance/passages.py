"""Passages: space that is taken to be empty because the photographer went by.

Who took two photos of the same thing from places near each other walked from one to the other, and would on
the way have seen nothing nearer than what both photos show. What lies before that way is taken to be empty if
hardly a photo looks there, and none from nearby. Else cameras on the other side, which see what is behind the
thing, may put their background there: a wall right before the eyes of a new camera on the way.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from sanerf_hq.geometry import Camera, WorldTransform
from sanerf_hq.radiance.coarse_cells import as_grid, cell_middles

NEIGHBOURS = 3  # of a camera, to which its photographer may have walked
APART = 0.8  # of the nearer reach, the longest way
ALIKE = 0.8  # cosine between two cameras' axes from which they look at the same thing
DEEP = 0.6  # of the nearer reach, how deep before the way nothing is
SPREAD = 0.4  # of the depth, how far beside the way's own line of sight; about a photo's field of view
NEARBY = 1.25  # reaches within which what a camera has in view is its own matter
FEW = 1 / 8  # of the cameras; what more of them have in view they can tell themselves
INNER = 3.0  # field units from the middle, beyond which no cell is asked for


def ways(
    centers: Float[Tensor, "n_cameras 3"],
    forwards: Float[Tensor, "n_cameras 3"],
    reaches: Float[Tensor, "n_cameras"],
) -> Int64[Tensor, "n_ways 2"]:
    """Pairs of cameras between which somebody walked.

    Args:
        centers: Of the cameras, in the field's coordinates.
        forwards: Their axes, of unit length.
        reaches: How far away what each of them sees is.
    """
    away = torch.cdist(centers, centers)
    longest = APART * torch.minimum(reaches[:, None], reaches[None])
    fits = (away <= longest) & (forwards @ forwards.T >= ALIKE)
    away = away.masked_fill(~fits.fill_diagonal_(False), torch.inf)
    nearest = away.topk(min(NEIGHBOURS, len(away)), largest=False)
    chosen = torch.zeros_like(fits).scatter_(1, nearest.indices, nearest.values.isfinite())
    return (chosen | chosen.T).triu().nonzero()


def before_ways(
    points: Float[Tensor, "n 3"],
    centers: Float[Tensor, "n_cameras 3"],
    forwards: Float[Tensor, "n_cameras 3"],
    reaches: Float[Tensor, "n_cameras"],
) -> Bool[Tensor, "n"]:
    """Whether points lie close before a way (see :func:`ways`)."""
    before = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    for first, second in ways(centers, forwards, reaches).tolist():
        depth = DEEP * torch.minimum(reaches[first], reaches[second])
        way = centers[second] - centers[first]
        farthest = depth * (1 + SPREAD) + way.norm() / 2
        own = ((points - (centers[first] + way / 2)).norm(dim=-1) < farthest).nonzero()[:, 0]
        offsets = points[own] - centers[first]
        shares = ((offsets @ way) / way.square().sum().clamp_min(1e-12)).clamp(0.0, 1.0)[:, None]
        offsets = offsets - shares * way
        axes = normalize(forwards[first].lerp(forwards[second], shares), dim=-1)
        ahead = (offsets * axes).sum(-1)
        aside = (offsets - ahead[:, None] * axes).norm(dim=-1)
        before[own] |= (ahead < depth) & (aside < SPREAD * ahead)
    return before


def passages(
    cameras: Sequence[Camera], world: WorldTransform, reaches: Float[Tensor, "n_cameras"], side: int
) -> Bool[Tensor, "side side side"]:
    """Cells of the contracted cube that are empty because somebody went by.

    Args:
        cameras: That photos were taken with.
        world: From their coordinates to the field's.
        reaches: How far away what each of them sees is, in field units.
        side: Cells a side of the cube.
    """
    device = reaches.device
    centers = world.to_field(torch.stack([camera.center for camera in cameras])).to(device)
    forwards = torch.stack([camera.forward for camera in cameras]).to(device)
    middles = cell_middles(device)
    asked = (middles.abs().amax(-1) < INNER).nonzero()[:, 0]
    asked = asked[before_ways(middles[asked], centers, forwards, reaches)]
    viewers = torch.zeros(len(asked), device=device)
    for camera, center, reach in zip(cameras, centers, reaches, strict=True):
        in_view = camera.project(world.to_scene(middles[asked])).on_screen
        nearby = (middles[asked] - center).norm(dim=-1) < NEARBY * reach
        viewers += torch.where(nearby, float(len(cameras)), 1.0) * in_view
        left = viewers < FEW * len(cameras)  # others need not be asked any more
        asked, viewers = asked[left], viewers[left]
    return as_grid(asked, side)
