"""Trimaps: what a prompt says of every pixel before GrabCut looks at colours.

Lengths are relative to the prompt, so the size of the image does not matter.
"""

from __future__ import annotations

import numpy as np

from sanerf_hq.segmenters.protocol import DecoderPrompt

Labels = np.ndarray[tuple[int, int], np.dtype[np.uint8]]
Bools = np.ndarray[tuple[int, int], np.dtype[np.bool_]]

NEVER, SURELY, UNLIKELY, LIKELY = 0, 1, 2, 3  # OpenCV's GC_BGD, GC_FGD, GC_PR_BGD, GC_PR_FGD

DISC = 0.006  # radius of what a click vouches for, in diagonals of the image
LONE_CLICK = 0.065  # radius that is likely object round a single click, in diagonals
HULL_MARGIN = 0.3  # what is likely object round n clicks, in extents of their hull / √n
REACH = 2.75  # beyond so many of these margins there is no object
MASK_REACH = 0.15  # how far the object may reach beyond a mask prompt, in extents of the mask


def trimap(prompt: DecoderPrompt, height: int, width: int, scale: tuple[float, float]) -> Labels:
    """What a prompt says of each of ``height`` x ``width`` pixels.

    A box that is only the bounding box of the positive points says nothing of what lies outside it, and is
    left out of account; any other box is the object's.

    Args:
        prompt: Points and box in photo coordinates; the mask prompt has the trimap's size.
        height: Rows.
        width: Columns.
        scale: Columns and rows of the trimap per pixel of the photo.

    Returns:
        ``SURELY`` or ``NEVER`` object, whatever the colour, or ``LIKELY`` or ``UNLIKELY``: colours decide.
    """
    points = prompt.point_coords.double().cpu().numpy() * scale
    on_object = prompt.point_labels.cpu().numpy() == 1
    within = ((points >= 0) & (points < (width, height))).all(-1)
    positive = points[on_object & within]
    box = None if prompt.box is None else prompt.box.double().cpu().numpy().reshape(2, 2) * scale
    if box is not None and _spans(points[on_object], box):
        box = None

    if prompt.mask_logits is not None:
        likely = prompt.mask_logits.cpu().numpy() > 0
        possible = _distance(likely) <= MASK_REACH * extent(likely)
        if box is not None:
            possible &= _inside(box, height, width)
    elif box is not None:
        likely = possible = _inside(box, height, width)
    else:
        away = _distance(_hull(positive, height, width))
        margin = _margin(positive, float(np.hypot(height, width)))
        likely, possible = away <= margin, away <= REACH * margin
    labels = np.where(likely, LIKELY, UNLIKELY).astype(np.uint8)
    labels[~possible] = NEVER
    labels[_discs(positive, height, width)] = SURELY
    labels[_discs(points[~on_object & within], height, width)] = NEVER
    return labels


def along_outline(
    logits: np.ndarray, band: float, sure: float, prompt: DecoderPrompt, scale: tuple[float, float]
) -> Labels:
    """What a mask and its prompt say of each pixel, if colours are to decide along its outline only.

    Args:
        logits: Of the mask, at the trimap's size; > 0 somewhere.
        band: Half the width of what colours decide, in extents of the mask.
        sure: Logits beyond this stand in the band as well.
        prompt: What was asked, in photo coordinates; its clicks are kept to, nothing leaves its box.
        scale: Columns and rows of the trimap per pixel of the photo.
    """
    height, width = logits.shape
    mask = logits > 0
    reach = max(2.0, band * extent(mask))
    labels = np.where(mask, LIKELY, UNLIKELY).astype(np.uint8)
    labels[(logits > sure) | (_distance(~mask) > reach)] = SURELY
    labels[(logits < -sure) | (_distance(mask) > reach)] = NEVER
    if prompt.box is not None:
        box = prompt.box.double().cpu().numpy().reshape(2, 2) * scale
        labels[~_inside(box, height, width)] = NEVER
    points = prompt.point_coords.double().cpu().numpy() * scale
    on_object = prompt.point_labels.cpu().numpy() == 1
    within = ((points >= 0) & (points < (width, height))).all(-1)
    labels[_discs(points[on_object & within], height, width)] = SURELY
    labels[_discs(points[~on_object & within], height, width)] = NEVER
    return labels


def window(labels: Labels, surroundings: float) -> tuple[slice, slice]:
    """Rows and columns of where the object may be, and of what surrounds it.

    Args:
        labels: A trimap.
        surroundings: How much of what surrounds it, in extents of where the object may be.
    """
    possible = labels != NEVER
    around = round(surroundings * extent(possible)) + 2
    rows, columns = np.flatnonzero(possible.any(1)), np.flatnonzero(possible.any(0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return (
        slice(max(0, int(rows[0]) - around), int(rows[-1]) + 1 + around),
        slice(max(0, int(columns[0]) - around), int(columns[-1]) + 1 + around),
    )


def _spans(positive: np.ndarray, box: np.ndarray) -> bool:
    """Whether a box is but the bounding box of the positive points."""
    if not len(positive):
        return False
    slack = max(2.0, 0.02 * float((box[1] - box[0]).max()))
    corners = np.stack([positive.min(0), positive.max(0)])
    return bool(np.abs(corners - box).max() <= slack)


def _margin(positive: np.ndarray, diagonal: float) -> float:
    """How far beyond its clicks' hull the object likely reaches: the more clicks, the less."""
    if not len(positive):
        return 0.0
    n, extent = len(positive), float(np.ptp(positive, axis=0).max())
    return max(HULL_MARGIN * extent / n**0.5, (LONE_CLICK * diagonal - 0.16 * extent) / n**2)


def _inside(box: np.ndarray, height: int, width: int) -> Bools:
    """Pixels whose centres lie in the box."""
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    (x0, y0), (x1, y1) = box
    return (x >= x0) & (x < x1) & (y >= y0) & (y < y1)


def _discs(points: np.ndarray, height: int, width: int) -> Bools:
    import cv2

    canvas = np.zeros((height, width), np.uint8)
    radius = max(1, round(DISC * float(np.hypot(height, width))))
    for x, y in points.astype(int).tolist():
        cv2.circle(canvas, (x, y), radius, 1, -1)
    return canvas > 0


def _hull(points: np.ndarray, height: int, width: int) -> Bools:
    import cv2

    canvas = np.zeros((height, width), np.uint8)
    if len(points):
        cv2.fillConvexPoly(canvas, cv2.convexHull(points.astype(np.int32)), 1)
    return canvas > 0


def _distance(pixels: Bools) -> np.ndarray:
    """Distance of every pixel to the nearest of a set, infinite if it is empty."""
    import cv2

    if not pixels.any():
        return np.full(pixels.shape, np.inf, np.float32)
    return cv2.distanceTransform((~pixels).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)


def extent(pixels: Bools) -> int:
    """The longer side of a set's bounding box, 0 if it is empty."""
    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    return max(int(np.ptp(rows)), int(np.ptp(columns))) + 1 if len(rows) else 0
