"""Upright: a model turned so that z is up, moved so that what the cameras look at is the origin, scaled.

COLMAP's frame is that of whichever image it began with.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.capture.model import Model
from sanerf_hq.geometry import Camera, focus_point, up_direction

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
