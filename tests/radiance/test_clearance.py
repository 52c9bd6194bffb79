"""Clearance: rays start farther out only where the nearest camera that looks the same way vouches for it."""

from __future__ import annotations

import torch
from torch import Tensor

from sanerf_hq.geometry import Camera, Rays, WorldTransform
from sanerf_hq.radiance.clearance import BESIDE, SHARE, Clearance

WORLD = WorldTransform((1.0, 0.0, 0.0), 2.0)
K = torch.tensor([[100.0, 0.0, 40.0], [0.0, 100.0, 30.0], [0.0, 0.0, 1.0]])


def looking_ahead(x: float, y: float = 0.0) -> Camera:
    """Along +z, 80 x 60 pixels: tangents up to 0.4 and 0.3."""
    pose = torch.eye(4)
    pose[:2, 3] = torch.tensor([x, y])
    return Camera(K, pose, 80, 60)


def rays(origin: tuple[float, float, float], *directions: tuple[float, float, float]) -> Rays:
    along = torch.nn.functional.normalize(torch.tensor(directions), dim=-1)
    return Rays(torch.tensor(origin).expand_as(along), along, torch.ones(len(along)))


def starts(cameras: list[Camera], distances: list[float], asked: Rays) -> Tensor:
    return Clearance.of(cameras, WORLD, torch.tensor(distances)).starts(asked)


def test_a_ray_beside_a_camera_starts_half_as_far_out_as_that_sees_nothing() -> None:
    ahead = rays((0.5, 0.0, 0.0), (0.0, 0.0, 1.0))
    assert torch.allclose(starts([looking_ahead(1.0)], [2.0], ahead), torch.tensor([SHARE * 1.5]))
    assert starts([looking_ahead(1.0)], [0.4], ahead).tolist() == [0.0], "it is farther off than that"


def test_what_a_picture_does_not_show_nobody_vouches_for() -> None:
    edge = 0.4 + BESIDE
    asked = rays(
        (0.0, 0.0, 0.0), (edge - 0.01, 0, 1), (edge + 0.01, 0, 1), (0, 0.35, 1), (0, 0.45, 1), (0, 0, -1)
    )
    assert (starts([looking_ahead(1.0)], [2.0], asked) > 0).tolist() == [True, False, True, False, False]


def test_of_several_cameras_the_nearest_is_asked() -> None:
    near, far = looking_ahead(1.05), looking_ahead(1.5)
    asked = rays((0.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    assert torch.allclose(starts([far, near], [9.0, 1.0], asked), torch.tensor([SHARE * 0.9]))


def test_without_cameras_nothing_is_known() -> None:
    assert Clearance.unknown().starts(rays((0.0, 0.0, 0.0), (0.0, 0.0, 1.0))).tolist() == [0.0]
