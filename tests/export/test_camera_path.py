"""Camera paths against closed forms: circles, keyframes, straight ways at one speed."""

from __future__ import annotations

import math

import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.export import Keyframe, Placement, through_keyframes, turntable
from sanerf_hq.export.camera_path import CLOSEST, ROOM, path_camera, vertical_fov
from sanerf_hq.geometry import Camera, look_at, rigid_defect

SIZE = (64, 48)
UP = torch.nn.functional.normalize(torch.tensor([0.1, 0.2, 1.0]), dim=0)
CENTER = torch.tensor([3.0, -2.0, 5.0])
PLACEMENT = Placement(CENTER, 0.5, UP)


def ring(n: int, distance: float, elevation: float, first: float = 0.0, arc: float = 360.0) -> list[Camera]:
    """Cameras round the object: on a whole circle, or on an arc with both ends."""
    side = torch.nn.functional.normalize(torch.linalg.cross(UP, torch.tensor([1.0, 0.0, 0.0])), dim=0)
    ahead = torch.linalg.cross(UP, side)
    steps = n if arc == 360 else n - 1
    cameras = []
    for index in range(n):
        angle = math.radians(first + arc * index / steps)
        level = side * math.cos(angle) + ahead * math.sin(angle)
        tilt = math.radians(elevation)
        eye = CENTER + distance * (level * math.cos(tilt) + UP * math.sin(tilt))
        cameras.append(path_camera(look_at(eye, CENTER, UP), 40.0, SIZE))
    return cameras


def azimuths(cameras: tuple[Camera, ...] | list[Camera]) -> list[float]:
    """Degrees round the object, unwrapped."""
    side = torch.nn.functional.normalize(torch.linalg.cross(UP, torch.tensor([1.0, 0.0, 0.0])), dim=0)
    ahead = torch.linalg.cross(UP, side)
    turned: list[float] = []
    for camera in cameras:
        away = camera.center - CENTER
        angle = math.degrees(math.atan2(float(away @ ahead), float(away @ side)))
        while turned and angle < turned[-1] - 180:
            angle += 360
        while turned and angle > turned[-1] + 180:
            angle -= 360
        turned.append(angle)
    return turned


def test_a_turntable_keeps_its_distance_and_looks_at_the_centre():
    cameras = turntable(PLACEMENT, ring(7, 4.0, 25.0), 10, SIZE)
    assert len(cameras) == 10
    for camera in cameras:
        away = camera.center - CENTER
        assert float(away.norm()) == pytest.approx(4.0, abs=1e-4)
        assert math.degrees(math.asin(float(away @ UP) / 4.0)) == pytest.approx(25.0, abs=0.01)
        seen = camera.project(CENTER[None])
        assert seen.xy[0].tolist() == pytest.approx([SIZE[0] / 2, SIZE[1] / 2], abs=1e-2)
        assert abs(float(camera.camtoworld[:3, 0] @ UP)) < 1e-5, "held level"
        assert float(camera.camtoworld[:3, 1] @ UP) < 0, "not upside down"
        assert rigid_defect(camera.camtoworld) is None
    steps = torch.tensor(azimuths(cameras)).diff()
    assert steps.tolist() == pytest.approx([36.0] * 9, abs=0.01)


def test_the_object_fills_the_picture_with_some_room():
    for size in ((64, 48), (48, 64)):
        (camera,) = turntable(PLACEMENT, ring(7, 4.0, 0.0), 1, size)
        edge = CENTER + ROOM * 0.5 * camera.camtoworld[:3, 0] * 4 / math.sqrt(16 - (ROOM * 0.5) ** 2)
        reach = float(camera.project(edge[None]).xy[0, 0]) - size[0] / 2
        assert reach == pytest.approx(min(size) / 2, abs=0.05)
    (near,) = turntable(PLACEMENT, ring(7, 4.0, 0.0), 1, SIZE, zoom=2.0)
    (far,) = turntable(PLACEMENT, ring(7, 4.0, 0.0), 1, SIZE, zoom=0.5)
    assert vertical_fov(near) < vertical_fov(far)


@pytest.mark.parametrize("elevation", [90.0, 89.999, -90.0])
def test_from_straight_above_or_below_the_picture_turns_all_the_same(elevation: float):
    cameras = turntable(PLACEMENT, ring(24, 4.0, 25.0), 12, SIZE, elevation=elevation)
    rights = torch.stack([camera.camtoworld[:3, 0] for camera in cameras]).double()
    turned = (rights * rights.roll(-1, 0)).sum(-1).clamp(-1, 1).acos()
    assert turned.rad2deg().tolist() == pytest.approx([30.0] * 12, abs=0.1)
    assert (rights @ PLACEMENT.up.double()).abs().max() < 1e-4


def test_elevation_may_be_chosen_and_cameras_stay_outside_the_object():
    (camera,) = turntable(PLACEMENT, ring(7, 4.0, 25.0), 1, SIZE, elevation=-10.0)
    assert math.degrees(math.asin(float((camera.center - CENTER) @ UP) / 4.0)) == pytest.approx(-10, abs=0.01)
    (close,) = turntable(PLACEMENT, ring(7, 0.1, 25.0), 1, SIZE)
    assert float((close.center - CENTER).norm()) == pytest.approx(CLOSEST * 0.5, abs=1e-4)
    (above,) = turntable(PLACEMENT, ring(7, 4.0, 90.0), 1, SIZE)
    assert rigid_defect(above.camtoworld) is None


def test_where_cameras_stood_on_one_side_only_it_swings():
    taken = ring(9, 4.0, 10.0, first=30.0, arc=120.0)
    turned = azimuths(turntable(PLACEMENT, taken, 8, SIZE))
    assert min(turned) == pytest.approx(30.0, abs=0.01)
    assert max(turned) == pytest.approx(150.0, abs=0.01)
    assert turned[1:4] == pytest.approx(turned[:4:-1], abs=0.01), "and back the same way"


def keyframe(seconds: float, eye: list[float], fov: float = 40.0) -> Keyframe:
    return Keyframe(seconds, look_at(torch.tensor(eye).float(), CENTER, UP), fov)


def test_keyframes_are_hit():
    frames = [
        keyframe(1.0, [0, 0, 0], 30),
        keyframe(2.0, [1, 4, 2], 60),
        keyframe(4.5, [-3, 0, 9], 45),
        keyframe(5.0, [0, -1, 8], 20),
    ]
    path = through_keyframes(frames, 10.0, SIZE)
    assert len(path) == 41
    for frame in frames:
        camera = path[round((frame.seconds - 1) * 10)]
        assert torch.allclose(camera.camtoworld, frame.camtoworld, atol=1e-4)
        assert vertical_fov(camera) == pytest.approx(frame.fov, rel=1e-4)
    assert all(rigid_defect(camera.camtoworld) is None for camera in path)
    assert {(camera.width, camera.height) for camera in path} == {SIZE}


def test_equal_steps_along_a_line_are_gone_at_one_speed():
    frames = [keyframe(float(i), [float(i), 0, 0]) for i in range(4)]
    path = through_keyframes(frames, 8.0, SIZE)
    steps = torch.stack([camera.center for camera in path])[:, 0].diff()
    assert torch.allclose(steps, torch.full_like(steps, 1 / 8), atol=1e-5)


def test_between_two_keyframes_the_turn_is_even():
    poses = [
        look_at(torch.zeros(3), torch.tensor(t), torch.tensor([0.0, 0, 1]))
        for t in ([1.0, 0, 0], [0, 1.0, 0])
    ]
    path = through_keyframes([Keyframe(0, poses[0], 40), Keyframe(3, poses[1], 40)], 1.0, SIZE)
    turned = [math.degrees(math.atan2(float(c.forward[1]), float(c.forward[0]))) for c in path]
    assert turned == pytest.approx([0, 30, 60, 90], abs=1e-3)


def test_a_path_bends_smoothly():
    frames = [keyframe(0.0, [0, 0, 0]), keyframe(1.0, [1, 1, 0]), keyframe(2.0, [2, 0, 0])]
    path = through_keyframes(frames, 100.0, SIZE)
    speed = torch.stack([camera.center for camera in path]).diff(dim=0) * 100
    assert float(speed.diff(dim=0).norm(dim=-1).max()) < 0.2, "no corner: the speed never jumps"


@pytest.mark.parametrize("seconds", [[0.0], [0.0, 0.0], [1.0, 0.5], []])
def test_keyframes_must_be_in_order(seconds: list[float]):
    with pytest.raises(InputError, match="two keyframes or more, each with later"):
        through_keyframes([keyframe(t, [0, 0, 0]) for t in seconds], 10.0, SIZE)
