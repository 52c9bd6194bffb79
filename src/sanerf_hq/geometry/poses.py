"""Poses: checks, axis conventions, and what a set of cameras looks at."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.geometry.cameras import Camera

RIGID_TOLERANCE = 1e-3
OWN_UP = 0.01  # how much cameras' mean up counts beside their sideways axes
ONE_PLACE = 1e-6  # of the cameras' distance from the origin, what their places differ by for rounding


def opengl_to_opencv(camtoworld: Float[Tensor, "4 4"]) -> Float[Tensor, "4 4"]:
    """OpenGL axes (y up, z backward) to OpenCV's (y down, z forward), by flipping two. Self-inverse."""
    return camtoworld * camtoworld.new_tensor([1.0, -1.0, -1.0, 1.0])


def rigid_defect(camtoworld: Float[Tensor, "4 4"]) -> str | None:
    """Say in a few words why a matrix is no rigid camera-to-world pose; None if it is one."""
    if not torch.isfinite(camtoworld).all():
        return "holds NaN or infinity"
    if not torch.allclose(camtoworld[3], camtoworld.new_tensor([0.0, 0.0, 0.0, 1.0]), atol=1e-6):
        return "has a last row other than 0 0 0 1"
    rotation = camtoworld[:3, :3]
    identity = torch.eye(3, dtype=rotation.dtype)
    if not torch.allclose(rotation @ rotation.T, identity, atol=RIGID_TOLERANCE):
        return "is not rigid (its rotation has scale or shear)"
    if torch.linalg.det(rotation) < 0:
        return "is a mirror image (determinant -1)"
    return None


def look_at(
    eye: Float[Tensor, "3"], target: Float[Tensor, "3"], up: Float[Tensor, "3"]
) -> Float[Tensor, "4 4"]:
    """OpenCV camera-to-world of a camera at ``eye`` that looks at ``target``."""
    forward = torch.nn.functional.normalize((target - eye).double(), dim=0)
    right = torch.linalg.cross(forward, torch.nn.functional.normalize(up.double(), dim=0))
    if right.norm() < 1e-6:  # looking along `up`: any sideways axis will do
        sideways = torch.zeros_like(forward)
        sideways[forward.abs().argmin()] = 1
        right = torch.linalg.cross(forward, sideways)
    right = torch.nn.functional.normalize(right, dim=0)
    down = torch.linalg.cross(forward, right)
    pose = torch.eye(4, dtype=eye.dtype)
    pose[:3] = torch.stack([right, down, forward, eye.double()], 1)
    return pose


def focus_point(cameras: list[Camera]) -> Float[Tensor, "3"]:
    """The point nearest to all optical axes, in the least-squares sense.

    Cameras that look the same way have no such point; a pull towards one baseline in front of the mean
    camera (one unit where all stand in one place) keeps the answer finite and in front of them.
    """
    centers = torch.stack([camera.center for camera in cameras]).double()
    forwards = torch.stack([camera.forward for camera in cameras]).double()
    middle = centers.mean(0)
    spread = float((centers - middle).norm(dim=-1).mean())
    ahead = middle + forwards.mean(0) * (2 * spread if spread > ONE_PLACE * float(middle.norm()) else 1.0)
    projectors = torch.eye(3, dtype=torch.float64) - forwards[:, :, None] * forwards[:, None, :]
    weight = 1e-3 * len(cameras)
    normal = projectors.sum(0) + weight * torch.eye(3, dtype=torch.float64)
    target = (projectors @ centers[:, :, None]).sum(0)[:, 0] + weight * ahead
    return torch.linalg.solve(normal, target).float()


def up_direction(camtoworld: Float[Tensor, "n 4 4"]) -> Float[Tensor, "3"]:
    """The unit direction u that is most perpendicular to cameras' sideways axes x_i, near their mean up ū.

    People hold cameras level, more or less: sideways axes tell up better than the cameras' own up, since that
    leans as a camera looks down. u minimises mean (x_i·u)² - 0.01 (ū·u)², the smallest eigenvector of a 3x3
    matrix; where all cameras face the same way the second term decides.
    """
    sideways, down = camtoworld[:, :3, 0].double(), camtoworld[:, :3, 1].double()
    mean_up = torch.nn.functional.normalize(-down.mean(0), dim=0)
    matrix = sideways.T @ sideways / len(sideways) - OWN_UP * torch.outer(mean_up, mean_up)
    up = torch.linalg.eigh(matrix).eigenvectors[:, 0]
    return (up if up @ mean_up >= 0 else -up).to(camtoworld.dtype)
