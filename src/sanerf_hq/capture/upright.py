"""Upright: a model turned so that z is up, moved so that what the cameras look at is the origin, scaled.

COLMAP's frame is that of whichever image it began with. People hold cameras level, more or less: across all
images the sideways axis lies in the horizontal plane, which tells up better than the images' own up, since
that leans as the camera looks down.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.capture.model import Model
from sanerf_hq.geometry import Camera, focus_point

OWN_UP = 0.01  # how much the images' mean up counts beside their sideways axes
MEDIAN_DISTANCE = 1.0


def stand_up(model: Model) -> Model:
    """The model with z up, its centre of attention at the origin, the median camera at distance 1."""
    poses = torch.stack([image.camtoworld for image in model.images])
    rotation = _to_z(up_direction(poses))
    center = _focus(poses)
    scale = MEDIAN_DISTANCE / max(float((poses[:, :3, 3] - center).norm(dim=-1).median()), 1e-9)
    images = []
    for image in model.images:
        pose = image.camtoworld.clone()
        pose[:3, :3] = rotation @ pose[:3, :3]
        pose[:3, 3] = rotation @ (pose[:3, 3] - center) * scale
        images.append(replace(image, camtoworld=pose))
    points = (model.points - center) @ rotation.T * scale
    return replace(model, images=tuple(images), points=points)


def up_direction(camtoworld: Float[Tensor, "n 4 4"]) -> Float[Tensor, "3"]:
    """The unit direction u that is most perpendicular to all sideways axes and near the images' mean up ū.

    u minimises mean (x_i·u)² - 0.01 (ū·u)², the smallest eigenvector of a 3x3 matrix; where all cameras face
    the same way the second term decides.
    """
    sideways, down = camtoworld[:, :3, 0], camtoworld[:, :3, 1]
    mean_up = -down.mean(0)
    mean_up = mean_up / mean_up.norm().clamp_min(1e-9)
    matrix = sideways.T @ sideways / len(sideways) - OWN_UP * torch.outer(mean_up, mean_up)
    up = torch.linalg.eigh(matrix).eigenvectors[:, 0]
    return up if up @ mean_up >= 0 else -up


def _to_z(up: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
    """The smallest rotation that takes ``up`` to z (Rodrigues' formula)."""
    z = up.new_tensor([0.0, 0.0, 1.0])
    axis, cosine = torch.linalg.cross(up, z), float(up @ z)
    if cosine < -1 + 1e-9:
        return torch.diag(up.new_tensor([1.0, -1.0, -1.0]))
    x, y, w = axis.tolist()
    skew = up.new_tensor([[0.0, -w, y], [w, 0.0, -x], [-y, x, 0.0]])
    return torch.eye(3, dtype=up.dtype) + skew + skew @ skew / (1 + cosine)


def _focus(poses: Float[Tensor, "n 4 4"]) -> Float[Tensor, "3"]:
    """What the cameras look at, together."""
    cameras = [Camera(torch.eye(3), pose.float(), 1, 1) for pose in poses]
    return focus_point(cameras).to(poses)
