"""Clearance: how far in front of a camera space is known to be empty.

A training camera sees no surface nearer than d. From a point at distance δ beside it, what lies the same way
is hardly nearer than d - δ. A ray asks the camera nearest to it among those that have its direction in their
picture, and starts half as far out: fog that no training view could clear away, since it hangs where only new
cameras stand, is not rendered. Where no picture shows the direction nothing is known. In a scene that moves,
only cameras of the ray's moment are asked: what was empty at another may be full now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sanerf_hq.geometry import Camera, Rays, WorldTransform

SHARE = 0.5
BESIDE = 0.1  # at z = 1, how far beside its picture a camera is asked as well
SIDE = 16  # places along each side of a picture that tell what is surely in it
FIRST_ASKED = 64  # cameras nearest to a batch of rays, mostly enough to find the one nearest to each


@dataclass(frozen=True)
class Clearance:
    """What training cameras say about empty space, in the field's coordinates.

    Attributes:
        centers: Of the cameras.
        axes: Their right, down and forward axes, as columns.
        pictures: The largest upright rectangle that each has in its picture: left, top, right and bottom at
            z = 1.
        distances: Of the nearest surfaces that each sees, along the ray.
        times: Their moments; None where the scene stands still, and in a field's file.
    """

    centers: Float[Tensor, "n_cameras 3"]
    axes: Float[Tensor, "n_cameras 3 3"]
    pictures: Float[Tensor, "n_cameras 4"]
    distances: Float[Tensor, "n_cameras"]
    times: Float[Tensor, "n_cameras"] | None = None

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
        known = Clearance(centers.to(device), axes.to(device), pictures.to(device), distances)
        return known.timed(cameras)

    def timed(self, cameras: Sequence[Camera]) -> Clearance:
        """The same, with the moments of its cameras where they have some."""
        moments = [camera.time for camera in cameras if camera.time is not None]
        return replace(self, times=torch.tensor(moments).to(self.distances) if moments else None)

    def starts(self, rays: Rays) -> Float[Tensor, "n_rays"]:
        """How far each ray may be moved forward without passing a surface."""
        if not len(self.distances) or not len(rays):
            return torch.zeros(len(rays), device=rays.origins.device)
        away = self._away(rays)
        closest = away.amin(0)
        order = closest.argsort()
        starts, left, asked = (
            torch.zeros_like(away[:, 0]),
            torch.arange(len(rays)).to(away.device),
            FIRST_ASKED,
        )
        while len(left):
            cameras = order[:asked].sort().values
            nearest, chosen = self._shown(rays[left], away[left][:, cameras], cameras).min(-1)
            starts[left] = (SHARE * (self.distances[cameras[chosen]] - nearest)).clamp_min(0)
            if asked >= len(order):
                break
            next_away = closest[order[asked]]
            left = left[(nearest >= next_away) & next_away.isfinite()]  # others may be nearer to these
            asked *= 2
        return starts

    def _away(self, rays: Rays) -> Float[Tensor, "n_rays n_cameras"]:
        """How far each ray is from each camera of its moment; infinitely from those of others."""
        away = torch.cdist(rays.origins, self.centers)
        if self.times is None or rays.times is None:
            return away
        moments = self.times.unique()
        nearest = (rays.times[:, None] - moments).abs().argmin(-1)
        return away.masked_fill(moments[nearest][:, None] != self.times, torch.inf)

    def _shown(
        self, rays: Rays, away: Float[Tensor, "n_rays n"], cameras: Int64[Tensor, "n"]
    ) -> Float[Tensor, "n_rays n"]:
        """How far each ray is from some cameras; infinitely from those that do not show its direction."""
        local = torch.einsum("rk,ckj->rcj", rays.directions, self.axes[cameras])
        flat = local[..., :2] / local[..., 2:].clamp_min(1e-9)
        low, high = self.pictures[cameras].split(2, -1)
        shown = ((flat >= low - BESIDE) & (flat <= high + BESIDE)).all(-1) & (local[..., 2] > 0)
        return away.masked_fill(~shown, torch.inf)


def _picture(camera: Camera) -> Float[Tensor, "4"]:
    along = torch.linspace(0, 1, SIDE)
    start, end = torch.zeros(SIDE), torch.ones(SIDE)
    sides = [(start, along), (along, start), (end, along), (along, end)]
    size = torch.tensor([camera.width, camera.height]).float()
    left, top, right, bottom = (
        camera.local_directions(torch.stack(side, -1) * size)[:, :2] for side in sides
    )
    return torch.stack([left[:, 0].max(), top[:, 1].max(), right[:, 0].min(), bottom[:, 1].min()])
