from __future__ import annotations

import math

import pytest
import torch

from sanerf_hq.capture.model import Intrinsics, Model, PosedImage
from sanerf_hq.capture.upright import stand_up
from sanerf_hq.geometry import look_at, up_direction

UP = torch.tensor([0.0, 0.0, 1.0])


def turned_about(axis: tuple[float, float, float], degrees: float) -> torch.Tensor:
    """Rotation by the exponential map."""
    x, y, z = (
        torch.nn.functional.normalize(torch.tensor(axis).double(), dim=0) * math.radians(degrees)
    ).tolist()
    return torch.matrix_exp(torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64))


def looking_down(n: int, arc: float, height: float) -> torch.Tensor:
    """Level cameras on an arc that look at the origin from above."""
    poses = []
    for index in range(n):
        angle = arc * (index / (n - 1) - 0.5)
        eye = torch.tensor([3 * math.cos(angle), 3 * math.sin(angle), height])
        poses.append(look_at(eye, torch.zeros(3), UP))
    return torch.stack(poses).double()


def model_of(poses: torch.Tensor, points: torch.Tensor) -> Model:
    images = tuple(PosedImage(f"{i}.jpg", 1, pose, 9, 0.5) for i, pose in enumerate(poses))
    cameras = {1: Intrinsics((64, 48), 70.0, 70.0, 32.0, 24.0, 0.0, 0.0, 0.0, 0.0)}
    n = len(points)
    colours, counts = torch.zeros(n, 3, dtype=torch.uint8), torch.full((n,), 3)
    return Model(cameras, images, points, colours, counts, torch.ones(n).double())


@pytest.mark.parametrize("height", [-2.0, 0.0, 4.0, 9.0])
def test_level_cameras_tell_up_however_much_they_look_down(height: float):
    assert float(up_direction(looking_down(9, 4.0, height)) @ UP.double()) > math.cos(math.radians(1))


def test_cameras_that_face_the_same_way_take_their_own_up():
    poses = torch.stack(
        [look_at(torch.tensor([3.0, i / 10, 0]), torch.tensor([0, i / 10, 0]), UP) for i in range(5)]
    )
    assert float(up_direction(poses.double()) @ UP.double()) > 1 - 1e-6


def test_photos_held_a_little_askew_average_out():
    poses = looking_down(24, 5.5, 2.0)
    for index in range(len(poses)):
        roll = turned_about((0, 0, 1), 8.0 * (-1) ** index)
        poses[index, :3, :3] = poses[index, :3, :3] @ roll
    assert float(up_direction(poses) @ UP.double()) > math.cos(math.radians(1.5))


@pytest.mark.parametrize(
    ("axis", "degrees"), [((1, 0, 0), 180), ((1, 2, 3), 77), ((0, 0, 1), 40), ((0, 1, 0), 0)]
)
def test_any_frame_is_brought_to_z_up_round_the_origin_at_distance_one(
    axis: tuple[float, float, float], degrees: float
):
    poses = looking_down(9, 4.0, 2.0)
    points = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)).double()
    turn, offset, scale = turned_about(axis, degrees), torch.tensor([4.0, -2.0, 9.0]).double(), 0.3
    moved = poses.clone()
    moved[:, :3, :3] = turn @ poses[:, :3, :3]
    moved[:, :3, 3] = scale * poses[:, :3, 3] @ turn.T + offset
    model = stand_up(model_of(moved, scale * points @ turn.T + offset))
    found = torch.stack([image.camtoworld for image in model.images])
    distance = poses[:, :3, 3].norm(dim=-1).median()
    heights = found[:, 2, 3]
    assert heights.tolist() == pytest.approx([2.0 / float(distance)] * 9, abs=0.02)
    assert float(found[:, :3, 3].norm(dim=-1).median()) == pytest.approx(1, abs=1e-3)
    # Cameras and points keep their places to each other: each sees each point where it did.
    for before, after in zip(poses, found, strict=True):
        seen = (points - before[:3, 3]) @ before[:3, :3]
        sees = (model.points - after[:3, 3]) @ after[:3, :3]
        assert torch.allclose(seen / distance, sees, atol=1e-3)
    assert torch.allclose(torch.linalg.det(found[:, :3, :3]), torch.ones(9).double(), atol=1e-9)
