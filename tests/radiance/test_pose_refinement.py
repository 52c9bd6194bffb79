"""Pose refinement: rotations are rotations, rays and cameras move alike, and a wrong camera comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sanerf_hq.cli.main import main
from sanerf_hq.cli.render import depth_picture
from sanerf_hq.geometry import Camera, WorldTransform
from sanerf_hq.radiance import load_radiance_field, train_radiance_field
from sanerf_hq.radiance.pose_refinement import PoseRefinement, rotated, save_poses, with_poses
from sanerf_hq.runs import DamagedFile
from sanerf_hq.scene import Scene, load_scene, png
from support.ball_scene import TINY, ball_scene, stepped


def skew(turn: torch.Tensor) -> torch.Tensor:
    x, y, z = turn.tolist()
    return torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=turn.dtype)


def test_rotation_is_the_matrix_exponential() -> None:
    generator = torch.Generator().manual_seed(0)
    turns = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    turns[0] = 0
    turns[1] *= 1e-6
    vectors = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    for turn, vector, found in zip(turns, vectors, rotated(turns, vectors), strict=True):
        assert torch.allclose(found, torch.linalg.matrix_exp(skew(turn)) @ vector, atol=1e-9)


def test_gradient_of_no_rotation_is_that_of_the_cross_product() -> None:
    turn = torch.zeros(1, 3, requires_grad=True)
    vector = torch.tensor([[1.0, 2.0, 3.0]])
    rotated(turn, vector)[0, 0].backward()
    assert turn.grad is not None
    assert torch.allclose(turn.grad, torch.tensor([[0.0, 3.0, -2.0]]), atol=1e-6)


def some_scene(folder: Path) -> Scene:
    return load_scene(ball_scene(folder))


def test_rays_move_with_their_camera(tmp_path: Path) -> None:
    cameras = [view.camera for view in some_scene(tmp_path / "ball").train_views]
    world = WorldTransform.from_cameras(cameras)
    poses = PoseRefinement(world.to_field(torch.stack([camera.center for camera in cameras])))
    poses.twists.data = 0.1 * torch.randn(len(cameras), 6, generator=torch.Generator().manual_seed(1))
    for number, moved in enumerate(poses.moved(cameras, world)):
        rays = world.rays_to_field(cameras[number].rays(torch.tensor([[3.0, 4.0], [30.0, 20.0]])))
        found = poses(rays, torch.tensor([number, number]))
        wanted = world.rays_to_field(moved.rays(torch.tensor([[3.0, 4.0], [30.0, 20.0]])))
        assert torch.allclose(found.origins, wanted.origins, atol=1e-5)
        assert torch.allclose(found.directions, wanted.directions, atol=1e-5)


def test_cameras_neither_drift_nor_grow() -> None:
    centers = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    poses = PoseRefinement(centers)
    poses.twists.data[:, 3:] = 0.2 * centers + torch.tensor([1.0, 2.0, 3.0])
    turns, shifts = poses.centred()
    assert shifts.abs().max() < 1e-5
    assert turns.abs().max() == 0
    poses.twists.data[2, :3] = 1.0
    assert torch.allclose(poses.centred()[0].sum(0), torch.zeros(3), atol=1e-6)


def test_poses_are_read_back_and_test_views_left_alone(tmp_path: Path) -> None:
    scene = some_scene(tmp_path / "ball")
    cameras = [view.camera for view in scene.train_views]
    save_poses(tmp_path, scene, list(reversed(cameras)), "a field")
    again = with_poses(tmp_path, scene, "a field")
    for view, camera in zip(again.train_views, reversed(cameras), strict=True):
        assert torch.equal(view.camera.camtoworld, camera.camtoworld)
    assert again.test_views == scene.test_views


@pytest.mark.parametrize("text", ["{", "{}", '{"camtoworlds": {"images/0.png": [[1]]}}'])
def test_damaged_files_of_poses_are_not_trusted(tmp_path: Path, text: str) -> None:
    (tmp_path / "poses.json").write_text(text)
    with pytest.raises(DamagedFile, match=r"poses\.json"):
        with_poses(tmp_path, some_scene(tmp_path / "ball"), "a field")


@pytest.mark.parametrize("pose", [[[1.0]], [[float("nan")] * 4] * 4, "abc", [[1, 2], [3]]])
def test_what_is_no_pose_is_not_trusted(tmp_path: Path, pose: object) -> None:
    names = [view.name for view in some_scene(tmp_path / "ball").train_views]
    (tmp_path / "poses.json").write_text(json.dumps({"camtoworlds": dict.fromkeys(names, pose)}))
    with pytest.raises(DamagedFile, match=r"poses\.json"):
        with_poses(tmp_path, some_scene(tmp_path / "ball"), "a field")


def test_poses_of_early_versions_are_read_too(tmp_path: Path) -> None:
    scene = some_scene(tmp_path / "ball")
    poses = {view.name: view.camera.camtoworld.tolist() for view in scene.train_views}
    (tmp_path / "poses.json").write_text(json.dumps({"camtoworlds": poses}))
    again = with_poses(tmp_path, scene, "a field")
    assert torch.equal(again.train_views[0].camera.camtoworld, scene.train_views[0].camera.camtoworld)


def wrong_scene(folder: Path, number: int, degrees: float) -> Scene:
    """The scene with one camera that is said to look to a side."""
    scene = some_scene(folder)
    wrong = scene.train_views[number]
    pose = wrong.camera.camtoworld.clone()
    turn = torch.tensor([0.0, 0.0, torch.pi / 180 * degrees]).expand(3, 3)
    pose[:3, :3] = rotated(turn, pose[:3, :3].T).T
    camera = replace(wrong.camera, camtoworld=pose)
    views = tuple(replace(view, camera=camera) if view == wrong else view for view in scene.views)
    return replace(scene, views=views)


def middle(camera: Camera) -> torch.Tensor:
    return camera.project(torch.zeros(1, 3)).xy[0]


def test_a_wrong_camera_comes_back(tmp_path: Path) -> None:
    right = [middle(view.camera) for view in some_scene(tmp_path / "ball").train_views]
    scene = wrong_scene(tmp_path / "wrong", 2, 4.0)
    state = stepped(scene, replace(TINY, steps=300, refine_poses=True))
    assert state.poses is not None
    cameras = [view.camera for view in scene.train_views]
    found = state.poses.moved(cameras, WorldTransform.from_cameras(cameras))
    before = (middle(cameras[2]) - right[2]).norm()
    after = torch.stack([(middle(one) - good).norm() for one, good in zip(found, right, strict=True)])
    assert before > 3
    assert after[2] < 0.9 * before
    assert after.median() < 1


def test_a_run_remembers_its_poses(tmp_path: Path) -> None:
    scene = some_scene(tmp_path / "ball")
    field = train_radiance_field(scene, tmp_path / "run", replace(TINY, steps=40, refine_poses=True))
    again = load_radiance_field(tmp_path / "run")
    given = [view.camera.camtoworld for view in scene.train_views]
    found = [camera.camtoworld for camera in again.at_home().cameras]
    assert all(torch.equal(a.camtoworld, b) for a, b in zip(field.at_home().cameras, found, strict=True))
    assert max(float((a - b).abs().max()) for a, b in zip(given, found, strict=True)) > 1e-5
    train_radiance_field(scene, tmp_path / "run", TINY, replace_other=True)
    assert torch.equal(load_radiance_field(tmp_path / "run").at_home().cameras[0].camtoworld, given[0])


def altered(text: str) -> str:
    poses = json.loads(text)
    next(iter(poses["camtoworlds"].values()))[0][3] += 0.5
    return json.dumps(poses)


def of_another_field(text: str) -> str:
    return json.dumps(json.loads(text) | {"digest": "0" * 32})


@pytest.mark.parametrize("harm", [altered, of_another_field, lambda text: text[:99], None])
def test_poses_that_are_not_the_field_s_are_refused_and_found_again(
    tmp_path: Path, harm: Callable[[str], str] | None
) -> None:
    scene, config = some_scene(tmp_path / "ball"), replace(TINY, steps=6, refine_poses=True)
    field = train_radiance_field(scene, tmp_path / "run", config)
    path = tmp_path / "run/radiance/poses.json"
    before = path.read_text()
    if harm is None:
        path.unlink()
    else:
        path.write_text(harm(before))
    with pytest.raises(DamagedFile, match=r"poses\.json.*train the scene again"):
        load_radiance_field(tmp_path / "run")
    train_radiance_field(scene, tmp_path / "run", config)
    assert path.read_text() == before
    again = load_radiance_field(tmp_path / "run").at_home().cameras
    assert all(
        torch.equal(one.camtoworld, other.camtoworld)
        for one, other in zip(field.at_home().cameras, again, strict=True)
    )


def test_a_picture_is_rendered_from_where_training_left_the_camera(tmp_path: Path) -> None:
    scene = some_scene(tmp_path / "ball")
    train_radiance_field(scene, tmp_path / "run", replace(TINY, steps=40, refine_poses=True))
    view = scene.train_views[0]

    def picture() -> bytes:
        words = ["render", str(tmp_path / "run"), "--view", view.name, "--out", str(tmp_path / "a.png")]
        assert main([*words, "--what", "depth"]) == 0
        return (tmp_path / "a.png").read_bytes()

    field = load_radiance_field(tmp_path / "run")
    left = field.at_home().scene.view(view.name).camera
    assert not torch.equal(left.camtoworld, view.camera.camtoworld)
    expected = png(depth_picture(field.render(left).depth).numpy())
    assert picture() == expected != png(depth_picture(field.render(view.camera).depth).numpy())
