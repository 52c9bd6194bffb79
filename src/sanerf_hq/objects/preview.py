"""Preview: objects at once, from votes alone; its threshold can be moved without counting again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera
from sanerf_hq.masks import MaskSet
from sanerf_hq.objects.composite import is_solid, restricted
from sanerf_hq.objects.field import ObjectView
from sanerf_hq.objects.labels import gather_pool
from sanerf_hq.objects.passing import passing
from sanerf_hq.objects.region import Region
from sanerf_hq.objects.votes import VoteGrid
from sanerf_hq.radiance import RadianceField, SurfaceSamples, ViewSamples

RAYS_A_CHUNK = 1 << 16
LEAST_PROBABILITY = 1e-6  # whose logarithm stands for never


@dataclass(frozen=True)
class Preview:
    """Objects as votes have them.

    Attributes:
        radiance: What the objects are part of.
        region: The cells they lie in.
        grid: Their shares of the votes.
        names: Of the objects; identity i is ``names[i - 1]``.
        gamma: By how much the votes for an object must outweigh those against it, as a share of all, in
            (-1, 1); higher is stricter.
    """

    radiance: RadianceField
    region: Region
    grid: VoteGrid
    names: tuple[str, ...]
    gamma: float = 0.0

    def __post_init__(self) -> None:
        if not -1 < self.gamma < 1:
            raise InputError(f"gamma must lie between -1 and 1, got {self.gamma}; choose one nearer to 0")

    def with_gamma(self, gamma: float) -> Preview:
        """The same votes under another threshold."""
        return replace(self, gamma=gamma)

    def render(self, camera: Camera) -> ObjectView:
        """The objects as seen by ``camera``."""
        rays = camera.rays(camera.pixel_grid())
        probabilities = torch.zeros(len(rays), len(self.names) + 1)
        probabilities[:, 0] = 1
        for part in passing(self.radiance, self.region, rays).nonzero()[:, 0].split(RAYS_A_CHUNK):
            probabilities[part] = self.probabilities_of(self.radiance.surfaces(rays[part])).cpu()
        shaped = probabilities.view(camera.height, camera.width, -1)
        return ObjectView(shaped.clamp_min(LEAST_PROBABILITY).log(), shaped)

    @torch.no_grad()
    def probabilities_of(self, surfaces: SurfaceSamples) -> Float[Tensor, "n_rays n_logits"]:
        """Composited shares of rays, the threshold taken in: an object has the most where it wins."""
        near = restricted(surfaces, self.region)
        shares = self.grid.at(near.unit_points) * near.weights[:, None]
        sums = torch.zeros(len(near), shares.shape[1], device=shares.device)
        sums.index_add_(0, near.ray_indices, shares)
        sums = torch.where(is_solid(surfaces)[:, None], sums, 0.0)
        sums = sums / sums.sum(-1, keepdim=True).clamp_min(1.0)  # votes of several objects may overlap
        background = (1 - sums.sum(-1, keepdim=True) + self.gamma).clamp_min(0)
        return torch.nn.functional.normalize(torch.cat([background, sums], -1), 1, -1)

    def mask_in(self, pool: ViewSamples, number: int) -> Bool[Tensor, "h w"]:
        """The mask of a training view at once: from the pool's pixels, further rays only along the outline.

        Args:
            pool: Samples of the field's training views.
            number: The view's number.
        """
        home = self.radiance.at_home()
        camera, here = home.cameras[number], pool.of_view(number)
        rays = torch.arange(here.start, here.stop, device=self.radiance.device)
        coarse = self.probabilities_of(pool.surfaces.take(rays)).argmax(-1).cpu() > 0
        plane = coarse.view(1, 1, *pool.blocks_of(camera.width, camera.height)).float()
        near = torch.nn.functional.max_pool2d(plane, 3, 1, 1)
        far = -torch.nn.functional.max_pool2d(-plane, 3, 1, 1)
        mask, mixed = (
            part[0, 0]
            .repeat_interleave(pool.block, 0)
            .repeat_interleave(pool.block, 1)[: camera.height, : camera.width]
            for part in (plane > 0, near != far)
        )
        asked = mixed.flatten().nonzero()[:, 0]
        if len(asked):
            marched = self.radiance.surfaces(camera.rays(camera.pixel_grid()[asked]))
            mask = mask.flatten().clone()
            mask[asked] = self.probabilities_of(marched).argmax(-1).cpu() > 0
        return mask.view(camera.height, camera.width)


def preview_of(field: RadianceField, masks: MaskSet, pool: ViewSamples) -> Preview:
    """The objects of masks, by votes of the pool's samples alone.

    Args:
        field: A field at home.
        masks: Of some of its training views.
        pool: Their samples.

    Raises:
        InputError: The masks are empty, or no view is labelled.
    """
    data, region = gather_pool(field, masks, pool)
    return Preview(field, region, data.votes(), masks.names)
