"""Clearance: how far in front of a camera space is known to be empty.

A training camera sees no surface nearer than d. From a point at distance δ beside it, what lies the same way
is hardly nearer than d - δ. A ray asks the camera nearest to it among those that have its direction in their
picture, and starts half as far out: fog that no training view could clear away, since it hangs where only new
cameras stand, is not rendered. Where no picture shows the direction nothing is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.geometry import Camera, Rays, WorldTransform

SHARE = 0.5
BESIDE = 0.1  # at z = 1, how far beside its picture a camera is asked as well
SIDE = 16  # places along each side of a picture that tell what is surely in it


@dataclass(frozen=True)
class Clearance:
    """What training cameras say about empty space, in the field's coordinates.

    Attributes:
        centers: Of the cameras.
        axes: Their right, down and forward axes, as columns.
        pictures: The largest upright rectangle that each has in its picture: left, top, right and bottom at
            z = 1.
        distances: Of the nearest surfaces that each sees, along the ray.
    """

    centers: Float[Tensor, "n_cameras 3"]
    axes: Float[Tensor, "n_cameras 3 3"]
    pictures: Float[Tensor, "n_cameras 4"]
    distances: Float[Tensor, "n_cameras"]

    @staticmethod
    def unknown(device: torch.device | str = "cpu") -> Clearance:
        """Nothing is known to be empty."""
        shapes = (0, 3), (0, 3, 3), (0, 4), (0,)
        return Clearance(*(torch.zeros(shape, device=device) for shape in shapes))

    @staticmethod
    def of(
        cameras: Sequence[Camera], world: WorldTransform, distances: Float[Tensor, "n_cameras"]
    ) -> Clearance:
        """By cameras in the scene's coordinates, and the distances in the field's."""
        centers = world.to_field(torch.stack([camera.center for camera in cameras]))
        axes = torch.stack([camera.camtoworld[:3, :3] for camera in cameras])
        pictures = torch.stack([_picture(camera) for camera in cameras])
        device = distances.device
        return Clearance(centers.to(device), axes.to(device), pictures.to(device), distances)

    def starts(self, rays: Rays) -> Float[Tensor, "n_rays"]:
        """How far each ray may be moved forward without passing a surface."""
        if not len(self.distances):
            return torch.zeros(len(rays), device=rays.origins.device)
        local = torch.einsum("rk,ckj->rcj", rays.directions, self.axes)
        flat = local[..., :2] / local[..., 2:].clamp_min(1e-9)
        low, high = self.pictures.split(2, -1)
        shown = ((flat >= low - BESIDE) & (flat <= high + BESIDE)).all(-1) & (local[..., 2] > 0)
        away = torch.cdist(rays.origins, self.centers).masked_fill(~shown, torch.inf)
        nearest, camera = away.min(-1)
        return (SHARE * (self.distances[camera] - nearest)).clamp_min(0)


def _picture(camera: Camera) -> Float[Tensor, "4"]:
    along = torch.linspace(0, 1, SIDE)
    start, end = torch.zeros(SIDE), torch.ones(SIDE)
    sides = [(start, along), (along, start), (end, along), (along, end)]
    size = torch.tensor([camera.width, camera.height]).float()
    left, top, right, bottom = (
        camera.local_directions(torch.stack(side, -1) * size)[:, :2] for side in sides
    )
    return torch.stack([left[:, 0].max(), top[:, 1].max(), right[:, 0].min(), bottom[:, 1].min()])
