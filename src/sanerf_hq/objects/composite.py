"""Compositing identities: M(r) = softmax(Σ_k w_k m(x_k)) (Eq. 7).

What a ray does not meet inside the object's region, be it another surface or nothing at all, counts as
background, with a fixed identity vector of its own.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.kernels import accumulate
from sanerf_hq.objects.region import Region
from sanerf_hq.radiance import SurfaceSamples

BACKGROUND_LOGIT = 8.0


def restricted(surfaces: SurfaceSamples, region: Region) -> SurfaceSamples:
    """The samples that lie in a region, rays as before."""
    inside = region.inside(surfaces.unit_points)
    rays = surfaces.ray_indices[inside]
    counts = torch.bincount(rays, minlength=len(surfaces))
    return SurfaceSamples(
        surfaces.unit_points[inside],
        surfaces.geometry[inside],
        surfaces.weights[inside],
        torch.stack([counts.cumsum(0) - counts, counts], -1).int(),
        surfaces.opacity,
        surfaces.distance,
    )


def composite_identities(
    identities: Float[Tensor, "n_samples n_logits"], surfaces: SurfaceSamples
) -> Float[Tensor, "n_rays n_logits"]:
    """Logits of rays from the identity vectors of their samples; differentiable in these."""
    ones = torch.ones_like(surfaces.weights)[:, None]
    sums = accumulate(surfaces.weights, torch.cat([identities, ones], -1), surfaces.packed_info)
    rest = (1 - sums[:, -1]).clamp_min(0) * BACKGROUND_LOGIT
    logits = sums[:, :-1]
    return torch.cat([logits[:, :1] + rest[:, None], logits[:, 1:]], -1)


def is_solid(surfaces: SurfaceSamples) -> Bool[Tensor, "n_rays"]:
    """Rays that hit something: those of opacity below 0.5 are background whatever their logits say."""
    return surfaces.opacity >= 0.5
