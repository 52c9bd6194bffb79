"""Sets of rays round one spot of a surface, in every view that sees it (Eq. 13).

    R_p = ∪_{v ∈ V} {rays in the patch Ω round Π_v(X_p)}

X_p is where a ray that is in error ends, V the labelled views in which X_p is visible.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sanerf_hq.prompts import sightings
from sanerf_hq.radiance import RadianceField


@dataclass(frozen=True)
class RaySets:
    """Pixels of the training views, set by set.

    Attributes:
        pixels: Their numbers, as :class:`~sanerf_hq.geometry.PixelRays` numbers them.
        counts: Pixels of each set, at least one.
        widths: What a patch measures at each set's point, in scene units, in the mean over its views.
    """

    pixels: Int64[Tensor, "n_rays"]
    counts: Int64[Tensor, "n_sets"]
    widths: Float[Tensor, "n_sets"]

    @staticmethod
    def none() -> RaySets:
        """No set at all."""
        nothing = torch.zeros(0, dtype=torch.int64)
        return RaySets(nothing, nothing, torch.zeros(0))

    def rays_of(self, sets: Int64[Tensor, "n"]) -> Int64[Tensor, "n_chosen"]:
        """Which rays belong to some of the sets, one set after the other."""
        starts, each = (self.counts.cumsum(0) - self.counts)[sets], self.counts[sets]
        shift = (starts - (each.cumsum(0) - each)).repeat_interleave(each)
        return torch.arange(int(each.sum())) + shift


def reproject(
    field: RadianceField,
    views: Int64[Tensor, "n_views"],
    points: Float[Tensor, "n_points 3"],
    owners: Int64[Tensor, "n_points"],
    rays: int,
    patch: int,
    most_views: int,
    generator: torch.Generator,
) -> RaySets:
    """The rays round points, of all views that see them; a point that none sees has no set.

    Args:
        field: A field at home.
        views: Numbers of the training views that are labelled.
        points: On surfaces, in the scene's coordinates.
        owners: The view that each point was found in; it keeps its place when views are left out.
        rays: Of each patch, drawn by lot; those off the picture are left out.
        patch: Pixels of a patch, on a side.
        most_views: Views that a point is reprojected to, by lot; 0: all that see it.
        generator: Draws views and pixels.
    """
    home = field.at_home()
    cameras = [home.cameras[number] for number in views.tolist()]
    seen = sightings(field, cameras, points)
    visible = seen.visible.T
    if most_views:
        lot = torch.rand(visible.shape, generator=generator)
        lot[owners[:, None] == views[None]] = 2.0
        lot[~visible] = -1.0
        best = lot.topk(min(most_views, lot.shape[1]), dim=1).indices
        visible = visible & torch.zeros_like(visible).scatter_(1, best, True)
    point, place = visible.nonzero().unbind(-1)
    offset = (torch.rand(len(point), rays, 2, generator=generator) - 0.5) * patch
    xy = (seen.xy[place, point][:, None] + offset).floor().long()
    size = torch.tensor([[camera.width, camera.height] for camera in cameras])[place][:, None]
    inside = ((xy >= 0) & (xy < size)).all(-1)
    start = home.pixel_rays.offsets.cpu()[views][place][:, None]
    pixels = (start + xy[..., 1] * size[..., 0] + xy[..., 0])[inside]
    counts = torch.zeros(len(points), dtype=torch.int64).index_add_(0, point, inside.sum(-1))
    away = points[point] - torch.stack([camera.center for camera in cameras])[place]
    depth = (away * torch.stack([camera.forward for camera in cameras])[place]).sum(-1)
    width = patch * depth / torch.tensor([camera.focal for camera in cameras])[place]
    widths = torch.zeros(len(points)).index_add_(0, point, width) / visible.sum(-1).clamp_min(1)
    return RaySets(pixels, counts[counts > 0], widths[counts > 0])
