"""Interior points: pixels well inside a mask, where a wrong outline or depth does no harm."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

MARGIN_PIXELS = 3.0
LONELY = 0.25  # of a part's fair share of the points, below which it is left out
MARGIN_SHARE = 0.35  # of the widest place, where the mask is thinner than the margin


def depth_inside(mask: Bool[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """How far inside a mask each pixel lies: distance to its outside in pixels, 0 outside.

    The picture's edge is no outline: an object goes on beyond it.
    """
    import cv2

    if bool(mask.all()):
        return torch.full(mask.shape, float(max(mask.shape)))
    distance = cv2.distanceTransform(mask.cpu().byte().numpy(), cv2.DIST_L2, 5)
    return torch.from_numpy(distance)


def interior(mask: Bool[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """The pixels of a mask that keep away from its outline; never none of a mask that has any."""
    inside = depth_inside(mask)
    margin = min(MARGIN_PIXELS, MARGIN_SHARE * float(inside.max()))
    return mask & (inside >= margin)


def outposts(xy: Float[Tensor, "n d"], k: int) -> Tensor:
    """Indices of at most ``k`` points: the one in the middle, and each next as far from those as can be."""
    if xy.shape[0] <= k:
        return torch.arange(xy.shape[0])
    seeds = [int((xy - xy.mean(0)).norm(dim=-1).argmin())]
    distance = (xy - xy[seeds[0]]).norm(dim=-1)
    while len(seeds) < k:
        seeds.append(int(distance.argmax()))
        distance = torch.minimum(distance, (xy - xy[seeds[-1]]).norm(dim=-1))
    return torch.tensor(seeds)


def representatives(xy: Float[Tensor, "n d"], k: int) -> Tensor:
    """Indices of at most ``k`` points that stand for all: middles of parts that are as far apart as can be.

    Parts grow round :func:`outposts`; each is stood for by the point nearest to its mean. The
    largest part comes first; parts of few points are left out, for they lie on rims or are errors.
    """
    n = xy.shape[0]
    if n <= k:
        return torch.arange(n)
    part = torch.cdist(xy, xy[outposts(xy, k)]).argmin(-1)
    sizes = torch.bincount(part, minlength=k)
    chosen = []
    for number in sizes.argsort(descending=True, stable=True).tolist():
        if sizes[number] >= max(1.0, LONELY * n / k):
            members = (part == number).nonzero()[:, 0]
            chosen.append(int(members[(xy[members] - xy[members].mean(0)).norm(dim=-1).argmin()]))
    return torch.tensor(chosen)
