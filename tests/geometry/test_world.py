from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sanerf_hq.geometry import Camera, WorldTransform, look_at

K = torch.tensor([[50.0, 0.0, 20.0], [0.0, 50.0, 15.0], [0.0, 0.0, 1.0]])
UP = torch.tensor([0.0, 0.0, 1.0])


def ring(focus: torch.Tensor, radius: float, count: int = 8) -> list[Camera]:
    angles = torch.arange(count) * (2 * math.pi / count)
    eyes = focus + radius * torch.stack([angles.cos(), angles.sin(), torch.zeros(count)], -1)
    return [Camera(K, look_at(eye, focus, UP), 40, 30, time=0.5) for eye in eyes]


@given(
    center=st.tuples(*[st.floats(-100, 100)] * 3),
    scale=st.floats(1e-2, 1e2),
    point=st.tuples(*[st.floats(-100, 100)] * 3),
)
def test_there_and_back(center: tuple[float, float, float], scale: float, point: tuple[float, ...]):
    world = WorldTransform(center, scale)
    there = world.to_field(torch.tensor([point], dtype=torch.float64))
    assert torch.allclose(world.to_scene(there), torch.tensor([point], dtype=torch.float64), atol=1e-9)
    assert world.to_field(torch.tensor([center])).abs().max() == 0


def test_cameras_on_a_ring_come_to_the_distance_two():
    focus = torch.tensor([7.0, -3.0, 40.0])
    cameras = ring(focus, radius=12.0)
    world = WorldTransform.from_cameras(cameras)
    centers = world.to_field(torch.stack([camera.center for camera in cameras]))
    assert torch.allclose(centers.norm(dim=-1), torch.full((8,), 2.0), atol=1e-2)
    assert torch.allclose(torch.tensor(world.center), focus, atol=2e-2)


def test_rays_keep_their_pixels_and_lengths_scale():
    camera = ring(torch.tensor([1.0, 2.0, 3.0]), radius=5.0)[0]
    world = WorldTransform((0.5, 1.0, -2.0), 0.3)
    rays = camera.rays(camera.pixel_grid())
    inside = world.rays_to_field(rays)
    reach = torch.rand(len(rays)) * 3 + 0.3
    points = world.to_scene(inside.origins + inside.directions * reach[:, None])
    found = camera.project(points)
    assert torch.allclose(found.xy, camera.pixel_grid(), atol=2e-2)
    assert torch.allclose(found.depth, world.length_to_scene(reach * inside.cosines), atol=1e-4)
    assert torch.equal(inside.times, rays.times)


def test_a_single_camera_gives_a_finite_frame():
    world = WorldTransform.from_cameras(ring(torch.zeros(3), 3.0, count=1))
    assert math.isfinite(world.scale) and world.scale > 0
    assert all(math.isfinite(value) for value in world.center)


def test_nothing_in_nothing_out():
    world = WorldTransform((0.0, 0.0, 0.0), 2.0)
    assert world.to_field(torch.zeros(0, 3)).shape == world.to_scene(torch.zeros(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_precision_of_points_is_kept(dtype: torch.dtype):
    assert WorldTransform((0.1, 0.2, 0.3), 2.0).to_field(torch.zeros(1, 3, dtype=dtype)).dtype == dtype
