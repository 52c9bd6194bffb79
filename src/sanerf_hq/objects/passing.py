"""Passing: the rays that can meet an object. Most rays of most views pass its region by, and need no tracing.

They are found by a march through the region's cells, which asks no network.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from sanerf_hq.geometry import Rays
from sanerf_hq.kernels import MarchConfig, ray_march
from sanerf_hq.objects.region import Region
from sanerf_hq.radiance import RadianceField

RAYS_A_CHUNK = 1 << 14
CAPACITY = 1 << 24
NEAR = 1e-3


def passing(field: RadianceField, region: Region, rays: Rays) -> Bool[Tensor, "n_rays"]:
    """Which rays, given in the scene's coordinates, pass a region, or within a cell of it; on the CPU."""
    if bool(region.cells.all()):
        return torch.ones(len(rays), dtype=torch.bool)
    grown = torch.nn.functional.max_pool3d(region.cells[None, None].float(), 3, 1, 1)[0, 0]
    occupied = grown.to(torch.uint8).to(field.device)
    config = MarchConfig(near=NEAR, step=field.config.march_step * field.spacing)
    met = []
    for first in range(0, len(rays), RAYS_A_CHUNK):
        part = field.world.rays_to_field(rays[slice(first, first + RAYS_A_CHUNK)]).to(field.device)
        jitter = torch.full((len(part),), 0.5, device=field.device)
        marched = ray_march(part.origins, part.directions, jitter, occupied, config, CAPACITY)
        met.append((marched.packed_info[:, 1] > 0).cpu())
    return torch.cat(met)
