"""Colours of a surface, as the training cameras nearest to looking straight at it see them in the field."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.export.sights import Sight
from sanerf_hq.geometry import contract, to_unit
from sanerf_hq.radiance import RadianceField, SurfaceSamples
from sanerf_hq.runs import Progress, ProgressCallback, quiet

STAGE = "colours"
CAMERAS = 2  # that a point's colour is the mean of
GRAZING = 0.2  # cosine below which a camera does not count
BEFORE, BEHIND = 2, 9  # steps before and behind the surface that are looked at
POINTS_A_PART = 1 << 13


@torch.no_grad()
def surface_colours(
    field: RadianceField,
    sights: list[Sight],
    points: Float[Tensor, "n 3"],
    normals: Float[Tensor, "n 3"],
    step: float,
    progress: ProgressCallback = quiet,
) -> Float[Tensor, "n 3"]:
    """Red, green, blue in [0, 1] of points on a surface; what no camera sees takes the nearest seen colour.

    Args:
        field: The colours'.
        sights: The views.
        points: In the scene's coordinates.
        normals: Outward, of length 1.
        step: Scene units between the samples along a line of sight; about the surface's accuracy.
        progress: Told of the progress; may raise Cancelled.
    """
    weights, cameras = _best_views(sights, points, normals, 4 * step)
    centers = torch.stack([sight.camera.center for sight in sights])
    total = torch.zeros(len(points), 3)
    for first in range(0, len(points), POINTS_A_PART):
        progress(Progress(STAGE, first, len(points)))
        part = slice(first, first + POINTS_A_PART)
        for rank in range(cameras.shape[1]):
            directions = torch.nn.functional.normalize(points[part] - centers[cameras[part, rank]], dim=-1)
            total[part] += weights[part, rank, None] * _seen(field, points[part], directions, step)
    progress(Progress(STAGE, len(points), len(points)))
    seen = weights.sum(-1) > 0
    colours = total / weights.sum(-1, keepdim=True).clamp_min(1e-9)
    return _filled(points, colours.clamp(0, 1), seen)


def _best_views(
    sights: list[Sight], points: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"], margin: float
) -> tuple[Float[Tensor, "n k"], Tensor]:
    """For each point the cameras that see it most nearly straight on, and how much each counts."""
    facing = torch.stack([_facing(sight, points, normals, margin) for sight in sights], -1)
    best, index = facing.topk(min(CAMERAS, len(sights)), dim=-1)
    return torch.where(best > GRAZING, best, 0.0), index


def _facing(
    sight: Sight, points: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"], margin: float
) -> Float[Tensor, "n"]:
    """Cosine between the normal and the way to the camera; 0 where the camera does not see the point."""
    seen = sight.camera.project(points)
    h, w = sight.share.shape
    at = seen.xy.nan_to_num(0)
    flat = at[:, 1].long().clamp(0, h - 1) * w + at[:, 0].long().clamp(0, w - 1)
    shown = seen.on_screen & (sight.share.flatten()[flat] > 0.5)
    shown &= seen.depth <= sight.depth.flatten()[flat] + margin
    away = torch.nn.functional.normalize(sight.camera.center - points, dim=-1)
    return torch.where(shown, (away * normals).sum(-1), 0.0)


def _seen(
    field: RadianceField, points: Float[Tensor, "n 3"], directions: Float[Tensor, "n 3"], step: float
) -> Float[Tensor, "n 3"]:
    """The colour that a short piece of each line of sight, round the surface, has."""
    offsets = torch.arange(-BEFORE, BEHIND + 1) * step
    count = len(offsets)
    along = (points[:, None] + directions[:, None] * offsets[:, None]).reshape(-1, 3)
    contracted = contract(field.world.to_field(along)).to(field.device)
    unit = to_unit(contracted)
    sigmas, geometry = field.network.geometry(field.encode(unit))
    reach = contracted.abs().amax(-1).clamp_min(1.0)
    thickness = (sigmas * (2 - reach).square() * field.world.scale * step).view(-1, count)
    before = thickness.cumsum(-1) - thickness
    weights = ((-before).exp() * (1 - (-thickness).exp())).clamp_min(1e-6)
    opacity = weights.sum(-1)
    starts = torch.arange(len(points), device=field.device) * count
    info = torch.stack([starts, torch.full_like(starts, count)], -1).int()
    unknown = torch.full_like(opacity, torch.nan)
    samples = SurfaceSamples(unit, geometry.half(), weights.flatten(), info, opacity, unknown)
    return field.shade(samples, samples.weights, directions)[0].cpu()


def _filled(
    points: Float[Tensor, "n 3"], colours: Float[Tensor, "n 3"], seen: Bool[Tensor, "n"]
) -> Float[Tensor, "n 3"]:
    from scipy.spatial import KDTree

    if bool(seen.all()) or not bool(seen.any()):
        return colours
    _, nearest = KDTree(points[seen].numpy()).query(points[~seen].numpy())
    result = colours.clone()
    result[~seen] = colours[seen][torch.from_numpy(np.asarray(nearest))]
    return result
