"""Surface samples: the few samples of a ray that carry its weight, all that object fields are trained on.

The density is frozen once trained, so where a ray meets surfaces is found once, for every object to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float16, Int32, Int64
from torch import Tensor

from sanerf_hq.radiance.trace import Traced

SAMPLES_A_RAY = 8
NEGLIGIBLE = 1e-3  # a weight that is not worth a row


@dataclass(frozen=True)
class SurfaceSamples:
    """At most eight weighted samples for each ray.

    Attributes:
        unit_points: Contracted positions in [0, 1]³.
        geometry: The density network's features there.
        weights: w_k, scaled so that a ray's sum is its opacity.
        packed_info: First sample and number of samples of each ray.
        opacity: Share of light that each ray's surfaces stop, in [0, 1].
        distance: Mean distance along the ray (Eq. 5), field units; NaN where the opacity is below 0.5.
    """

    unit_points: Float[Tensor, "n_samples 3"]
    geometry: Float16[Tensor, "n_samples n_geometry"]
    weights: Float[Tensor, "n_samples"]
    packed_info: Int32[Tensor, "n_rays 2"]
    opacity: Float[Tensor, "n_rays"]
    distance: Float[Tensor, "n_rays"]

    def __len__(self) -> int:
        return self.packed_info.shape[0]

    @property
    def ray_indices(self) -> Int64[Tensor, "n_samples"]:
        """Ray of each sample."""
        rays = torch.arange(len(self), device=self.weights.device)
        return rays.repeat_interleave(self.packed_info[:, 1].long())

    def take(self, rays: Int64[Tensor, "n"]) -> SurfaceSamples:
        """The samples of some rays, in the order asked for; a ray may be asked for twice."""
        info = self.packed_info[rays].long()
        counts = info[:, 1]
        starts = counts.cumsum(0) - counts
        total = int(counts.sum())
        shift = (info[:, 0] - starts).repeat_interleave(counts, output_size=total)
        index = torch.arange(total, device=shift.device) + shift
        return SurfaceSamples(
            self.unit_points[index],
            self.geometry[index],
            self.weights[index],
            torch.stack([starts, counts], -1).int(),
            self.opacity[rays],
            self.distance[rays],
        )

    @staticmethod
    def join(parts: Sequence[SurfaceSamples]) -> SurfaceSamples:
        """The rays of several, one after the other."""
        shift = 0
        infos = []
        for part in parts:
            infos.append(part.packed_info + part.packed_info.new_tensor([shift, 0]))
            shift += part.weights.shape[0]
        return SurfaceSamples(
            torch.cat([part.unit_points for part in parts]),
            torch.cat([part.geometry for part in parts]),
            torch.cat([part.weights for part in parts]),
            torch.cat(infos),
            torch.cat([part.opacity for part in parts]),
            torch.cat([part.distance for part in parts]),
        )

    @staticmethod
    def none(n_geometry: int, device: torch.device | str = "cpu") -> SurfaceSamples:
        """No ray at all."""
        empty = torch.zeros(0, device=device)
        return SurfaceSamples(
            torch.zeros(0, 3, device=device),
            torch.zeros(0, n_geometry, dtype=torch.float16, device=device),
            empty,
            torch.zeros(0, 2, dtype=torch.int32, device=device),
            empty,
            empty,
        )


@torch.no_grad()
def strongest(traced: Traced, opaque: float) -> SurfaceSamples:
    """The strongest samples of each ray, at most eight, front to back."""
    samples, weights = traced.samples, traced.weights
    info = samples.packed_info.long()
    n_rays = info.shape[0]
    rays = torch.arange(n_rays, device=info.device).repeat_interleave(info[:, 1])
    opacity, distance = (
        torch.zeros(n_rays, device=info.device).index_add_(0, rays, values)
        for values in (weights, weights * samples.distances)
    )
    kept = weights > NEGLIGIBLE
    most = int(info[:, 1].max()) if n_rays else 0
    if most > SAMPLES_A_RAY:
        padded = torch.full((n_rays, most), -1.0, device=info.device)
        place = torch.arange(len(rays), device=info.device) - info[:, 0][rays]
        padded[rays, place] = weights
        best = padded.topk(SAMPLES_A_RAY, dim=1).indices
        chosen = torch.zeros_like(padded, dtype=torch.bool).scatter_(1, best, True)
        kept &= chosen[rays, place]
    rays, weights = rays[kept], weights[kept]
    sums = torch.zeros(n_rays, device=info.device).index_add_(0, rays, weights)
    counts = torch.bincount(rays, minlength=n_rays)
    return SurfaceSamples(
        samples.unit_points[kept],
        traced.geometry[kept].half(),
        weights * (opacity / sums.clamp_min(1e-9))[rays],
        torch.stack([counts.cumsum(0) - counts, counts], -1).int(),
        opacity,
        torch.where(opacity >= opaque, distance / opacity.clamp_min(1e-9), torch.nan),
    )
