"""Solid: which voxels are full, the object's and everybody else's, by density and by the light that passes.

The density inside things is arbitrary, since no photo shows it. So the level is only looked for near what
light reaches; what no ray passes is full, and so is every hollow that nothing leads into.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.export.carve import CLEAR, Carved, enlarged, spread
from sanerf_hq.export.sights import Sight
from sanerf_hq.export.voxels import Voxels
from sanerf_hq.geometry import contract, to_unit
from sanerf_hq.radiance import RadianceField
from sanerf_hq.runs import Progress, ProgressCallback, quiet

STAGE = "density"
POINTS_A_PART = 1 << 16
LEVEL_POINTS = 1 << 14
LEVEL_QUANTILE = 0.25
SLOPE = 0.25  # of the scale in which densities are interpolated: per factor e
SMOOTHING = 0.7  # voxels


@torch.no_grad()
def densities(field: RadianceField, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n"]:
    """Optical thickness per scene unit, > 0, at points of the scene."""
    parts = [torch.zeros(0)]
    for part in points.split(POINTS_A_PART):
        contracted = contract(field.world.to_field(part.to(field.device)))
        sigmas, _ = field.network.geometry(field.encode(to_unit(contracted)))
        reach = contracted.abs().amax(-1).clamp_min(1.0)
        parts.append((sigmas * (2 - reach).square() * field.world.scale).cpu())
    return torch.cat(parts)


def surface_level(field: RadianceField, points: Float[Tensor, "n 3"]) -> float:
    """The density of an object's surface: a low one of those found where rays first meet it."""
    step = max(1, len(points) // LEVEL_POINTS)
    return float(densities(field, points[::step]).quantile(LEVEL_QUANTILE))


def met(sights: list[Sight]) -> Float[Tensor, "n 3"]:
    """Where the views' rays first meet the object."""
    found = []
    for sight in sights:
        on = (sight.ray_share > 0.5) & sight.ray_front.isfinite()
        found.append(sight.camera.unproject(sight.rays[on], sight.ray_front[on]))
    return torch.cat(found)


def fullness(
    field: RadianceField,
    voxels: Voxels,
    carved: Carved,
    passed: Bool[Tensor, "cx cy cz"],
    level: float,
    progress: ProgressCallback = quiet,
) -> Float[Tensor, "nx ny nz"]:
    """How full each voxel is: 0.5 on surfaces, more inside, less outside; in [0, 1].

    Args:
        field: The density's.
        voxels: Where.
        carved: What the views leave of each voxel; outside the outlines nothing is asked.
        passed: Cells that rays pass.
        level: The density of surfaces.
        progress: Told of the progress; may raise Cancelled.
    """
    from scipy import ndimage

    outlined, unseen = carved.outlined, carved.unseen
    deep = ~enlarged(spread(passed), voxels.shape)
    asked = ((outlined > CLEAR) & (unseen < 1) & ~deep).flatten().nonzero()[:, 0]
    result = torch.ones(voxels.n_points)
    for first in range(0, len(asked), POINTS_A_PART):
        progress(Progress(STAGE, first, len(asked)))
        index = asked[first : first + POINTS_A_PART]
        sigma = densities(field, voxels.points(index)).clamp_min(1e-12)
        result[index] = (0.5 + SLOPE * (sigma.log() - math.log(level))).clamp(0, 1)
    progress(Progress(STAGE, len(asked), len(asked)))
    full = torch.maximum(result.view(voxels.shape), unseen)
    full = np.minimum(ndimage.gaussian_filter(full.numpy(), SMOOTHING), outlined.numpy())
    empty = full < 0.5
    parts = np.zeros(voxels.shape, np.int32)
    ndimage.label(empty, output=parts)
    open_parts = np.unique(parts[empty & (enlarged(passed, voxels.shape).numpy() | (outlined.numpy() < 0.5))])
    full[empty & ~np.isin(parts, open_parts)] = 1.0
    return torch.from_numpy(full)
