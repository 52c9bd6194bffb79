"""Camera paths: a turntable round an object, or a smooth way through keyframes.

All in the scene's coordinates; cameras without distortion, principal point in the middle. Angles are degrees:
``elevation`` is above the object's horizon, ``fov`` the vertical field of view.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.export.placement import Placement
from sanerf_hq.geometry import Camera, look_at

ROOM = 1.3  # half the picture's smaller side over the object's radius, as they are seen
CLOSEST = 1.5  # distance of a turntable's cameras over the object's radius, at least
ALL_ROUND = 100.0  # degrees: with no larger gap between them, cameras stand all round
WIDEST_FOV = 100.0


@dataclass(frozen=True)
class Keyframe:
    """A camera that a path passes.

    Attributes:
        seconds: When it does.
        camtoworld: Where from (OpenCV axes).
        fov: Vertical field of view.
    """

    seconds: float
    camtoworld: Float[Tensor, "4 4"]
    fov: float


def turntable(
    placement: Placement,
    around: Sequence[Camera],
    n_frames: int,
    size: tuple[int, int],
    elevation: float | None = None,
    zoom: float = 1.0,
) -> tuple[Camera, ...]:
    """Cameras at one distance that look at an object's centre, from where its photos were taken.

    They stand at the median distance and elevation of the cameras that took them, where the field is known
    best, and the lens is chosen so that the object fills the picture. They go round once and end beside the
    first one; where those cameras leave a gap of more than 100°, they go from one side of it to the other
    and back.

    Args:
        placement: The object.
        around: The scene's cameras that see the object.
        n_frames: How many, ≥ 1.
        size: Width and height of the pictures in pixels.
        elevation: In place of the median.
        zoom: Larger or smaller than filling the picture, > 0.
    """
    right, ahead = _horizon(placement.up)
    offsets = torch.stack([camera.center for camera in around]).double() - placement.center.double()
    distances = offsets.norm(dim=-1).clamp_min(1e-9)
    if elevation is None:
        rise = (offsets @ placement.up.double() / distances).clamp(-1, 1).asin().median()
        elevation = math.degrees(float(rise))
    distance = max(float(distances.median()), CLOSEST * placement.radius)
    azimuths = torch.atan2(offsets @ ahead, offsets @ right)
    fov = _fov(placement.radius * ROOM / zoom, distance, size)
    cameras = []
    for angle in _turn(azimuths, n_frames).tolist():
        level = right * math.cos(angle) + ahead * math.sin(angle)
        tilt = math.radians(elevation)
        outward = level * math.cos(tilt) + placement.up.double() * math.sin(tilt)
        upright = placement.up.double() * math.cos(tilt) - level * math.sin(
            tilt
        )  # turns from right above, too
        eye = placement.center.double() + outward * distance
        cameras.append(path_camera(look_at(eye.float(), placement.center, upright.float()), fov, size))
    return tuple(cameras)


def through_keyframes(keyframes: Sequence[Keyframe], fps: float, size: tuple[int, int]) -> tuple[Camera, ...]:
    """A smooth way through cameras: positions by a cubic spline, rotations by its like on the sphere.

    Speed and turning speed change continuously; every keyframe that falls on a frame is that frame's camera.

    Args:
        keyframes: At least two, each later than the one before.
        fps: Frames a second.
        size: Width and height of the pictures in pixels.

    Raises:
        InputError: There are fewer than two keyframes, or they are not in order.
    """
    from scipy.interpolate import CubicSpline
    from scipy.spatial.transform import Rotation, RotationSpline

    seconds = np.array([keyframe.seconds for keyframe in keyframes])
    if len(keyframes) < 2 or (np.diff(seconds) <= 0).any():
        raise InputError("a camera path needs two keyframes or more, each with later 'seconds'; correct them")
    poses = torch.stack([keyframe.camtoworld for keyframe in keyframes]).double().numpy()
    fovs = np.log([keyframe.fov for keyframe in keyframes])
    ends = "natural" if len(keyframes) > 2 else "not-a-knot"  # two points are a straight line either way
    position = CubicSpline(seconds, poses[:, :3, 3], bc_type=ends)
    rotation = RotationSpline(seconds, Rotation.from_matrix(poses[:, :3, :3]))
    lens = CubicSpline(seconds, fovs, bc_type=ends)
    n_frames = math.floor((seconds[-1] - seconds[0]) * fps + 1e-6) + 1
    moments = np.minimum(seconds[0] + np.arange(n_frames) / fps, seconds[-1])
    cameras = []
    for eye, turned, log_fov in zip(
        position(moments), rotation(moments).as_matrix(), lens(moments), strict=True
    ):
        pose = torch.eye(4)
        pose[:3, :3], pose[:3, 3] = torch.from_numpy(turned).float(), torch.from_numpy(eye).float()
        cameras.append(path_camera(pose, min(math.exp(float(log_fov)), WIDEST_FOV), size))
    return tuple(cameras)


def path_camera(camtoworld: Float[Tensor, "4 4"], fov: float, size: tuple[int, int]) -> Camera:
    """A camera of a path: square pixels, principal point in the middle."""
    width, height = size
    focal = height / 2 / math.tan(math.radians(fov) / 2)
    K = torch.tensor([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    return Camera(K, camtoworld, width, height)


def vertical_fov(camera: Camera) -> float:
    """The vertical field of view of a camera whose principal point were in the middle."""
    return math.degrees(2 * math.atan(camera.height / 2 / float(camera.K[1, 1])))


def _horizon(up: Float[Tensor, "3"]) -> tuple[Tensor, Tensor]:
    """Two level directions at right angles, so that angles grow counterclockwise seen from above."""
    least = torch.zeros(3, dtype=torch.float64)
    least[up.abs().argmin()] = 1
    right = torch.nn.functional.normalize(torch.linalg.cross(least, up.double()), dim=0)
    return right, torch.linalg.cross(up.double(), right)


def _turn(azimuths: Float[Tensor, "n"], n_frames: int) -> Float[Tensor, "n_frames"]:
    """Azimuths of the frames, from those of the scene's cameras; radians."""
    ordered = (azimuths % (2 * math.pi)).sort().values
    gaps = torch.cat([ordered[1:], ordered[:1] + 2 * math.pi]) - ordered
    widest = int(gaps.argmax())
    first = float(ordered[(widest + 1) % len(ordered)])
    share = torch.arange(n_frames, dtype=torch.float64) / n_frames
    if math.degrees(float(gaps[widest])) <= ALL_ROUND:
        return first + share * 2 * math.pi
    covered = 2 * math.pi - float(gaps[widest])
    return first + covered * (1 - (share * 2 * math.pi).cos()) / 2


def _fov(radius: float, distance: float, size: tuple[int, int]) -> float:
    """The vertical field of view in which a sphere touches the picture's nearer sides."""
    width, height = size
    half = math.asin(min(radius / distance, 0.95))
    fov = 2 * math.atan(math.tan(half) * height / min(width, height))
    return min(math.degrees(fov), WIDEST_FOV)
