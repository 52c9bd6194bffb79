"""Labelled rays: what masks say of the pool's rays, and of further rays along their outlines."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import contract, to_unit
from sanerf_hq.masks import MaskSet
from sanerf_hq.masks.interior import depth_inside
from sanerf_hq.objects.composite import is_solid, restricted
from sanerf_hq.objects.error_maps import ErrorMaps
from sanerf_hq.objects.region import Region, find_regions
from sanerf_hq.objects.votes import VoteGrid, count_votes
from sanerf_hq.radiance import RadianceField, SurfaceSamples, ViewSamples
from sanerf_hq.runs import Key

BAND_PIXELS = 2.0


@dataclass(frozen=True)
class LabelledRays:
    """Rays and what their pixels may be.

    Attributes:
        surfaces: The samples of each ray that lie in the objects' region.
        possible: What each ray's pixel may be, channel 0 = background.
        trust: How far each ray's label counts.
        n_pool: Rays of the pool; those after them lie along outlines.
        regions: Where each object may lie.
        maps: The pool's rays as pixels of the views' error maps.
    """

    surfaces: SurfaceSamples
    possible: Bool[Tensor, "n_rays n_logits"]
    trust: Float[Tensor, "n_rays"]
    n_pool: int
    regions: tuple[Region, ...]
    maps: ErrorMaps

    def votes(self) -> VoteGrid:
        """The objects in closed form."""
        return count_votes(self.surfaces, self.possible, self.trust, self.regions)


def gather_pool(
    field: RadianceField, masks: MaskSet, pool: ViewSamples, local: bool = True, clean: bool = True
) -> tuple[LabelledRays, Region]:
    """Label the pool's rays and find the objects' region.

    Args:
        field: A field at home.
        masks: Of its training views.
        pool: Its views' samples.
        local: Whether the region is the objects' alone; else it is all of space.
        clean: Whether parts apart from the prompted surface are left out of it.

    Raises:
        InputError: The masks are empty, or no view is labelled.
    """
    home = field.at_home()
    offsets = home.pixel_rays.offsets.tolist()
    parts, possible, trust, views, points = [], [], [], [], []
    for name, number in labelled_views(field, masks).items():
        labels = masks.labelling(name)
        assert labels is not None
        here = pool.of_view(number)
        pixels = pool.pixels[here].cpu() - offsets[number]
        parts.append(_of_rays(pool.surfaces, here))
        views.append(torch.full_like(pixels, number))
        points.append(pool.points[here].cpu())
        possible.append(labels.possible.flatten(1).T[pixels])
        trust.append(labels.trust.flatten()[pixels])
    if not parts or not any(segment.mask.area for segment in masks.segments):
        raise InputError(f"the masks of {', '.join(masks.names)} are empty in every view; prompt again")
    surfaces = SurfaceSamples.join(parts)
    all_possible, all_trust = torch.cat(possible).to(field.device), torch.cat(trust).to(field.device)
    everywhere = Region.everywhere().to(field.device)
    regions = (everywhere,) * len(masks.names)
    if local:
        certain = all_possible[:, 1:] & (all_possible.sum(-1) == 1)[:, None]
        found = find_regions(surfaces, certain, all_trust, _unit_seeds(field, masks) if clean else None)
        regions = tuple(one or everywhere for one in found)
    region = Region.union(regions)
    near, chosen = _meeting(surfaces, region)
    maps = ErrorMaps(torch.cat(views)[chosen.cpu()], torch.cat(points)[chosen.cpu()])
    return LabelledRays(near, all_possible[chosen], all_trust[chosen], len(near), regions, maps), region


def add_outlines(
    field: RadianceField, masks: MaskSet, data: LabelledRays, region: Region, most: int, key: Key
) -> LabelledRays:
    """March further rays along the masks' outlines, ``most`` over all views."""
    home = field.at_home()
    offsets = home.pixel_rays.offsets.tolist()
    generator = key.fold("outlines").generator()
    views = labelled_views(field, masks)
    share = most // max(1, len(views))
    pixels, possible, trust = [], [], []
    for name, number in views.items():
        labels = masks.labelling(name)
        assert labels is not None
        near = near_outline(_numbered(labels.possible)).flatten().nonzero()[:, 0]
        near = near[torch.randperm(len(near), generator=generator)[:share]]
        pixels.append(near + offsets[number])
        possible.append(labels.possible.flatten(1).T[near])
        trust.append(labels.trust.flatten()[near])
    if not pixels or not sum(map(len, pixels)):
        return data
    marched = field.surfaces(home.pixel_rays.rays(torch.cat(pixels)))
    near, chosen = _meeting(marched, region)
    return LabelledRays(
        SurfaceSamples.join([data.surfaces, near]),
        torch.cat([data.possible, torch.cat(possible).to(field.device)[chosen]]),
        torch.cat([data.trust, torch.cat(trust).to(field.device)[chosen]]),
        data.n_pool,
        data.regions,
        data.maps,
    )


def labelled_views(field: RadianceField, masks: MaskSet) -> dict[str, int]:
    """Names and numbers of the training views that have masks, in the scene's order."""
    labelled = set(masks.views)
    return {view.name: number for number, view in enumerate(field.at_home().views) if view.name in labelled}


def near_outline(labels: Int64[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """The pixels at most two pixels from where the label changes."""
    found = torch.zeros(labels.shape, dtype=torch.bool)
    for value in labels.unique().tolist():
        inside = depth_inside(labels == value)
        found |= (inside > 0) & (inside <= BAND_PIXELS)
    return found


def _numbered(possible: Bool[Tensor, "n_logits h w"]) -> Int64[Tensor, "h w"]:
    """One number for each set of identities."""
    powers = 2 ** torch.arange(len(possible)).clamp_max(62)
    return (possible.long() * powers[:, None, None]).sum(0)


def _unit_seeds(field: RadianceField, masks: MaskSet) -> list[Float[Tensor, "n 3"]]:
    """The user's points on each object, in the contracted cube."""
    points = [torch.tensor(seeds, dtype=torch.float32).reshape(-1, 3) for seeds in masks.seeds]
    return [to_unit(contract(field.world.to_field(one))) for one in points]


def _of_rays(surfaces: SurfaceSamples, rays: slice) -> SurfaceSamples:
    """The samples of rays that follow each other, without copying them."""
    info = surfaces.packed_info[rays]
    first = int(info[0, 0]) if len(info) else 0
    samples = slice(first, first + int(info[:, 1].sum()))
    return SurfaceSamples(
        surfaces.unit_points[samples],
        surfaces.geometry[samples],
        surfaces.weights[samples],
        info - info.new_tensor([first, 0]),
        surfaces.opacity[rays],
        surfaces.distance[rays],
    )


def _meeting(surfaces: SurfaceSamples, region: Region) -> tuple[SurfaceSamples, Tensor]:
    """The solid rays that have a sample in the region, and which they are."""
    near = restricted(surfaces, region)
    chosen = ((near.packed_info[:, 1] > 0) & is_solid(near)).nonzero()[:, 0]
    return near.take(chosen), chosen
