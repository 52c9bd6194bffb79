"""The frames that SANeRF-HQ's 3D prompts are given in, and the way back to a scene's own coordinates.

The lists' points live where the authors' loader puts the cameras (``nerf/provider.py`` of
https://github.com/lyclyc52/SANeRF-HQ at b3bf10a, ``scripts/llff2nerf.py`` for LLFF): each a similarity of the
scene's coordinates that follows from the poses of *all* of its photos, by data set:

- mip360, lerf: the cameras' mean to the origin, their mean down axis to +z by the shortest turn, then world
  axes x and y swapped and z negated, the farthest camera at distance 1;
- 3dfront: world axes cycled to y, z, x; the cameras' mean to the origin, their mean up axis to +z by the
  shortest turn, the farthest camera at distance 1; others: the same without the cycle;
- llff: x and y swapped and z negated, the mean up axis to +z, the point that the cameras look at to the
  origin, their mean distance from it 4; then axes cycled to y, z, x and everything times 0.33.

Turned by the shortest way, a frame depends on how the scene's own axes stood: the points fit only the
published poses, not poses solved anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera

Point = tuple[float, float, float]
SWAP = torch.tensor([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]], dtype=torch.float64)  # (x, y, z) to (y, x, -z)
CYCLE = torch.tensor([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=torch.float64)  # (x, y, z) to (y, z, x)
LLFF_RADIUS, LLFF_SCALE = 4.0, 0.33
LEAST_ANGLE = 0.01  # squared sine between two optical axes that tell where they meet


def points_to_scene(
    dataset: str, cameras: Sequence[Camera], points: Sequence[Point], where: str
) -> tuple[Point, ...]:
    """Points of the lists in the scene's own coordinates.

    Args:
        dataset: Whose frame they are in.
        cameras: Of all photos of the scene, in the scene's coordinates.
        points: In the list's frame.
        where: How a message begins.

    Raises:
        InputError: The cameras do not fix the frame.
    """
    linear, offset = to_frame(dataset, cameras, where)
    moved = torch.tensor(points, dtype=torch.float64).reshape(-1, 3) - offset
    solved = torch.linalg.solve(linear, moved.T).T.tolist()
    return tuple((x, y, z) for x, y, z in solved)


def to_frame(
    dataset: str, cameras: Sequence[Camera], where: str
) -> tuple[Float[Tensor, "3 3"], Float[Tensor, "3"]]:
    """A, b of the similarity that takes a scene point p to A p + b in the frame of a data set.

    Raises:
        InputError: The cameras do not fix it.
    """
    poses = torch.stack([camera.camtoworld for camera in cameras]).double()
    centers, downs, forwards = poses[:, :3, 3], poses[:, :3, 1], poses[:, :3, 2]
    if dataset == "llff":
        linear = _upright(-downs @ SWAP.T, where) @ SWAP
        meeting, radius = _meeting_point(centers @ linear.T, -forwards @ linear.T, where)
        outer = CYCLE * (LLFF_SCALE * LLFF_RADIUS / radius)
        return outer @ linear, -outer @ meeting
    first = CYCLE if dataset == "3dfront" else torch.eye(3, dtype=torch.float64)
    colmap = dataset in ("mip360", "lerf")
    linear = _upright((downs if colmap else -downs) @ first.T, where) @ first
    if colmap:
        linear = SWAP @ linear
    middle = centers.mean(0)
    farthest = (centers - middle).norm(dim=1).max()
    if not farthest > 0:
        raise InputError(f"{where}: all cameras of the scene stand in one place; give the published poses")
    return linear / farthest, -(linear @ middle) / farthest


def _upright(axes: Float[Tensor, "n 3"], where: str) -> Float[Tensor, "3 3"]:
    """The shortest turn that takes the mean of axes to +z (Rodrigues)."""
    mean = axes.mean(0)
    if mean.norm() < 1e-6:
        raise InputError(f"{where}: the cameras of the scene have no common up; give the published poses")
    x, y, z = (mean / mean.norm()).tolist()
    if z < -1 + 1e-9:
        raise InputError(f"{where}: the cameras of the scene stand on their heads; give the published poses")
    cross = torch.tensor([[0.0, 0, -x], [0, 0, -y], [x, y, 0]], dtype=torch.float64)  # of (x,y,z) × (0,0,1)
    return torch.eye(3, dtype=torch.float64) + cross + cross @ cross / (1 + z)


def _meeting_point(
    centers: Float[Tensor, "n 3"], backwards: Float[Tensor, "n 3"], where: str
) -> tuple[Float[Tensor, "3"], float]:
    """Where the optical axes come nearest to each other, and the cameras' mean distance from there.

    For each pair of cameras the middle between the nearest points of both axes, none behind its camera;
    the mean of these weighs by the squared sine between the axes.
    """
    i, j = torch.triu_indices(len(centers), len(centers), 1)
    a, b, between = backwards[i], backwards[j], centers[j] - centers[i]
    cross = torch.linalg.cross(a, b)
    weight = cross.square().sum(-1)
    counts = weight > LEAST_ANGLE
    if not counts.any():
        raise InputError(f"{where}: the cameras of the scene look the same way; give the published poses")
    along_a = (torch.linalg.cross(between, b) * cross).sum(-1) / (weight + 1e-10)
    along_b = (torch.linalg.cross(between, a) * cross).sum(-1) / (weight + 1e-10)
    on_a = centers[i] + along_a.clamp_max(0)[:, None] * a
    on_b = centers[j] + along_b.clamp_max(0)[:, None] * b
    middles, weight = ((on_a + on_b) / 2)[counts], weight[counts]
    meeting = (middles * weight[:, None]).sum(0) / weight.sum()
    return meeting, float((centers - meeting).norm(dim=1).mean())
