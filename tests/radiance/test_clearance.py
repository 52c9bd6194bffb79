"""Clearance: rays start farther out only where the nearest camera that looks the same way vouches for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sanerf_hq.geometry import Camera, Rays, WorldTransform
from sanerf_hq.radiance.clearance import BESIDE, FIRST_ASKED, SHARE, Clearance

WORLD = WorldTransform((1.0, 0.0, 0.0), 2.0)
K = torch.tensor([[100.0, 0.0, 40.0], [0.0, 100.0, 30.0], [0.0, 0.0, 1.0]])


def looking_ahead(x: float, y: float = 0.0, time: float | None = None) -> Camera:
    """Along +z, 80 x 60 pixels: tangents up to 0.4 and 0.3."""
    pose = torch.eye(4)
    pose[:2, 3] = torch.tensor([x, y])
    return Camera(K, pose, 80, 60, time=time)


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


def test_of_a_camera_that_stays_the_moment_is_asked() -> None:
    filming = [looking_ahead(1.0, time=time) for time in (0.0, 0.5, 1.0)]
    ahead = rays((0.0, 0.0, 0.0), *[(0.0, 0.0, 1.0)] * 4)
    asked = replace(ahead, times=torch.tensor([0.1, 0.5, 0.74, 0.76]))
    found = starts(filming, [4.0, 0.8, 2.0], asked)
    assert torch.allclose(found, SHARE * torch.tensor([4.0, 0.8, 0.8, 2.0]))
    elsewhere = replace(rays((0.5, 0.0, 0.0), (0.0, 0.0, 1.0)), times=torch.ones(1))
    cameras = [looking_ahead(1.2, time=0.0), looking_ahead(1.0, time=1.0)]
    assert torch.allclose(starts(cameras, [9.0, 2.0], elsewhere), torch.tensor([SHARE * 1.5]))


def plain_starts(clearance: Clearance, asked: Rays) -> Tensor:
    """All rays and all cameras at once."""
    local = torch.einsum("rk,ckj->rcj", asked.directions, clearance.axes)
    flat = local[..., :2] / local[..., 2:].clamp_min(1e-9)
    low, high = clearance.pictures.split(2, -1)
    shown = ((flat >= low - BESIDE) & (flat <= high + BESIDE)).all(-1) & (local[..., 2] > 0)
    away = torch.cdist(asked.origins, clearance.centers).masked_fill(~shown, torch.inf)
    nearest, camera = away.min(-1)
    return (SHARE * (clearance.distances[camera] - nearest)).clamp_min(0)


@pytest.mark.parametrize("apart", [0.0, 0.3])
def test_asking_the_nearest_cameras_first_changes_nothing(apart: float) -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    poses = torch.eye(4).repeat(500, 1, 1)
    poses[:, :3, :3] = torch.linalg.qr(draw(500, 3, 3)).Q
    poses[:, :3, 3] = 3 * torch.nn.functional.normalize(draw(500, 3), dim=-1)
    cameras = [Camera(K, pose, 80, 60) for pose in poses]
    clearance = Clearance.of(cameras, WORLD, 4 + draw(500))
    origins = torch.tensor([0.4, -1.0, 0.2]) + apart * draw(4000, 3)
    asked = Rays(origins, torch.nn.functional.normalize(draw(4000, 3), dim=-1), torch.ones(4000))
    assert torch.equal(clearance.starts(asked), plain_starts(clearance, asked))
    assert clearance.starts(asked[:0]).shape == (0,)


def test_a_picture_asks_the_cameras_near_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    cameras = [looking_ahead(0.01 * n) for n in range(FIRST_ASKED + 100)]
    clearance = Clearance.of(cameras, WORLD, torch.full((len(cameras),), 2.0))
    asked: list[list[int]] = []
    shown = Clearance._shown

    def recorded(self: Clearance, some: Rays, away: Tensor, numbers: Tensor) -> Tensor:
        asked.append(numbers.tolist())
        return shown(self, some, away, numbers)

    monkeypatch.setattr(Clearance, "_shown", recorded)
    mine = WORLD.rays_to_field(cameras[0].rays(cameras[0].pixel_grid()))
    assert bool((clearance.starts(mine) > 0).all())
    assert asked == [list(range(FIRST_ASKED))]
