"""Sharpness: how much fine detail an image holds, to compare images of one scene with each other."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

MEASURED_LONGEST = 960  # pixels: finer blur does not matter to features, and noise is not taken for detail
FLAT = 25.0  # variance in grey levels² that counts as nothing at all


def sharpness(grey: npt.NDArray[np.uint8]) -> float:
    """Variance of the Laplacian relative to that of the image, so that contrast and exposure cancel.

    Args:
        grey: (h, w) grey levels.

    Returns:
        0 for an even surface; of photos with equal content the blurred one has less.
    """
    scale = MEASURED_LONGEST / max(grey.shape)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(grey.dtype)
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)
    detail = cv2.Laplacian(smooth, cv2.CV_32F)
    return float(detail.var()) / (float(grey.var()) + FLAT)
