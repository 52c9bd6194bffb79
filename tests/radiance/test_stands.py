"""Where photographers stood: less is taken to be empty where they came close to things."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sanerf_hq.geometry import Camera, WorldTransform, contract, look_at, to_unit
from sanerf_hq.radiance.coarse_cells import SIDE, cell_middles, cells_round
from sanerf_hq.radiance.stands import (
    BEFORE,
    OF_FOCUS,
    OF_REACH,
    OF_STEP,
    STAND,
    before_others,
    first_stands,
    stands,
)

WORLD = WorldTransform((0.0, 0.0, 0.0), 1.0)
K = torch.tensor([[60.0, 0.0, 40.0], [0.0, 60.0, 30.0], [0.0, 0.0, 1.0]])


def orbit(n: int, radius: float) -> Tensor:
    angles = torch.arange(n) * (2 * math.pi / n)
    return torch.stack([radius * angles.cos(), radius * angles.sin(), torch.zeros(n)], -1)


def camera(place: Tensor, target: Tensor | None = None) -> Camera:
    up = torch.tensor([0.0, 0.0, 1.0])
    return Camera(K, look_at(place, torch.zeros(3) if target is None else target, up), 80, 60)


def test_round_an_object_each_photographer_has_the_most() -> None:
    assert torch.allclose(first_stands(orbit(20, 2.0)), torch.full((20,), STAND))


def test_who_comes_close_to_what_all_look_at_has_less() -> None:
    found = first_stands(torch.cat([orbit(20, 2.0), torch.tensor([[0.5, 0.0, 0.0]])]))
    assert torch.allclose(found[:-1], torch.full((20,), STAND))
    assert float(found[-1]) == pytest.approx(OF_FOCUS * 0.5)


def test_small_steps_leave_less_to_all() -> None:
    walk = torch.stack([torch.arange(30) * 0.1, torch.full((30,), -2.0), torch.zeros(30)], -1)
    assert torch.allclose(first_stands(walk), torch.full((30,), OF_STEP * 0.1))


def test_photos_from_one_place_are_one_step_from_the_next_place() -> None:
    """As of a camera that stands still while the scene moves."""
    twice = orbit(6, 2.0).repeat_interleave(3, 0)
    assert torch.allclose(first_stands(twice), torch.full((18,), STAND))


def taken(cells: Tensor, *points: tuple[float, float, float]) -> list[bool]:
    side = cells.shape[0]
    i, j, k = (to_unit(contract(torch.tensor(points))) * side).long().unbind(-1)
    return cells[i, j, k].tolist()


def test_what_others_have_before_them_is_no_stand() -> None:
    """A camera right before the thing in the middle; those round it see the thing as near as their reach."""
    places = torch.cat([orbit(8, 2.0), torch.tensor([[0.0, 0.0, 0.3]])])
    cells = before_others([camera(place) for place in places], WORLD, torch.full((9,), 2.0), 128)
    assert taken(cells, (0.0, 0.0, 0.0), (0.0, 0.0, 0.2), (0.1, 0.0, 0.1)) == [True] * 3
    assert taken(cells, (2.0, 0.0, 0.0), (1.8, 0.0, 0.0), (0.0, 2.1, 0.0)) == [False] * 3


def test_a_camera_that_sees_things_nearby_takes_less() -> None:
    assert stands(torch.tensor([3.0, 0.5])).tolist() == pytest.approx([STAND, OF_REACH * 0.5])


def scattered(n: int) -> list[Camera]:
    generator = torch.Generator().manual_seed(0)
    places = 1.5 * torch.randn(n, 3, generator=generator)
    return [camera(place, torch.randn(3, generator=generator)) for place in places]


@pytest.mark.parametrize("spread", [0.5, 1.5, 10.0])
def test_cells_round_points_are_all_that_lie_so_near(spread: float) -> None:
    generator = torch.Generator().manual_seed(1)
    points = spread * torch.randn(60, 3, generator=generator)
    radii = spread * torch.rand(60, generator=generator).square()
    radii[0] = 0.0
    for side in (1, 7, 64):
        middles = cell_middles(side=side)
        plain = torch.zeros(len(middles), dtype=torch.bool)
        for point, radius in zip(points, radii, strict=True):
            plain |= (middles - point).square().sum(-1) < radius**2
        assert torch.equal(cells_round(points, radii, side).flatten(), plain)


def test_a_cell_that_one_camera_has_before_it_need_not_be_asked_of_others() -> None:
    cameras, reaches = scattered(30), torch.linspace(0.2, 3.0, 30)
    middles, centers = cell_middles(), torch.stack([one.center for one in cameras])
    near = ((middles[:, None] - centers).square().sum(-1) < (2 * STAND) ** 2).any(-1)
    before = torch.zeros_like(near)
    for one, center, reach in zip(cameras, centers, reaches, strict=True):
        away = (middles - center).norm(dim=-1)
        before |= (away > STAND) & (away < BEFORE * reach) & one.project(middles).on_screen
    found = before_others(cameras, WORLD, reaches, SIDE)
    assert 0 < int(found.sum()) < int(near.sum())
    assert torch.equal(found.flatten(), near & before)
