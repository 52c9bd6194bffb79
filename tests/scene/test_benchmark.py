"""SANeRF-HQ's lists: what the package carries, in which frame, and truth masks on disk."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera, look_at
from sanerf_hq.scene import SceneOptions, has_truth, instance_mask, load_scene, object_pixels
from sanerf_hq.scene.benchmark import BenchmarkScene, find_benchmark
from sanerf_hq.scene.benchmark_frame import points_to_scene, to_frame
from sanerf_hq.scene.quaternions import quaternions_of
from support.colmap_files import Image, write_model
from support.scene_files import frame, write_image, write_json, write_scene

STEMS = [
    "DSCF5568",
    "DSCF5573",
    "DSCF5611",
    "DSCF5633",
    "DSCF5667",
    "DSCF5736",
    "DSCF5782",
    "DSCF5797",
    "DSCF5832",
]
ASKED = SceneOptions(split="sanerf-hq")


def cameras(n: int = 7) -> list[Camera]:
    """A ring of OpenCV cameras with noise, about a point off the origin and about an axis that is no axis."""
    generator = torch.Generator().manual_seed(1)
    up = torch.tensor([0.2, 0.9, 0.4])
    found = []
    for index in range(n):
        angle = math.tau * index / n + 0.3
        side, front = torch.tensor([0.9, -0.3, 0.2]), torch.tensor([0.1, 0.4, -0.9])
        eye = 3 * (math.cos(angle) * side + math.sin(angle) * front) + up + torch.tensor([5.0, -2.0, 1.0])
        target = torch.tensor([5.0, -2.0, 1.0]) + 0.3 * torch.rand(3, generator=generator)
        found.append(Camera(torch.eye(3), look_at(eye, target, up), 40, 30))
    return found


def rotate_onto_z(axis: np.ndarray) -> np.ndarray:
    """The shortest turn that takes an axis to +z, by its angle."""
    axis = axis / np.linalg.norm(axis)
    across = np.cross(axis, [0, 0, 1])
    angle = math.atan2(float(np.linalg.norm(across)), float(axis[2]))
    x, y, z = across / np.linalg.norm(across)
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * K + (1 - math.cos(angle)) * K @ K


def authors_frame(dataset: str, poses: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points where the authors' loader takes them, step by step as benchmark_lists.json's `frame` says.

    ``poses`` are OpenCV camera-to-world. COLMAP's go in as they are, transforms.json's as OpenGL.
    """
    poses, points = poses.astype(float).copy(), points.astype(float).copy()
    if dataset in ("3dfront", "others"):
        poses[:, :, 1:3] *= -1  # OpenGL: column 1 is up
        if dataset == "3dfront":
            poses, points = poses[:, [1, 2, 0]], points[:, [1, 2, 0]]
    center = poses[:, :3, 3].mean(0)
    turn = rotate_onto_z(poses[:, :3, 1].mean(0))
    poses[:, :, 3] -= center
    poses, points = turn @ poses, (points - center) @ turn.T
    if dataset in ("mip360", "lerf"):
        poses, points = poses[:, [1, 0, 2]], points[:, [1, 0, 2]]
        poses[:, 2] *= -1
        points[:, 2] *= -1
    return points / np.linalg.norm(poses[:, :, 3], axis=1).max()


@pytest.mark.parametrize("dataset", ["mip360", "lerf", "3dfront", "others"])
def test_the_frames_are_the_authors(dataset: str):
    ring = cameras()
    poses = np.stack([camera.camtoworld[:3].numpy() for camera in ring])
    points = np.random.default_rng(0).normal(size=(6, 3)) * 2
    listed = authors_frame(dataset, poses, points)
    rows: list[tuple[float, float, float]] = [(x, y, z) for x, y, z in listed.tolist()]
    back = points_to_scene(dataset, ring, rows, "list")
    assert np.allclose(np.array(back), points, atol=1e-5)
    # The farthest camera lies at distance 1, the mean of all at the origin.
    linear, offset = to_frame(dataset, ring, "list")
    centers = torch.stack([camera.center for camera in ring]).double() @ linear.T + offset
    assert centers.norm(dim=1).max().item() == pytest.approx(1)
    assert centers.mean(0).abs().max().item() < 1e-6
    # Up is +z: COLMAP's down axis went to +z, and z was negated.
    ups = -torch.stack([camera.camtoworld[:3, 1] for camera in ring]).double() @ linear.T
    assert torch.nn.functional.normalize(ups.mean(0), dim=0)[2].item() == pytest.approx(1)


def test_the_frame_of_llff_pair_by_pair():
    ring = cameras(5)
    points = np.random.default_rng(0).normal(size=(4, 3))
    # scripts/llff2nerf.py: OpenGL axes, world rows 0 and 1 swapped, row 2 negated, up to +z ...
    poses = np.stack([camera.camtoworld[:3].numpy() for camera in ring]).astype(float)
    poses[:, :, 1:3] *= -1
    poses, moved = poses[:, [1, 0, 2]], points[:, [1, 0, 2]]
    poses[:, 2] *= -1
    moved[:, 2] *= -1
    turn = rotate_onto_z(poses[:, :, 1].sum(0))
    poses, moved = turn @ poses, moved @ turn.T
    # ... the nearest points of each pair of axes, by least squares, weighed by the squared sine ...
    total, weights = np.zeros(3), 0.0
    for i in range(5):
        for j in range(i + 1, 5):
            a, b = poses[i, :, 2], poses[j, :, 2]
            steps = np.linalg.lstsq(np.stack([a, -b], 1), poses[j, :, 3] - poses[i, :, 3], rcond=None)[0]
            steps = np.minimum(steps, 0)  # the axes point backwards; nothing behind a camera counts
            middle = (poses[i, :, 3] + steps[0] * a + poses[j, :, 3] + steps[1] * b) / 2
            weight = 1 - float(a @ b) ** 2
            if weight > 0.01:
                total, weights = total + weight * middle, weights + weight
    focus = total / weights
    scale = 4 / np.linalg.norm(poses[:, :, 3] - focus, axis=1).mean()
    # ... and the loader's rows y, z, x, times 0.33.
    listed = ((moved - focus) * scale)[:, [1, 2, 0]] * 0.33
    rows: list[tuple[float, float, float]] = [(x, y, z) for x, y, z in listed.tolist()]
    assert np.allclose(np.array(points_to_scene("llff", ring, rows, "list")), points, atol=1e-5)


def test_cameras_that_fix_no_frame():
    one = cameras(1)
    for dataset, words in (("mip360", "stand in one place"), ("llff", "look the same way")):
        with pytest.raises(InputError, match=f"list: .* of the scene {words}"):
            points_to_scene(dataset, one * 2, [(0.0, 0.0, 0.0)], "list")


def test_the_package_carries_24_scenes_and_42_objects():
    names = {
        "mip360": ["bonsai", "counter", "garden", "kitchen", "room"],
        "lerf": ["teatime", "donuts", "espresso", "waldo_kitchen", "shoe_rack"],
        "llff": ["horns", "fenceflower", "fortress", "colinepiano", "cecread"],
        "3dfront": ["3dfront_0019_00", "3dfront_0091_00", "3dfront_0089_00"],
        "others": [
            *("scene0423_02", "replica_room_0", "ai_001_008"),
            *("ctr_lift_0", "ctr_lift_1", "ctr_lift_2"),
        ],
    }
    scenes: list[BenchmarkScene] = []
    for dataset, members in names.items():
        for name in members:
            found = find_benchmark(name, Path(name), ASKED)
            assert found is not None
            assert found.dataset == dataset
            scenes.append(found)
    assert (len(scenes), sum(len(scene.objects) for scene in scenes)) == (24, 42)
    table = next(item for scene in scenes for item in scene.objects if item.name == "table_whole")
    assert (len(table.positive), table.negative) == (3, ((-0.0071, 0.0681, -0.3355),))
    assert table.test_views[0] == "DSC07973"
    assert (table.least_visible, table.crucial) == (3, (1,))
    vases = next(item for scene in scenes for item in scene.objects if item.name == "table_with_vase")
    assert (vases.least_visible, vases.crucial) == (4, (4,))


def write_bonsai(root: Path, masks: bool = True) -> Path:
    """A COLMAP folder with the nine test views of bonsai's vase and five others, masks at half the size."""
    folder = root / "bonsai"
    names = [f"{stem}.JPG" for stem in STEMS] + [f"DSCF9{i:03d}.JPG" for i in range(5)]
    ring = cameras(len(names))
    images: list[Image] = []
    for number, (name, camera) in enumerate(zip(names, ring, strict=True), 1):
        rotation = camera.camtoworld[:3, :3].T.double()
        move = -(rotation @ camera.center.double())
        turn = quaternions_of(rotation[None])[0]
        images.append((number, tuple(turn.tolist()), tuple(move.tolist()), 1, name, 0))
        write_image(folder / "images" / name)
    write_model(folder / "sparse/0", [(1, 1, 40, 30, (50.0, 60.0, 18.0, 16.0))], images)
    if masks:
        for index, stem in enumerate(STEMS):
            mask = np.full((15, 20), 128, np.uint8)  # 128 is not yet the object
            mask[2:5, index : index + 4] = 129
            write_image(folder / "vase" / f"{stem}_mask.png", mask)
    return folder


def test_a_folder_with_masks_is_opened_as_the_benchmark_has_it(tmp_path: Path):
    scene = load_scene(write_bonsai(tmp_path))
    assert scene.options == SceneOptions("colmap", "sanerf-hq")
    assert [view.stem for view in scene.test_views] == STEMS
    assert len(scene.train_views) == 5
    (vase,) = scene.objects
    assert (vase.name, vase.id, len(vase.points), vase.negative_points) == ("vase", 1, 5, ())
    view = scene.view(STEMS[2])
    truth = instance_mask(view, vase.id)
    expected = torch.zeros(30, 40, dtype=torch.bool)
    expected[4:10, 4:12] = True
    assert torch.equal(truth, expected)
    assert torch.equal(object_pixels(view), expected)
    assert torch.equal(instance_mask(view, vase.id, 20), expected[::2, ::2])
    assert has_truth(view, 1) and not has_truth(view, 2) and not has_truth(scene.train_views[0])


def test_prompts_come_in_the_scene_s_own_coordinates(tmp_path: Path):
    scene = load_scene(write_bonsai(tmp_path))
    poses = np.stack([view.camera.camtoworld[:3].numpy() for view in scene.views])
    listed = authors_frame("mip360", poses, np.array(scene.objects[0].points))
    assert np.allclose(listed[0], [-0.032433, -0.00047934, -0.44786], atol=1e-5)


def test_masks_elsewhere_and_other_splits(tmp_path: Path):
    folder = write_bonsai(tmp_path, masks=False)
    assert load_scene(folder).objects == ()
    assert [view.stem for view in load_scene(folder).test_views] == [STEMS[0], STEMS[8]]
    asked = load_scene(folder, ASKED)
    assert asked.objects[0].name == "vase"
    assert not any(has_truth(view) for view in asked.views)
    write_image(tmp_path / "selected/bonsai/vase" / f"{STEMS[0]}_mask.png", np.full((30, 40), 255, np.uint8))
    found = load_scene(folder, SceneOptions(split="sanerf-hq", truth=tmp_path / "selected"))
    assert [view.stem for view in found.views if has_truth(view)] == [STEMS[0]]
    assert found.options.truth == tmp_path / "selected"


def test_a_scene_json_of_the_user_s_goes_first(tmp_path: Path):
    folder = write_bonsai(tmp_path)
    objects = [{"id": 3, "name": "pot", "prompts": {"view": STEMS[1], "positive": [[1, 1]]}}]
    write_json(folder / "scene.json", {"objects": objects})
    assert [item.name for item in load_scene(folder).objects] == ["pot"]
    assert [item.name for item in load_scene(folder, ASKED).objects] == ["vase"]


def test_what_does_not_fit_the_lists(tmp_path: Path):
    with pytest.raises(InputError, match="desk is no scene of SANeRF-HQ's lists, which have bonsai, counter"):
        load_scene(write_scene(tmp_path / "desk"), ASKED)
    folder = write_bonsai(tmp_path)
    write_image(folder / "vase" / f"{STEMS[0]}_mask.png", np.zeros((30, 30), np.uint8))
    with pytest.raises(InputError, match=f"{STEMS[0]}_mask.png of photo {STEMS[0]}.JPG: image is 30x30"):
        load_scene(folder)
    (folder / "images" / f"{STEMS[1]}.JPG").unlink()
    with pytest.raises(InputError, match=f"list of scene bonsai: the test view '{STEMS[1]}' is no view"):
        load_scene(folder)


def test_objects_have_test_views_of_their_own(tmp_path: Path):
    """replica_room_0: the sofa is scored in 0_0033, the vase is not."""
    listed = find_benchmark("replica_room_0", tmp_path, ASKED)
    assert listed is not None
    angles = [math.tau * i / len(listed.test_views) for i in range(len(listed.test_views) + 2)]
    frames = []
    for stem, angle in zip([*listed.test_views, "0_9998", "0_9999"], angles, strict=True):
        sin, cos = math.sin(angle), math.cos(angle)
        pose = [[cos, 0, sin, 2 * sin], [0, 1, 0, 0], [-sin, 0, cos, 2 * cos], [0, 0, 0, 1]]
        frames.append(frame(f"images/{stem}.png", transform_matrix=pose))
    folder = write_scene(tmp_path / "replica_room_0", frames)
    for name, stem in (("sofa", "0_0033"), ("vase", "0_0048")):
        write_image(folder / name / f"{stem}_mask.png", np.full((30, 40), 255, np.uint8))
    scene = load_scene(folder)
    ids = {item.name: item.id for item in scene.objects}
    assert list(ids) == ["sofa", "table", "vase"]
    assert has_truth(scene.view("0_0033"), ids["sofa"]) and not has_truth(scene.view("0_0033"), ids["vase"])
    assert has_truth(scene.view("0_0048"), ids["vase"]) and not has_truth(scene.view("0_0048"), ids["sofa"])
    assert [view.stem for view in scene.train_views] == ["0_9998", "0_9999"]
