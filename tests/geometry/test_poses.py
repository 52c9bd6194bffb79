from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sanerf_hq.geometry import Camera, WorldTransform, focus_point, look_at, opengl_to_opencv, rigid_defect

UP = torch.tensor([0.0, 0.0, 1.0])
K = torch.tensor([[50.0, 0.0, 20.0], [0.0, 50.0, 15.0], [0.0, 0.0, 1.0]])
coordinates = st.tuples(*[st.floats(-5, 5, width=32)] * 3)


def camera(eye: Tensor, target: Tensor) -> Camera:
    return Camera(K, look_at(eye, target, UP), 40, 30)


def rotation_about_x(angle: float) -> Tensor:
    cosine, sine = math.cos(angle), math.sin(angle)
    pose = torch.eye(4)
    pose[1:3, 1:3] = torch.tensor([[cosine, -sine], [sine, cosine]])
    return pose


def test_cameras_in_one_place_look_at_what_is_one_unit_ahead():
    eye = torch.tensor([3.0, 1.0, 2.0])
    same = [camera(eye, eye + torch.tensor([1.0, 0.0, 0.0]))] * 3
    assert torch.allclose(focus_point(same), eye + torch.tensor([1.0, 0.0, 0.0]), atol=1e-4)
    assert WorldTransform.from_cameras(same).scale == pytest.approx(2.0, rel=1e-3)


@given(eye=coordinates, target=coordinates)
def test_look_at_is_rigid_and_looks_at_its_target(eye: tuple[float, ...], target: tuple[float, ...]):
    start, end = torch.tensor(eye), torch.tensor(target)
    if (end - start).norm() < 1e-2:
        return
    pose = look_at(start, end, UP)
    assert rigid_defect(pose) is None
    assert torch.equal(pose[:3, 3], start)
    seen = Camera(K, pose, 40, 30).project(end)
    assert torch.allclose(seen.xy, torch.tensor([20.0, 15.0]), atol=2e-2)
    assert seen.depth.item() == pytest.approx((end - start).norm().item(), rel=1e-4)


def test_up_is_up_in_the_image():
    view = camera(torch.tensor([4.0, 1.0, 0.5]), torch.zeros(3))
    assert view.project(torch.tensor([0.0, 0.0, 0.5])).xy[1] < view.project(torch.zeros(3)).xy[1]


@pytest.mark.parametrize(
    "axis", [(0.0, 0.0, 1.0), (0.0, 0.0, -1.0), (1.0, 1.0, 1.0), (0.0, 1.0, 0.0), (-1.0, -1.0, -1.0)]
)
def test_looking_along_up(axis: tuple[float, ...]):
    direction = torch.tensor(axis)
    pose = look_at(torch.zeros(3), direction * 2, direction)
    assert rigid_defect(pose) is None
    assert torch.allclose(pose[:3, 2], direction / direction.norm(), atol=1e-6)


def test_looking_almost_along_up():
    pose = look_at(torch.tensor([0.0, 1e-5, 3.0]), torch.zeros(3), UP * 100)
    assert rigid_defect(pose) is None
    assert torch.allclose(pose[:3, 1], torch.tensor([0.0, 1.0, 0.0]), atol=1e-4)  # up is -y: down is y


def test_opengl_to_opencv():
    pose = rotation_about_x(0.3)
    pose[:3, 3] = torch.tensor([1.0, 2.0, 3.0])
    flipped = opengl_to_opencv(pose)
    assert torch.equal(flipped[:, 0], pose[:, 0]) and torch.equal(flipped[:, 3], pose[:, 3])
    assert torch.equal(flipped[:, 1], -pose[:, 1]) and torch.equal(flipped[:, 2], -pose[:, 2])
    assert torch.equal(opengl_to_opencv(flipped), pose)
    assert rigid_defect(flipped) is None


def test_a_rigid_pose_has_no_defect():
    pose = rotation_about_x(1.0)
    pose[:3, 3] = torch.tensor([100.0, -3.0, 0.0])
    assert rigid_defect(pose) is None
    assert rigid_defect(pose.double()) is None


@pytest.mark.parametrize("place", [(0, 0), (2, 3), (3, 3)])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity(place: tuple[int, int], value: float):
    pose = torch.eye(4)
    pose[place] = value
    assert rigid_defect(pose) == "holds NaN or infinity"


@pytest.mark.parametrize("row", [(0.0, 0.0, 0.0, 2.0), (0.0, 0.0, 0.1, 1.0), (0.0, 0.0, 0.0, 0.0)])
def test_the_last_row(row: tuple[float, ...]):
    pose = torch.eye(4)
    pose[3] = torch.tensor(row)
    assert "last row" in (rigid_defect(pose) or "")


def test_scale_and_shear():
    sheared = torch.eye(4)
    sheared[0, 1] = 0.1
    scaled = torch.diag(torch.tensor([1.01, 1.01, 1.01, 1.0]))
    stretched = torch.diag(torch.tensor([2.0, 0.5, 1.0, 1.0]))  # of determinant 1
    for pose in (sheared, scaled, stretched, torch.diag(torch.tensor([0.0, 0.0, 0.0, 1.0]))):
        assert "scale or shear" in (rigid_defect(pose) or "")


def test_rounding_as_in_a_text_file_is_no_defect():
    assert rigid_defect((rotation_about_x(0.7) * 1e4).round() / 1e4) is None


def test_a_mirror_image():
    assert "mirror image" in (rigid_defect(torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0]))) or "")


def test_cameras_on_a_ring_look_at_its_middle():
    focus = torch.tensor([2.0, -1.0, 0.5])
    eyes = [
        focus + 3 * torch.tensor([math.cos(a), math.sin(a), 0.4]) for a in torch.linspace(0, 6, 12).tolist()
    ]
    assert torch.allclose(focus_point([camera(eye, focus) for eye in eyes]), focus, atol=2e-2)


def test_cameras_that_face_forwards_and_converge():
    focus = torch.tensor([0.0, 6.0, 0.0])
    eyes = [torch.tensor([x, 0.0, z]) for x in (-1.0, 0.0, 1.0) for z in (-0.5, 0.5)]
    found = focus_point([camera(eye, focus) for eye in eyes])
    assert abs(float(found[0])) < 0.05 and abs(float(found[2])) < 0.05
    assert 4.0 < float(found[1]) < 6.5


def test_parallel_cameras_get_a_point_in_front_of_them():
    eyes = [torch.tensor([float(x), 0.0, float(z)]) for x in range(4) for z in range(3)]
    found = focus_point([camera(eye, eye + torch.tensor([0.0, 1.0, 0.0])) for eye in eyes])
    assert torch.isfinite(found).all()
    assert torch.allclose(found[[0, 2]], torch.tensor([1.5, 1.0]), atol=1e-3)
    assert 0.5 < float(found[1]) < 50.0


def test_a_single_camera():
    found = focus_point([camera(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 5.0, 3.0]))])
    assert torch.isfinite(found).all()
    assert torch.allclose(found, torch.tensor([1.0, 3.0, 3.0]), atol=1e-3), "one unit ahead"


def test_it_moves_and_scales_with_the_cameras():
    eyes = [torch.tensor([3.0, 0.0, 1.0]), torch.tensor([0.0, 3.0, 0.5]), torch.tensor([-3.0, 0.5, 0.0])]
    near = focus_point([camera(eye, torch.zeros(3)) for eye in eyes])
    offset = torch.tensor([10.0, -20.0, 5.0])
    far = focus_point([camera(eye * 4 + offset, offset) for eye in eyes])
    assert torch.allclose(far, near * 4 + offset, atol=1e-3)
