"""Cameras: pinhole with OpenCV distortion, and the way from pixels to points and back.

Notation: ``K`` is the 3x3 intrinsic matrix in pixels; ``camtoworld`` [R|t] is OpenCV's (x right, y down,
z forward); a pixel (column i, row j) has its centre at (i + 0.5, j + 0.5); points are XY, sizes (H, W);
``depth`` is z along the optical axis, ``distance`` is measured along a ray.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.geometry.rays import Rays

UNDISTORT_ITERATIONS = 10
UNDISTORTED_AT_ONCE = 1 << 15  # points whose iterates fit into the cache
LONGEST_STEP = 0.5
LEAST_SLOPE = 1e-6
SOLVED = 1e-10
NO_RAY = 0.5  # pixels between one and where its ray falls


@dataclass(frozen=True)
class Distortion:
    """Brown-Conrady lens distortion in OpenCV's sign and scale.

    A normalised image point (x, y) with r² = x² + y² is moved to x·(1 + k1 r² + k2 r⁴ + k3 r⁶ + k4 r⁸) +
    2 p1 x y + p2 (r² + 2x²), and likewise in y; k4 is nerfstudio's r⁸ term, not OpenCV's rational model.
    """

    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0

    @property
    def is_zero(self) -> bool:
        return not any((self.k1, self.k2, self.p1, self.p2, self.k3, self.k4))

    @cached_property
    def fold(self) -> float:
        """Undistorted radius at which the radial polynomial turns back; infinite where it never does.

        No lens shows what lies beyond: the polynomial was fitted to the picture, which ends before.
        """
        slopes = (1.0, 3 * self.k1, 5 * self.k2, 7 * self.k3, 9 * self.k4)  # of r · radial(r), in r²
        roots = np.roots(np.trim_zeros(slopes[::-1], "f"))
        turns = [root.real for root in roots if abs(root.imag) < 1e-9 and root.real > 0]
        return math.sqrt(min(turns)) if turns else math.inf

    def apply(self, xy: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """Normalised undistorted points to normalised distorted ones."""
        if self.is_zero:
            return xy
        x, y = xy.unbind(-1)
        r2 = x * x + y * y
        radial = 1 + r2 * (self.k1 + r2 * (self.k2 + r2 * (self.k3 + r2 * self.k4)))
        return torch.stack(
            [
                x * radial + 2 * self.p1 * x * y + self.p2 * (r2 + 2 * x * x),
                y * radial + 2 * self.p2 * x * y + self.p1 * (r2 + 2 * y * y),
            ],
            -1,
        )

    def remove(self, xy: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """The inverse of :meth:`apply`, by Newton's method in float64.

        Points beyond what the polynomial reaches before it folds back have no inverse; what they are given
        lies at the fold.
        """
        if self.is_zero:
            return xy
        parts = [
            self._removed(part.double()).to(xy.dtype) for part in xy.reshape(-1, 2).split(UNDISTORTED_AT_ONCE)
        ]
        return torch.cat(parts).view(xy.shape)

    def _removed(self, target: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        end = (1 - LEAST_SLOPE) * self.fold  # at the fold itself no step would know where to go
        guess = _shortened(target, end)
        for _ in range(UNDISTORT_ITERATIONS):
            x, y = guess.unbind(-1)
            r2 = x * x + y * y
            radial = 1 + r2 * (self.k1 + r2 * (self.k2 + r2 * (self.k3 + r2 * self.k4)))
            slope = self.k1 + r2 * (2 * self.k2 + r2 * (3 * self.k3 + r2 * 4 * self.k4))
            residual = self.apply(guess) - target
            j_xx = radial + 2 * x * x * slope + 2 * self.p1 * y + 6 * self.p2 * x
            j_yy = radial + 2 * y * y * slope + 6 * self.p1 * y + 2 * self.p2 * x
            j_xy = 2 * x * y * slope + 2 * self.p1 * x + 2 * self.p2 * y
            det = (j_xx * j_yy - j_xy * j_xy).clamp_min(1e-6)  # before the fold it is positive
            step_x = (j_yy * residual[..., 0] - j_xy * residual[..., 1]) / det
            step_y = (j_xx * residual[..., 1] - j_xy * residual[..., 0]) / det
            step = _shortened(torch.stack([step_x, step_y], -1), LONGEST_STEP)
            guess = _shortened(guess - step, end)
            if bool((residual.abs() < SOLVED).all()):  # and after the step it is about the square of that
                break
        return guess


@dataclass(frozen=True)
class Projection:
    """Where 3D points fall in an image.

    Attributes:
        xy: Pixel coordinates, centres at +0.5.
        depth: z in the camera's frame, in scene units; ≤ 0 is behind the camera.
        on_screen: In front of the camera and inside the image.
    """

    xy: Float[Tensor, "*n 2"]
    depth: Float[Tensor, "*n"]
    on_screen: Bool[Tensor, "*n"]


@dataclass(frozen=True)
class Camera:
    """One posed image plane.

    Attributes:
        K: Intrinsics in pixels of a ``width`` x ``height`` image; the principal point may lie anywhere.
        camtoworld: Rigid camera-to-world matrix, OpenCV axes, scene units.
        width: Image width in pixels.
        height: Image height in pixels.
        distortion: Lens distortion.
        time: Moment in [0, 1] of a dynamic scene; None where the scene stands still.

    Example:
        >>> import torch
        >>> K = torch.tensor([[100.0, 0, 32], [0, 100, 20], [0, 0, 1]])
        >>> camera = Camera(K, torch.eye(4), width=64, height=48)
        >>> camera.project(torch.tensor([[0.0, 0.0, 2.0]])).xy.tolist()
        [[32.0, 20.0]]
    """

    K: Float[Tensor, "3 3"]
    camtoworld: Float[Tensor, "4 4"]
    width: int
    height: int
    distortion: Distortion = Distortion()
    time: float | None = None

    @property
    def center(self) -> Float[Tensor, "3"]:
        return self.camtoworld[:3, 3]

    @property
    def n_pixels(self) -> int:
        return self.width * self.height

    @property
    def lens(self) -> tuple[object, ...]:
        """What cameras have in common whose pixels lie in the same directions of their frames."""
        return (*self.K.flatten().tolist(), self.distortion, self.width, self.height)

    @property
    def forward(self) -> Float[Tensor, "3"]:
        return self.camtoworld[:3, 2]

    @property
    def focal(self) -> float:
        """Geometric mean of the two focal lengths, in pixels."""
        return float((self.K[0, 0] * self.K[1, 1]).sqrt())

    def resized(self, width: int, height: int | None = None) -> Camera:
        """The same view with ``width`` x ``height`` pixels; without ``height`` the aspect is kept."""
        if height is None:
            height = max(1, round(self.height * width / self.width))
        scale = torch.tensor([[width / self.width], [height / self.height], [1.0]])
        return replace(self, K=self.K * scale, width=width, height=height)

    def project(self, points: Float[Tensor, "*n 3"]) -> Projection:
        """World points to pixels (the inverse of Eq. 6)."""
        rotation = self.camtoworld[:3, :3].to(points)
        local = (points - self.center.to(points)) @ rotation  # R^T (x - t), row vectors
        depth = local[..., 2]
        safe = torch.where(depth > 1e-9, depth, torch.full_like(depth, 1e-9))
        K = self.K.to(points)
        flat = local[..., :2] / safe[..., None]
        bent = self.distortion.apply(flat)
        x = K[0, 0] * bent[..., 0] + K[0, 1] * bent[..., 1] + K[0, 2]
        y = K[1, 1] * bent[..., 1] + K[1, 2]
        inside = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        seen = inside & (depth > 1e-9) & (flat.square().sum(-1) <= self.distortion.fold**2)
        return Projection(torch.stack([x, y], -1), depth, seen)

    def unproject(self, xy: Float[Tensor, "*n 2"], depth: Float[Tensor, "*n"]) -> Float[Tensor, "*n 3"]:
        """Pixels with z-depth to world points (Eq. 6)."""
        local = self.local_directions(xy) * depth[..., None]
        return local @ self.camtoworld[:3, :3].T.to(xy) + self.center.to(xy)

    def rays(self, xy: Float[Tensor, "n 2"]) -> Rays:
        """Rays through pixel coordinates ``xy`` (integer index + 0.5 for a pixel's centre)."""
        local = self.local_directions(xy)
        directions = local @ self.camtoworld[:3, :3].T.to(xy)
        lengths = directions.norm(dim=-1, keepdim=True)
        origins = self.center.to(xy).expand_as(directions).contiguous()
        times = None if self.time is None else torch.full_like(lengths[:, 0], self.time)
        return Rays(origins, directions / lengths, lengths[:, 0].reciprocal(), times)

    def pixel_grid(self) -> Float[Tensor, "hw 2"]:
        """Centres of all pixels, row by row."""
        y, x = torch.meshgrid(torch.arange(self.height), torch.arange(self.width), indexing="ij")
        return torch.stack([x, y], -1).reshape(-1, 2).float() + 0.5

    def local_directions(self, xy: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 3"]:
        """Directions of z = 1 in the camera's frame."""
        flat = self.distortion.remove(self._bent(xy))
        return torch.cat([flat, torch.ones_like(flat[..., :1])], -1)

    def has_ray(self, xy: Float[Tensor, "*n 2"]) -> Bool[Tensor, "*n"]:
        """Whether pixel coordinates have a ray: beyond where the lens folds none falls on them."""
        bent = self._bent(xy)
        off = (self.distortion.apply(self.distortion.remove(bent)) - bent) * self.K.diagonal()[:2].to(xy)
        return off.norm(dim=-1) < NO_RAY

    def _bent(self, xy: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """Normalised distorted points of pixel coordinates."""
        K = self.K.to(xy)
        y = (xy[..., 1] - K[1, 2]) / K[1, 1]
        x = (xy[..., 0] - K[0, 2] - K[0, 1] * y) / K[0, 0]
        return torch.stack([x, y], -1)


def _shortened(vectors: Float[Tensor, "n 2"], most: float) -> Float[Tensor, "n 2"]:
    """Vectors of a length of at most ``most``."""
    return vectors * (most / vectors.norm(dim=-1, keepdim=True)).clamp(max=1.0)
