"""Clearance: how far in front of a camera space is known to be empty.

A training camera sees no surface nearer than d. From a point at distance δ from it, what it sees cannot be
nearer than d - δ. Rays that look the same way start half as far out: fog that no training view could clear
away, since it hangs where only new cameras stand, is not rendered. Far from all training cameras nothing is
known, and rays start where they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.geometry import Rays

SHARE = 0.5
ALIKE = 0.5  # cosine between a ray and a camera's axis from which they look the same way


@dataclass(frozen=True)
class Clearance:
    """What training cameras say about empty space, in the field's coordinates.

    Attributes:
        centers: Of the cameras.
        forwards: Their axes.
        distances: Of the nearest surfaces that each sees, along the ray.
    """

    centers: Float[Tensor, "n_cameras 3"]
    forwards: Float[Tensor, "n_cameras 3"]
    distances: Float[Tensor, "n_cameras"]

    @staticmethod
    def unknown(device: torch.device | str = "cpu") -> Clearance:
        """Nothing is known to be empty."""
        return Clearance(*(torch.zeros(shape, device=device) for shape in ((0, 3), (0, 3), (0,))))

    def starts(self, rays: Rays) -> Float[Tensor, "n_rays"]:
        """How far each ray may be moved forward without passing a surface."""
        if not len(self.distances):
            return torch.zeros(len(rays), device=rays.origins.device)
        away = torch.cdist(rays.origins, self.centers)
        free = (self.distances - away) * (rays.directions @ self.forwards.T >= ALIKE)
        return SHARE * free.amax(-1).clamp_min(0)
