"""Kinds of object, told from truth: small, large, occluded, beside its look-alike."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sanerf_hq.radiance import Home
from sanerf_hq.scene import SceneObject, read_depth, read_image, read_instances

SMALL, LARGE = 0.02, 0.05  # shares of the picture, in the mean over the test views that show it
NEARER = 0.03  # share of its depth by which what lies beside the outline must be nearer to hide it
OCCLUDED = 0.1  # share of the outline
ALIKE = 0.1  # difference in colour across the outline
BESIDE, LOOK_ALIKE = 0.1, 0.25  # share of the outline along one neighbour; share of that which is so faint
REACH = 3  # pixels to either side of the outline that are compared


def kinds_of(home: Home, target: SceneObject) -> list[str]:
    """The kinds that an object is of, by the scene's test views with truth; none may fit."""
    shares, hidden, faint, neighbours = [], [], [], []
    for view in home.scene.test_views:
        if view.instance_path is None:
            continue
        labels = read_instances(view)
        mask = labels == target.id
        if not bool(mask.any()):
            continue
        shares.append(float(mask.float().mean()))
        colour = read_image(view).float() / 255
        depth = read_depth(view) if view.depth_path is not None else None
        for axis in (0, 1):
            inside, outside = _across(mask, axis)
            faint.append((colour[inside] - colour[outside]).square().sum(-1).sqrt() < ALIKE)
            neighbours.append(labels[outside])
            if depth is not None:
                hidden.append(_nearer(depth[outside], depth[inside]))
    kinds = []
    if shares and sum(shares) / len(shares) < SMALL:
        kinds.append("small")
    if shares and sum(shares) / len(shares) > LARGE:
        kinds.append("large")
    if hidden and _share(torch.cat(hidden)) > OCCLUDED:
        kinds.append("occluded")
    if neighbours and _has_look_alike(torch.cat(neighbours), torch.cat(faint)):
        kinds.append("beside a look-alike")
    return kinds


def _has_look_alike(neighbours: Int64[Tensor, "n"], faint: Bool[Tensor, "n"]) -> bool:
    """Whether some other object lies along much of the outline and can hardly be told apart there.

    Args:
        neighbours: Identity of what lies beside each pixel of the outline, 0 = background.
        faint: Whether its colour hardly differs.
    """
    along = {int(one): neighbours == one for one in neighbours.unique() if one > 0}
    return any(_share(here) > BESIDE and _share(faint[here]) > LOOK_ALIKE for here in along.values())


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


def _nearer(depth: Float[Tensor, "n"], than: Float[Tensor, "n"]) -> Bool[Tensor, "n"]:
    """Where a depth is nearer; a depth of 0, which is not known, is not, nor is anything than that."""
    return (depth > 0) & (depth < (1 - NEARER) * than)


def _share(flags: Bool[Tensor, "n"]) -> float:
    return float(flags.float().mean()) if len(flags) else 0.0
