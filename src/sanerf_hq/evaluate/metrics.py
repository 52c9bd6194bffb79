"""Metrics: what 2D masks and images score against the truth. Pure functions and frozen accumulators.

Notation: I and U are the pixels of the intersection and the union of prediction and truth. A sum over the
views is taken before the division ("pooled"), so a view counts by how much of the object it shows.

Not measured is None, never 0: an object that neither truth nor prediction shows in any view has no IoU. A
score of *nothing* (no view at all) is an error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

BOUNDARY_FRACTION = 0.02  # of the image's diagonal: Cheng et al., Boundary IoU, CVPR 2021
BOUNDARY_PIXELS = 3
MOST_PSNR = 100.0  # dB, of equal images: results are to be compared, and JSON has no infinity


def erode(mask: Bool[Tensor, "h w"], radius: int) -> Bool[Tensor, "h w"]:
    """The pixels whose whole (2·radius + 1)² neighbourhood is in the mask; beyond the image is background.

    Equals ``radius`` erosions with a 3x3 square. Counts background with running sums along each axis, so the
    cost does not depend on the radius and the answer is exact.
    """
    outside = ~mask
    for dim in (0, 1):
        outside = _any_within(outside, radius, dim)
    return ~outside


def _any_within(flags: Bool[Tensor, "h w"], radius: int, dim: int) -> Bool[Tensor, "h w"]:
    """True where a flag stands within ``radius`` along ``dim``, or the image's edge is nearer than that."""
    size = flags.shape[dim]
    shape = list(flags.shape)
    shape[dim] = radius
    edge = flags.new_ones(shape)
    sums = torch.cat([edge, flags, edge], dim).cumsum(dim, dtype=torch.int32)
    last = sums.narrow(dim, 2 * radius, size)
    shape[dim] = 1
    before_first = torch.cat([sums.new_zeros(shape), sums.narrow(dim, 0, size - 1)], dim)
    return last > before_first


def boundary(mask: Bool[Tensor, "h w"], radius: int) -> Bool[Tensor, "h w"]:
    """The mask's pixels at most ``radius`` pixels from its outside: the mask minus its erosion."""
    return mask & ~erode(mask, radius)


def boundary_radius(height: int, width: int) -> int:
    """Width of the Boundary IoU's band in pixels: 2 % of the image's diagonal, at least 1."""
    return max(1, round(BOUNDARY_FRACTION * math.hypot(height, width)))


@dataclass(frozen=True)
class Overlap:
    """Pixels of an intersection and of a union.

    Attributes:
        intersection: In [0, union].
        union: 0 where there is nothing to compare.
    """

    intersection: int = 0
    union: int = 0

    def __add__(self, other: Overlap) -> Overlap:
        return Overlap(self.intersection + other.intersection, self.union + other.union)

    @property
    def iou(self) -> float | None:
        """I / U in [0, 1]; None where both sets are empty."""
        return self.intersection / self.union if self.union else None


@dataclass(frozen=True)
class ViewCounts:
    """One view's prediction against its truth, in pixels.

    Attributes:
        region: The masks.
        band: Their boundaries, 2 % of the diagonal wide.
        band_3px: Their boundaries, 3 pixels wide.
        correct: Pixels where both masks say the same.
        pixels: All pixels of the view.
    """

    region: Overlap
    band: Overlap
    band_3px: Overlap
    correct: int
    pixels: int


def count_view(prediction: Bool[Tensor, "h w"], truth: Bool[Tensor, "h w"]) -> ViewCounts:
    """Compare two masks of one view.

    Args:
        prediction: What is scored.
        truth: What it is scored against, of the same size.

    Raises:
        ValueError: The sizes differ, or the view has no pixels.
    """
    if prediction.shape != truth.shape or not truth.numel():
        raise ValueError(
            f"prediction and truth must have one size, not {tuple(prediction.shape)} and {tuple(truth.shape)}"
        )
    height, width = truth.shape
    bands = [
        _overlap(boundary(prediction, radius), boundary(truth, radius))
        for radius in (boundary_radius(height, width), BOUNDARY_PIXELS)
    ]
    correct = int((prediction == truth).sum())
    return ViewCounts(_overlap(prediction, truth), bands[0], bands[1], correct, truth.numel())


def _overlap(a: Bool[Tensor, "h w"], b: Bool[Tensor, "h w"]) -> Overlap:
    return Overlap(int((a & b).sum()), int((a | b).sum()))


@dataclass(frozen=True)
class Confusion:
    """All views of one object (method.md §6).

    Attributes:
        views: What each view counted.

    Example:
        >>> import torch
        >>> truth = torch.zeros(4, 6, dtype=torch.bool)
        >>> truth[1:3, 1:5] = True
        >>> Confusion().add(truth, truth).add(~truth, truth).iou
        0.25
    """

    views: tuple[ViewCounts, ...] = ()

    def add(self, prediction: Bool[Tensor, "h w"], truth: Bool[Tensor, "h w"]) -> Confusion:
        """The same with one more view."""
        return Confusion((*self.views, count_view(prediction, truth)))

    @property
    def iou(self) -> float | None:
        """ΣI / ΣU; None where no view shows the object in truth or prediction."""
        return self._pooled([view.region for view in self.views])

    @property
    def accuracy(self) -> float:
        """The share of all views' pixels that are right."""
        self._check_seen()
        return sum(view.correct for view in self.views) / sum(view.pixels for view in self.views)

    @property
    def boundary_iou(self) -> float | None:
        """ΣI / ΣU of the boundary bands, 2 % of each view's diagonal wide (Cheng et al. 2021)."""
        return self._pooled([view.band for view in self.views])

    @property
    def boundary_iou_3px(self) -> float | None:
        """ΣI / ΣU of the boundary bands, 3 pixels wide whatever the view's size."""
        return self._pooled([view.band_3px for view in self.views])

    @property
    def mean_view_iou(self) -> float | None:
        """Mean of the views' own IoU, over the views that show the object in truth or prediction.

        A view where both are empty has no IoU and is left out: counted as 1 it would lift every method's
        score by the share of views that do not see the object. A false alarm there counts as 0.
        """
        self._check_seen()
        scores = [view.region.iou for view in self.views]
        seen = [score for score in scores if score is not None]
        return sum(seen) / len(seen) if seen else None

    def _pooled(self, overlaps: list[Overlap]) -> float | None:
        self._check_seen()
        return sum(overlaps, Overlap()).iou

    def _check_seen(self) -> None:
        if not self.views:
            raise ValueError("no view was scored: there is no such thing as the score of nothing")


@dataclass(frozen=True)
class PixelError:
    """Squared colour error summed over pixels, for a PSNR over pixels of several views.

    Attributes:
        squared: Sum of squared differences of values in [0, 1].
        n_values: How many values (pixels x channels) were compared.
    """

    squared: float = 0.0
    n_values: int = 0

    def add(
        self,
        image: UInt8[Tensor, "h w c"] | Float[Tensor, "h w c"],
        truth: UInt8[Tensor, "h w c"] | Float[Tensor, "h w c"],
        mask: Bool[Tensor, "h w"] | None = None,
    ) -> PixelError:
        """The same with one more view; arguments as for :func:`psnr`, but the mask may be empty."""
        if image.shape != truth.shape:
            raise ValueError(f"the images differ in size: {tuple(image.shape)} and {tuple(truth.shape)}")
        difference = _unit_range(image) - _unit_range(truth)
        if mask is not None:
            if mask.shape != truth.shape[:2]:
                raise ValueError(f"the mask is {tuple(mask.shape)}, the images are {tuple(truth.shape[:2])}")
            difference = difference[mask]
        return PixelError(self.squared + float(difference.square().sum()), self.n_values + difference.numel())

    @property
    def psnr(self) -> float | None:
        """-10 log10 of the mean squared error, dB, at most ``MOST_PSNR``; None where no pixel counted."""
        if not self.n_values:
            return None
        error = self.squared / self.n_values
        return -10 * math.log10(max(error, 10 ** (-MOST_PSNR / 10)))


def psnr(
    image: UInt8[Tensor, "h w c"] | Float[Tensor, "h w c"],
    truth: UInt8[Tensor, "h w c"] | Float[Tensor, "h w c"],
    mask: Bool[Tensor, "h w"] | None = None,
) -> float:
    """Peak signal-to-noise ratio of an image, dB; ``MOST_PSNR`` if the images are equal.

    Args:
        image: What is scored: uint8, or floats in [0, 1].
        truth: What it is scored against: uint8, or floats in [0, 1].
        mask: The pixels that count; None: all.

    Raises:
        ValueError: The sizes differ, values are not in [0, 1] or not finite, or no pixel counts.
    """
    value = PixelError().add(image, truth, mask).psnr
    if value is None:
        raise ValueError("the mask has no pixel: there is nothing to score")
    return value


def depth_error(depth: Float[Tensor, "h w"], truth: Float[Tensor, "h w"]) -> float | None:
    """Median of |depth - truth| / truth over the pixels where both are known; None where there is none.

    Args:
        depth: What is scored; NaN where nothing was met.
        truth: What it is scored against; 0 where it is not known.
    """
    both = depth.isfinite() & (truth > 0)
    if not bool(both.any()):
        return None
    return float(((depth[both] - truth[both]).abs() / truth[both]).median())


def _unit_range(image: Tensor) -> Float[Tensor, "h w c"]:
    if image.dtype == torch.uint8:
        return image.double() / 255
    unit = image.double()
    if not bool(((unit >= -1e-3) & (unit <= 1 + 1e-3)).all()):  # NaN fails as well
        raise ValueError("a float image must have finite values in [0, 1]")
    return unit
