"""Viewpoint: a camera of the user's own as plain numbers, so that states can be compared and written."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera

SAME_PLACE = 1e-3  # share of the distance to what is looked at


@dataclass(frozen=True)
class Viewpoint:
    """Where a browser looks from, in the scene's coordinates (OpenCV axes, z forward).

    Attributes:
        position: The eye.
        wxyz: Rotation from the camera's frame to the world's, a quaternion.
        fov: Vertical field of view, radians.
        look_at: The point that orbiting turns round.
        up: The direction that orbiting keeps upright.
    """

    position: tuple[float, float, float]
    wxyz: tuple[float, float, float, float]
    fov: float
    look_at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        numbers = (*self.position, *self.wxyz, self.fov, *self.look_at, *self.up)
        norm = sum(q * q for q in self.wxyz)
        if not all(map(math.isfinite, numbers)) or norm < 1e-9 or not 0.01 < self.fov < 3.1:
            raise InputError("the browser's camera is no camera; reload the page")

    @staticmethod
    def of_camera(camera: Camera, distance: float) -> Viewpoint:
        """A scene camera's place; a lens that is off centre or bent is taken as a plain one.

        Args:
            camera: The camera.
            distance: How far off it looks at something, scene units.
        """
        pose = camera.camtoworld.double()
        fov = 2 * math.atan(camera.height / (2 * float(camera.K[1, 1])))
        look_at = pose[:3, 3] + pose[:3, 2] * distance
        return Viewpoint(
            _triple(pose[:3, 3]), _quaternion(pose[:3, :3]), fov, _triple(look_at), _triple(-pose[:3, 1])
        )

    def camera(self, width: int, height: int) -> Camera:
        """The same view as a pinhole camera of so many pixels."""
        focal = height / (2 * math.tan(self.fov / 2))
        K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        pose = torch.eye(4)
        pose[:3, :3] = _rotation(self.wxyz)
        pose[:3, 3] = torch.tensor(self.position)
        return Camera(K, pose, width, height)

    def is_at(self, camera: Camera, distance: float) -> bool:
        """Whether it looks from where a scene's camera stands, along the same axis and as upright."""
        if math.dist(self.position, camera.camtoworld[:3, 3].tolist()) > SAME_PLACE * distance:
            return False  # as nearly all cameras are, whenever the window moves
        turned = _rotation(self.wxyz).T @ camera.camtoworld[:3, :3]
        return float((turned - torch.eye(3)).norm()) <= SAME_PLACE


Seen = tuple[Viewpoint, tuple[int, int]]
"""What a browser sees: from where, and its canvas: width and height, pixels."""


def _triple(values: Float[Tensor, "3"]) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return x, y, z


def _rotation(wxyz: tuple[float, float, float, float]) -> Float[Tensor, "3 3"]:
    w, x, y, z = (torch.tensor(wxyz, dtype=torch.float64) / math.sqrt(sum(q * q for q in wxyz))).tolist()
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.tensor(rows, dtype=torch.float64).float()


def _quaternion(rotation: Float[Tensor, "3 3"]) -> tuple[float, float, float, float]:
    """The largest of the four components is found first, so nothing small is divided by."""
    (a, b, c), (d, e, f), (g, h, i) = rotation.tolist()
    squares = [1 + a + e + i, 1 + a - e - i, 1 - a + e - i, 1 - a - e + i]
    largest = squares.index(max(squares))
    rows = [
        (squares[0], h - f, c - g, d - b),
        (h - f, squares[1], b + d, c + g),
        (c - g, b + d, squares[2], f + h),
        (d - b, c + g, f + h, squares[3]),
    ]
    half = 2 * math.sqrt(squares[largest])
    w, x, y, z = (value / half for value in rows[largest])
    return w, x, y, z
