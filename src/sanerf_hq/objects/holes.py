"""Holes: a few pixels in the middle of an object where rays slip through, given to the object.

A field is thin where a surface looks like what lies behind it: white plastic before a white wall. That
leaves specks of background in an object's mask, which the truth has not and measures of outlines count.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

HOLE_SHARE = 2e-3  # of the object's pixels; what is larger is a hole that the object has


def fill_holes(labels: Int64[Tensor, "h w"], share: float = HOLE_SHARE) -> Int64[Tensor, "h w"]:
    """Background that one object alone encloses becomes the object's where it is small.

    Args:
        labels: The identity of each pixel, 0 = background.
        share: Of the object's pixels, that its hole must stay below.
    """
    from scipy import ndimage

    if not bool(labels.any()):
        return labels
    found = labels.cpu().numpy()
    areas = np.bincount(found.ravel())
    holes = np.empty(found.shape, np.int32)
    ndimage.label(found == 0, output=holes)
    sizes = np.bincount(holes.ravel())
    lowest, highest = np.full(len(sizes), len(areas)), np.zeros(len(sizes), np.int64)
    for edge in (0, -1):
        for side in (holes[edge], holes[:, edge]):
            highest[side] = len(areas)  # open to the outside
    for one, other in _neighbours(holes, found):
        inward = (one > 0) & (other > 0)
        np.minimum.at(lowest, one[inward], other[inward])
        np.maximum.at(highest, one[inward], other[inward])
    enclosed = (lowest == highest) & (highest < len(areas))
    owner = np.where(enclosed, highest, 0)
    owner[sizes >= share * areas[owner]] = 0
    return torch.where(labels == 0, torch.from_numpy(owner[holes]).to(labels), labels)


def _neighbours(holes: np.ndarray, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of a pixel's hole and its neighbour's label, in each of four directions."""
    yield holes[:, :-1], labels[:, 1:]
    yield holes[:, 1:], labels[:, :-1]
    yield holes[:-1], labels[1:]
    yield holes[1:], labels[:-1]
