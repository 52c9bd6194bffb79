"""Model: posed images, their cameras and the 3D points that they share, in plain arrays.

Axes are OpenCV's, pixel centres lie at +0.5. Units are the model's own until
:func:`sanerf_hq.capture.upright.stand_up` settles them.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int64, UInt8
from torch import Tensor


@dataclass(frozen=True)
class Intrinsics:
    """A camera in OpenCV's distortion model.

    Attributes:
        size: Width and height of its images.
        fl_x, fl_y: Focal lengths, pixels.
        cx, cy: Principal point, pixels.
        k1, k2, p1, p2: Distortion: two radial, two tangential coefficients.
    """

    size: tuple[int, int]
    fl_x: float
    fl_y: float
    cx: float
    cy: float
    k1: float
    k2: float
    p1: float
    p2: float


@dataclass(frozen=True)
class PosedImage:
    """An image whose place was found.

    Attributes:
        name: File name in ``images/``.
        camera: Number of its camera in the model.
        camtoworld: Rigid pose.
        n_points: 3D points that it sees.
        error: Mean distance in pixels of these points' projections from where they were seen.
    """

    name: str
    camera: int
    camtoworld: Float[Tensor, "4 4"]
    n_points: int
    error: float


@dataclass(frozen=True)
class Model:
    """What was found.

    Attributes:
        cameras: By number.
        images: Posed images, by name.
        points: 3D points.
        colours: Of the points, RGB.
        n_seen: In how many images each point was seen.
        errors: Mean reprojection error of each point, pixels.
        others: Names of images that fit together in smaller models, apart from this one.
    """

    cameras: dict[int, Intrinsics]
    images: tuple[PosedImage, ...]
    points: Float[Tensor, "n 3"]
    colours: UInt8[Tensor, "n 3"]
    n_seen: Int64[Tensor, "n"]
    errors: Float[Tensor, "n"]
    others: tuple[tuple[str, ...], ...] = ()

    @property
    def mean_error(self) -> float:
        """Mean reprojection error over all sightings, pixels."""
        return float((self.errors * self.n_seen).sum() / self.n_seen.sum().clamp_min(1))
