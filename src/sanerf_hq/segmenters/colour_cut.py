"""A cut between object and background where colours change (GrabCut, Rother et al. 2004), by OpenCV."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from sanerf_hq.segmenters.trimap import LIKELY, SURELY, UNLIKELY, Bools, Labels

LONGEST_SIDE = 512
COLOURS = 5  # components of each of OpenCV's colour models
STRIDE = 3  # colours are first clustered at one pixel in so many rows and columns ...
FEW = 100  # ... if that leaves so many of the object and beside it
ISLAND = 0.05  # parts smaller than this share of the largest are dropped, unless clicked
SATURATION = 8.0  # signed distances in pixels go up to this


def thumbnail(image: UInt8[Tensor, "h w 3"]) -> UInt8[Tensor, "rows columns 3"]:
    """The photo at most ``LONGEST_SIDE`` pixels long, by averages."""
    import cv2

    height, width, _ = image.shape
    shrink = min(1.0, LONGEST_SIDE / max(height, width))
    small = image.cpu().numpy().copy()
    if shrink < 1:
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small)


def cut(photo: np.ndarray, labels: Labels, where: tuple[slice, slice], rounds: int) -> Bools:
    """The object, by the colours inside a window; colours are learnt anew in each round."""
    import cv2

    mask = np.zeros(labels.shape, bool)
    state = labels[where].copy()
    started = (state == SURELY) | (state == LIKELY)
    if started.all() and started.size:  # a box round the whole image: let the rim teach the background
        rim = np.ones_like(started)
        rim[1:-1, 1:-1] = False
        state[rim & (state == LIKELY)] = UNLIKELY
        started = (state == SURELY) | (state == LIKELY)
    if started.all() or not started.any():
        mask[where] = started
        return mask
    bgr = np.ascontiguousarray(photo[where][..., ::-1])
    models = np.zeros((1, 13 * COLOURS)), np.zeros((1, 13 * COLOURS))
    some = np.ascontiguousarray(state[::STRIDE, ::STRIDE])
    ours = int(((some == SURELY) | (some == LIKELY)).sum())
    stride = STRIDE if min(ours, some.size - ours) >= FEW else 1
    cv2.setRNGSeed(0)  # this thread's: the colours are clustered by lot
    first = np.ascontiguousarray(bgr[::stride, ::stride]), state[::stride, ::stride].copy()
    cv2.grabCut(*first, (0, 0, 1, 1), *models, 0, cv2.GC_INIT_WITH_MASK)
    cv2.grabCut(bgr, state, (0, 0, 1, 1), *models, rounds, cv2.GC_EVAL)
    found = (state == SURELY) | (state == LIKELY)
    mask[where] = _without_islands(found, labels[where] == SURELY)
    return mask


def _without_islands(mask: Bools, clicked: Bools) -> Bools:
    """Drop parts that are small beside the largest one and hold no click."""
    import cv2

    n, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    sizes = np.bincount(parts.ravel(), minlength=n)
    sizes[0] = 0
    kept = sizes >= ISLAND * sizes.max()
    kept[np.unique(parts[clicked])] = True
    kept[0] = False
    return kept[parts]


def signed_distance(
    mask: Bools, most: float = SATURATION
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Distance of pixel centres to the outline, positive inside, at most ``most``.

    OpenCV's exact distances differ in the last bit from call to call; those by a 5x5 mask, right to 2 %, are
    the same each time.
    """
    import cv2

    if mask.all() or not mask.any():
        return np.full(mask.shape, most if mask.any() else -most, np.float32)
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.clip(np.where(mask, inside - 0.5, 0.5 - outside), -most, most).astype(np.float32)
