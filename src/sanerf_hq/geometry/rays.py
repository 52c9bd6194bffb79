"""Rays: what a camera hands to the radiance field."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Rays:
    """A batch of rays.

    Attributes:
        origins: Starting points.
        directions: Unit vectors.
        cosines: Cosine between each ray and its camera's optical axis: depth = distance x cosine.
        times: Moments in [0, 1], or None for a scene that stands still.
    """

    origins: Float[Tensor, "n_rays 3"]
    directions: Float[Tensor, "n_rays 3"]
    cosines: Float[Tensor, "n_rays"]
    times: Float[Tensor, "n_rays"] | None = None

    def __len__(self) -> int:
        return self.origins.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Rays:
        times = None if self.times is None else self.times[index]
        return Rays(self.origins[index], self.directions[index], self.cosines[index], times)

    def to(self, device: torch.device | str) -> Rays:
        times = None if self.times is None else self.times.to(device)
        return Rays(self.origins.to(device), self.directions.to(device), self.cosines.to(device), times)


def concatenate_rays(batches: list[Rays]) -> Rays:
    """One batch out of several; either all or none of them carry times."""
    times = [batch.times for batch in batches if batch.times is not None]
    if times and len(times) != len(batches):
        raise ValueError("rays with and without times cannot be joined")
    return Rays(
        torch.cat([batch.origins for batch in batches]),
        torch.cat([batch.directions for batch in batches]),
        torch.cat([batch.cosines for batch in batches]),
        torch.cat(times) if times else None,
    )
