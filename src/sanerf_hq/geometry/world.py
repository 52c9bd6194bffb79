"""World transform: between the scene's own coordinates and the frame that a field is trained in.

Everything public speaks the scene's coordinates and units; only a field's inside speaks its own frame. The
transform is recorded with the field, so exports land where the user's cameras are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.geometry.cameras import Camera
from sanerf_hq.geometry.poses import focus_point
from sanerf_hq.geometry.rays import Rays

CAMERA_RADIUS = 2.0


@dataclass(frozen=True)
class WorldTransform:
    """field point = scale · (scene point - center).

    Attributes:
        center: The scene point that becomes the field's origin.
        scale: Field units per scene unit, > 0.
    """

    center: tuple[float, float, float]
    scale: float

    @staticmethod
    def from_cameras(cameras: list[Camera]) -> WorldTransform:
        """Centre on what the cameras look at, median camera at distance 2.

        What lies within half the cameras' distance then fills the uncontracted cube [-1, 1]³.
        """
        focus = focus_point(cameras)
        distances = torch.stack([(camera.center - focus).norm() for camera in cameras])
        x, y, z = focus.tolist()
        return WorldTransform((x, y, z), CAMERA_RADIUS / max(float(distances.median()), 1e-9))

    def to_field(self, points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
        return (points - points.new_tensor(self.center)) * self.scale

    def to_scene(self, points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
        return points / self.scale + points.new_tensor(self.center)

    def rays_to_field(self, rays: Rays) -> Rays:
        return Rays(self.to_field(rays.origins), rays.directions, rays.cosines, rays.times)

    def length_to_scene(self, lengths: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return lengths / self.scale
