"""How near to a camera is too near for its own rays to change the density much.

Descent grows floaters right before a camera, which it alone sees, after "Floaters No More" (2023). What is
near is told by what each camera sees: one that comes close to things must teach what is close to it, or
photos from afar and from nearby settle on different surfaces.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

UNHEARD = 0.4  # of a camera's nearness, the distance within which its own rays do not change the density
NEARER = 0.25  # quantile of a camera's distances that counts as where its near things are
SHARE = 0.6  # of that distance is near
RATE = 0.05  # of change a step, in the distance's logarithm


@dataclass
class Nearness:
    """Within which distance each camera's rays are quieted; learnt in training, changed in place.

    Attributes:
        log_reach: Logarithm of the distance, in field units, that a quarter of the camera's rays end before.
    """

    log_reach: Float[Tensor, "n_cameras"]

    @staticmethod
    def unknown(n_cameras: int, most: float, device: torch.device | str = "cpu") -> Nearness:
        """Nothing is known of what cameras see, so each has the most."""
        return Nearness(torch.full((n_cameras,), most / SHARE, device=device).log())

    @property
    def reaches(self) -> Float[Tensor, "n_cameras"]:
        """The distance that a quarter of each camera's rays end before, in field units."""
        return self.log_reach.exp()

    def of(self, views: Int64[Tensor, "n_rays"], most: Float[Tensor, "n_cameras"]) -> Float[Tensor, "n_rays"]:
        """The nearness of each ray's camera, at most each camera's ``most``."""
        return torch.minimum(SHARE * self.reaches, most)[views]

    def learn(
        self,
        views: Int64[Tensor, "n_rays"],
        distances: Float[Tensor, "n_rays"],
        ended: Bool[Tensor, "n_rays"],
    ) -> None:
        """Move each camera's reach towards the quantile of the distances at which its rays end.

        Args:
            views: Each ray's camera.
            distances: At which it ends.
            ended: Whether it does: distances of others are not looked at.
        """
        nearer = ended & (distances.log() < self.log_reach[views])
        n_cameras = len(self.log_reach)
        counts, below = (
            torch.zeros(n_cameras, device=distances.device).index_add_(0, views, each.float())
            for each in (ended, nearer)
        )
        self.log_reach += RATE * (NEARER - below / counts.clamp_min(1)) * (counts > 0)


def quieted(grad: Float[Tensor, "n"], near: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """The gradient of densities, less of it near the ray's own camera.

    Descent makes density grow where its gradient is negative, and growth makes floaters; so it is quieted
    most. Were shrinking not quieted at all, a camera that comes close would take away what all others see
    from afar; were it quieted as much, floaters would stay.

    Args:
        grad: Of each sample's density.
        near: Its distance from the camera, in units of the camera's nearness.
    """
    heard = (near - UNHEARD).clamp(0.0, 1.0)
    return grad * torch.where(grad < 0, heard.square(), heard.sqrt())
