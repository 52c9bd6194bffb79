"""Kinds of object, told from truth: small, large, occluded, beside its look-alike."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.radiance import Home
from sanerf_hq.scene import SceneObject, read_depth, read_image, read_instances

SMALL, LARGE = 0.01, 0.05  # shares of the picture, in the mean over the test views that show it
NEARER = 0.03  # share of its depth by which what lies beside the outline must be nearer to hide it
OCCLUDED = 0.1  # share of the outline
ALIKE, LOOK_ALIKE = 0.1, 0.35  # difference in colour across the outline; share of it that is so faint
REACH = 3  # pixels to either side of the outline that are compared


def kinds_of(home: Home, target: SceneObject) -> list[str]:
    """The kinds that an object is of, by the scene's test views with truth; none may fit."""
    shares, hidden, faint = [], [], []
    for view in home.scene.test_views:
        if view.instance_path is None:
            continue
        mask = read_instances(view) == target.id
        if not bool(mask.any()):
            continue
        shares.append(float(mask.float().mean()))
        colour = read_image(view).float() / 255
        depth = read_depth(view) if view.depth_path is not None else None
        for axis in (0, 1):
            inside, outside = _across(mask, axis)
            faint.append(((colour[inside] - colour[outside]).square().sum(-1).sqrt() < ALIKE).float())
            if depth is not None:
                hidden.append((depth[outside] < (1 - NEARER) * depth[inside]).float())
    kinds = []
    if shares and sum(shares) / len(shares) < SMALL:
        kinds.append("small")
    if shares and sum(shares) / len(shares) > LARGE:
        kinds.append("large")
    if _mean(hidden) > OCCLUDED:
        kinds.append("occluded")
    if _mean(faint) > LOOK_ALIKE:
        kinds.append("beside a look-alike")
    return kinds


def _across(mask: Bool[Tensor, "h w"], axis: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Pixels inside the outline and, each at its place, those outside it, along one axis."""
    length = mask.shape[axis]
    first, second = mask.narrow(axis, 0, length - REACH), mask.narrow(axis, REACH, length - REACH)
    rows, columns = (first != second).nonzero().unbind(-1)
    there = (rows + REACH, columns) if axis == 0 else (rows, columns + REACH)
    within = mask[rows, columns]
    inside = tuple(torch.where(within, a, b) for a, b in zip((rows, columns), there, strict=True))
    outside = tuple(torch.where(within, b, a) for a, b in zip((rows, columns), there, strict=True))
    return (inside[0], inside[1]), (outside[0], outside[1])


def _mean(parts: list[Float[Tensor, "_"]]) -> float:
    joined = torch.cat(parts) if parts else torch.zeros(0)
    return float(joined.mean()) if len(joined) else 0.0
