"""Glance: an object as a camera sees it, without tracing the rays that cannot meet it.

Outside its region an object is nowhere, and most rays of most views pass that region by. They are found by a
march through the region's cells, which asks no network.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from sanerf_hq.export.target import Target
from sanerf_hq.geometry import Camera, Rays
from sanerf_hq.kernels import MarchConfig, ray_march
from sanerf_hq.objects import ObjectView, object_view
from sanerf_hq.objects.composite import BACKGROUND_LOGIT

RAYS_A_CHUNK = 1 << 14
CAPACITY = 1 << 24
NEAR = 1e-3


def glance(target: Target, camera: Camera) -> ObjectView:
    """What ``target.field.render(camera)`` gives, sooner."""
    rays = camera.rays(camera.pixel_grid())
    met = passing(target, rays)
    logits = torch.zeros(len(rays), len(target.field.names) + 1)
    logits[:, 0] = BACKGROUND_LOGIT
    chosen = met.nonzero()[:, 0]
    for part in chosen.split(RAYS_A_CHUNK):
        logits[part] = target.field.logits_of(target.radiance.surfaces(rays[part])).cpu()
    return object_view(logits, camera)


def passing(target: Target, rays: Rays) -> Bool[Tensor, "n_rays"]:
    """Which rays pass the object's region, or within a cell of it."""
    field, cells = target.radiance, target.field.region.cells
    if bool(cells.all()):
        return torch.ones(len(rays), dtype=torch.bool)
    grown = torch.nn.functional.max_pool3d(cells[None, None].float(), 3, 1, 1)[0, 0]
    occupied = grown.to(torch.uint8).to(field.device)
    config = MarchConfig(near=NEAR, step=field.config.march_step * field.spacing)
    met = []
    for first in range(0, len(rays), RAYS_A_CHUNK):
        part = field.world.rays_to_field(rays[slice(first, first + RAYS_A_CHUNK)]).to(field.device)
        jitter = torch.full((len(part),), 0.5, device=field.device)
        marched = ray_march(part.origins, part.directions, jitter, occupied, config, CAPACITY)
        met.append((marched.packed_info[:, 1] > 0).cpu())
    return torch.cat(met)
