from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Distortion, rigid_defect
from sanerf_hq.scene import SceneOptions, View, load_scene, read_depth, read_instances, read_mask
from sanerf_hq.scene.image_files import SUFFIXES
from support.scene_files import INTRINSICS, POSE, frame, write_image, write_json, write_scene

# Seen from POSE: 0.4 to the right, 0.3 up, 2 ahead. Normalised, y down: (0.2, -0.15), r² = 0.0625.
POINT = torch.tensor([1.4, 2.3, 1.0])


def pixel(view: View) -> list[float]:
    projection = view.camera.project(POINT)
    assert projection.depth == pytest.approx(2.0)
    return projection.xy.tolist()


@dataclass(frozen=True)
class Dialect:
    """What a program writes, and where POINT then falls, computed by hand."""

    shared: dict[str, object]
    expected: tuple[float, float]
    own: dict[str, object] = field(default_factory=dict)


SIZED = {"w": 40, "h": 30}
ANGLE_X, ANGLE_Y = 2 * math.atan(0.5), 2 * math.atan(0.25)
DIALECTS = {
    "nerfstudio": Dialect({"camera_model": "OPENCV", **INTRINSICS}, (28.0, 7.0)),
    "pinhole": Dialect({"camera_model": "PINHOLE", **INTRINSICS}, (28.0, 7.0)),
    "one focal length": Dialect(
        {"camera_model": "SIMPLE_PINHOLE", **SIZED, "fl_x": 50, "cx": 18, "cy": 16}, (28.0, 8.5)
    ),
    "no principal point": Dialect({**SIZED, "fl_x": 50.0, "fl_y": 60.0}, (30.0, 6.0)),
    "no size": Dialect({"fl_x": 50.0, "fl_y": 60.0, "cx": 18.0, "cy": 16.0}, (28.0, 7.0)),
    "radial": Dialect({**INTRINSICS, "k1": 0.5}, (18 + 50 * 0.2 * 1.03125, 16 - 60 * 0.15 * 1.03125)),
    "r⁸": Dialect(
        {**INTRINSICS, "k4": 1e4}, (18 + 10 * (1 + 0.0625**4 * 1e4), 16 - 9 * (1 + 0.0625**4 * 1e4))
    ),
    "tangential": Dialect({**INTRINSICS, "p1": 0.1}, (18 + 50 * (0.2 - 0.006), 16 + 60 * (-0.15 + 0.01075))),
    "instant-ngp": Dialect(
        {
            **INTRINSICS,
            "w": 40.0,
            "h": 30.0,
            "camera_angle_x": 0.99,
            "camera_angle_y": 0.99,
            "aabb_scale": 16,
            "offset": [0, 0, 0],
            "is_fisheye": False,
        },
        (28.0, 7.0),
        {"sharpness": 30.5},
    ),
    "blender": Dialect({"camera_angle_x": ANGLE_X}, (28.0, 9.0), {"rotation": 0.01}),
    "both angles": Dialect({"camera_angle_x": ANGLE_X, "camera_angle_y": ANGLE_Y}, (28.0, 6.0)),
    "per frame": Dialect(INTRINSICS, (33.0, 8.0), {"fl_x": 75.0, "cy": 17.0}),
    "angle per frame": Dialect(INTRINSICS, (26.0, 7.0), {"camera_angle_x": ANGLE_X}),
    "all per frame": Dialect({}, (28.0, 7.0), INTRINSICS),
    "twice as large": Dialect(
        {"w": 80, "h": 60, "fl_x": 100.0, "fl_y": 120.0, "cx": 36.0, "cy": 32.0}, (28.0, 7.0)
    ),
    "rounded copy": Dialect(  # 121/40 and 90/30: one pixel's rounding
        {"w": 121, "h": 90, "fl_x": 151.25, "fl_y": 180.0, "cx": 54.45, "cy": 48.0}, (28.0, 7.0)
    ),
    "only a width": Dialect({"w": 80, "fl_x": 100.0, "cx": 36.0, "cy": 32.0}, (28.0, 8.5)),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_a_known_point_falls_where_computed_by_hand(tmp_path: Path, name: str):
    dialect = DIALECTS[name]
    scene = load_scene(write_scene(tmp_path, [frame("images/a.png", **dialect.own)], dialect.shared))
    (view,) = scene.views
    assert pixel(view) == pytest.approx(dialect.expected, abs=1e-4)
    assert (view.camera.width, view.camera.height) == (40, 30)


def test_a_turned_opengl_camera_sees_what_is_ahead_of_it(tmp_path: Path):
    # Turned by 90° about y: backward is +x, right is -z.
    turned = [[0, 0, 1, 0], [0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]]
    scene = load_scene(write_scene(tmp_path, [frame("a.png", transform_matrix=turned)]))
    projection = scene.views[0].camera.project(torch.tensor([-2.0, 0.3, -0.4]))
    assert projection.xy.tolist() == pytest.approx([28.0, 7.0], abs=1e-5)
    assert scene.views[0].camera.forward.tolist() == pytest.approx([-1, 0, 0])
    assert not scene.views[0].camera.project(torch.tensor([2.0, 0.3, -0.4])).on_screen


def test_distortion_keys_keep_their_names(tmp_path: Path):
    bend = {"k1": 0.1, "k2": 0.2, "k3": 0.3, "k4": 0.4, "p1": 0.5, "p2": 0.6}
    scene = load_scene(write_scene(tmp_path, None, {**INTRINSICS, **bend}))
    assert scene.views[0].camera.distortion == Distortion(**bend)


def test_rotations_come_out_rigid_and_a_slight_scale_is_taken_out(tmp_path: Path):
    scaled = [[value * 1.0009 for value in row[:3]] + row[3:] for row in POSE]
    scene = load_scene(write_scene(tmp_path, [frame("a.png", transform_matrix=scaled)]))
    camtoworld = scene.views[0].camera.camtoworld
    torch.testing.assert_close(camtoworld[:3, :3], torch.diag(torch.tensor([1.0, -1.0, -1.0])))
    assert camtoworld[:3, 3].tolist() == [1.0, 2.0, 3.0]
    assert rigid_defect(camtoworld) is None


def test_a_matrix_of_three_rows_is_read(tmp_path: Path):
    scene = load_scene(write_scene(tmp_path, [frame("a.png", transform_matrix=POSE[:3])]))
    assert pixel(scene.views[0]) == pytest.approx([28.0, 7.0])


def test_names_masks_truth_and_time_are_read(tmp_path: Path):
    write_image(tmp_path / "m.png")
    write_image(tmp_path / "i.png", np.zeros((30, 40), np.uint8))
    write_image(tmp_path / "d.png", np.zeros((30, 40), np.uint16))
    extra = {"mask_path": "./m.png", "instance_path": "i.png", "depth_file_path": "d.png"}
    entry = frame("./images//a.png", **extra, time=0.25, camera_id=3)
    view = load_scene(write_scene(tmp_path, [entry], {**INTRINSICS, "depth_unit_scale_factor": 0.5})).views[0]
    assert view.name == "images/a.png"
    assert view.image_path == tmp_path / "images/a.png"
    assert view.mask_path == tmp_path / "m.png"
    assert view.instance_path == tmp_path / "i.png"
    assert view.depth_path == tmp_path / "d.png"
    assert (view.camera.time, view.camera_id, view.depth_unit_scale) == (0.25, 3, 0.5)


def test_blender_splits_lie_in_files_of_their_own_and_images_have_no_suffix(tmp_path: Path):
    angle = {"camera_angle_x": ANGLE_X}
    for split, names in (("train", ["r_0", "r_1"]), ("val", ["r_0"]), ("test", ["r.2"])):
        frames = [frame(f"./{split}/{name}") for name in names]
        write_scene(tmp_path, frames, angle, f"transforms_{split}.json")
    for path in (tmp_path, tmp_path / "transforms_train.json"):
        scene = load_scene(path)
        assert [view.name for view in scene.train_views] == ["train/r_0", "train/r_1"]
        assert [view.name for view in scene.test_views] == ["test/r.2"]
        assert scene.test_views[0].image_path == tmp_path / "test/r.2.png"
        assert scene.view("r.2") is scene.test_views[0]
    (tmp_path / "transforms_test.json").unlink()
    assert [view.name for view in load_scene(tmp_path).test_views] == ["val/r_0"]


def broken(tmp_path: Path, frames: list[dict[str, object]] | None = None, **shared: object) -> str:
    """The message that loading a scene like this ends in: one sentence that names the file."""
    write_scene(tmp_path, frames, {**INTRINSICS, **shared})
    return refusal(tmp_path)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_scene(path)
    assert str(path if path.is_dir() else path.parent) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed_pose(row: int, column: int, value: float) -> list[list[float]]:
    pose = [list(line) for line in POSE]
    pose[row][column] = value
    return pose


MIRROR = changed_pose(0, 0, -1.0)
TWICE = [[2 * value for value in row[:3]] + row[3:] for row in POSE]


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (changed_pose(0, 3, math.nan), "NaN or infinity"),
        (changed_pose(1, 1, math.inf), "NaN or infinity"),
        (changed_pose(2, 3, 1e39), "NaN or infinity"),
        (changed_pose(2, 3, 10**400), "NaN or infinity"),
        (changed_pose(0, 1, 0.2), "not rigid"),
        (changed_pose(0, 0, 1.01), "not rigid"),
        (TWICE, "not rigid"),
        ([[0.0] * 4] * 3 + [[0, 0, 0, 1]], "not rigid"),
        (MIRROR, "mirror"),
        (changed_pose(3, 0, 1.0), "last row"),
        (None, "missing"),
        (POSE[:2], "2 rows"),
        ([*POSE, POSE[0]], "5 rows"),
        ([row[:3] for row in POSE], "no 4x4"),
        ([["1", 0, 0, 0], *POSE[1:]], "no 4x4"),
        ([[True, 0, 0, 0], *POSE[1:]], "no 4x4"),
        ([1, 2, 3, 4], "no 4x4"),
        ([], "0 rows"),
        ("identity", "write a list"),
    ],
)
def test_matrices_that_are_no_pose(tmp_path: Path, matrix: object, words: str):
    message = broken(tmp_path, [frame("good.png"), frame("bad.png", transform_matrix=matrix)])
    assert words in message
    assert "frame 1 (bad.png)" in message


@pytest.mark.parametrize(
    ("shared", "words"),
    [
        ({"fl_x": None, "fl_y": None}, "no intrinsics"),
        ({"fl_x": 0}, "above 0"),
        ({"fl_y": -60.0}, "above 0"),
        ({"fl_x": 1e30}, "which no lens has"),
        ({"fl_x": math.nan}, "finite"),
        ({"fl_x": "50"}, "write a number"),
        ({"cx": math.inf}, "finite"),
        ({"k1": [0.1]}, "write a number"),
        ({"w": 0}, "w is 0"),
        ({"h": 30.5}, "whole number"),
        ({"fl_x": None, "camera_angle_x": 3.2}, "between 0 and π"),
        ({"fl_x": None, "camera_angle_x": 0.0}, "between 0 and π"),
        ({"camera_model": "OPENCV_FISHEYE"}, "OPENCV, PINHOLE, SIMPLE_PINHOLE"),
        ({"camera_model": 4}, "write a string"),
        ({"is_fisheye": True}, "OPENCV_FISHEYE"),
        ({"depth_unit_scale_factor": 0}, "above 0"),
    ],
)
def test_intrinsics_that_cannot_be(tmp_path: Path, shared: dict[str, object], words: str):
    assert words in broken(tmp_path, None, **shared)


@pytest.mark.parametrize("size", [(40, 31), (41, 30), (30, 40), (80, 50), (20, 12)])
def test_an_image_of_other_shape(tmp_path: Path, size: tuple[int, int]):
    write_image(tmp_path / "odd.png", size=size)
    message = broken(tmp_path, [frame("a.png"), frame("odd.png")])
    assert "frame 1 (odd.png)" in message
    assert f"{size[0]}x{size[1]}" in message
    assert "40x30" in message


@pytest.mark.parametrize("key", ["mask_path", "instance_path", "depth_file_path"])
def test_a_mask_or_truth_of_other_shape(tmp_path: Path, key: str):
    write_image(tmp_path / "m.png", size=(20, 30))
    assert "m.png is of other shape" in broken(tmp_path, [frame("a.png", **{key: "m.png"})])


def test_masks_and_truth_stay_as_they_are_where_smaller_copies_stand_for_the_photos(tmp_path: Path):
    ids = np.zeros((30, 40), np.uint8)
    ids[:, :10] = 3
    write_image(tmp_path / "masks/a.png", ids)
    write_image(tmp_path / "d.png", np.full((30, 40), 500, np.uint16))
    write_image(tmp_path / "images_2/a.png", size=(20, 15))
    extra = {"mask_path": "masks/a.png", "instance_path": "masks/a.png", "depth_file_path": "d.png"}
    write_scene(tmp_path, [frame("images/a.png", **extra)])
    view = load_scene(tmp_path, SceneOptions(images="images_2")).views[0]
    assert (view.camera.width, view.camera.height) == (20, 15)
    assert read_mask(view).tolist() == [[True] * 5 + [False] * 15] * 15
    assert read_instances(view, 10).tolist() == [[3, 3] + [0] * 8] * 8
    assert (read_depth(view) == 0.5).all()


@pytest.mark.parametrize("key", ["mask_path", "instance_path", "depth_file_path"])
def test_a_mask_or_truth_that_is_not_there(tmp_path: Path, key: str):
    assert f"{key} 'x.png' does not exist" in broken(tmp_path, [frame("a.png", **{key: "x.png"})])


def test_missing_images_are_counted_and_the_first_is_named(tmp_path: Path):
    write_scene(tmp_path, [frame(f"{i}.png") for i in range(5)])
    for i in (1, 3):
        (tmp_path / f"{i}.png").unlink()
    message = refusal(tmp_path)
    assert "'1.png'" in message
    assert "2 of 5" in message


def test_a_name_that_differs_from_the_file_s_in_case_only(tmp_path: Path):
    write_scene(tmp_path, [frame("images/a.png"), frame("images/b.png", mask_path="images/M.PNG")])
    write_image(tmp_path / "images" / "m.png")
    told = (
        "mask_path 'images/M.PNG' does not exist; the file is called 'images/m.png', and upper and lower case"
    )
    assert told in refusal(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"images/{name}.png").rename(tmp_path / f"images/{name}.PNG")
    told = "'images/a.png' does not exist (2 of 2 are missing); the file is called 'images/a.PNG', and upper"
    assert told in refusal(tmp_path)


def test_paths_that_leave_the_folder(tmp_path: Path):
    inside = tmp_path / "scene"
    secret = write_image(tmp_path / "secret.png")
    (inside / "images").mkdir(parents=True)
    (inside / "link.png").symlink_to(secret)
    (inside / "folder").symlink_to(tmp_path, target_is_directory=True)
    for name, words in (
        ("../secret.png", "leaves"),
        ("images/../../secret.png", "leaves"),
        ("..\\secret.png", "leaves"),
        (str(secret), "absolute"),
        ("C:\\secret.png", "absolute"),
        ("link.png", "link that leaves"),
        ("link", "link that leaves"),
        ("folder/secret.png", "link that leaves"),
        ("..", "leaves"),
        (".", "scene folder itself"),
        ("a\0b", "no file path"),
        ("a" * 2000, "no file path"),
        ("a" * 400, "does not exist"),
        ("images", "does not exist"),
    ):
        write_json(inside / "transforms.json", {**INTRINSICS, "frames": [frame(name)]})
        assert words in refusal(inside)
    write_json(
        inside / "transforms.json", {**INTRINSICS, "frames": [frame("a.png", mask_path="../secret.png")]}
    )
    write_image(inside / "a.png")
    assert "leaves" in refusal(inside)


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG", ".JPEG", ".WEBP", ".TIF"])
def test_an_image_of_any_kind_is_found_without_its_suffix(tmp_path: Path, suffix: str):
    path = write_image(tmp_path / f"images/r_0.1{suffix}")
    write_json(tmp_path / "transforms.json", {**INTRINSICS, "frames": [frame("images/r_0.1")]})
    assert load_scene(tmp_path).views[0].image_path == path


def test_absolute_paths_in_the_folder_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    inside = tmp_path / "scene"
    write_image(inside / "images/m.png")
    write_scene(inside, [frame(f"images/{name}.png") for name in "abc"])
    (tmp_path / "link").symlink_to(inside, target_is_directory=True)
    frames = [
        frame(f"{inside}/images/a.png", mask_path=f"{inside}/images/m.png"),
        frame(f"{tmp_path}/link/images/b.png"),
        frame(f"{inside}/x/..//images/c"),
    ]
    lists = {"train_filenames": [f"{inside}/images/a.png", "images/b.png"]}
    write_json(inside / "transforms.json", {**INTRINSICS, **lists, "frames": frames})
    monkeypatch.chdir(tmp_path)
    for opened in (inside, tmp_path / "link", Path("scene")):
        views = load_scene(opened).views
        assert [view.name for view in views] == ["images/a.png", "images/b.png"]
        assert views[0].mask_path == opened / "images/m.png"
    write_json(inside / "transforms.json", {**INTRINSICS, "frames": frames})
    assert load_scene(inside).views[2].name == "images/c"
    write_image(tmp_path / "scene2/a.png")
    write_json(inside / "transforms.json", {**INTRINSICS, "frames": [frame(f"{tmp_path}/scene2/a.png")]})
    assert "is absolute" in refusal(inside)


def test_links_and_dots_that_stay_inside_are_followed(tmp_path: Path):
    real = write_image(tmp_path / "real/a.png")
    (tmp_path / "link.png").symlink_to(real)
    scene = load_scene(write_scene(tmp_path, [frame("link.png"), frame("x/../real\\a.png")]))
    assert [view.name for view in scene.views] == ["link.png", "real/a.png"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not valid JSON"),
        ('{"frames": [', "not valid JSON"),
        ("[1, 2]", "a list"),
        ("null", "null"),
        ("[" * 100_000, "not valid JSON"),
        ("\xff\xfe{}", "not valid JSON"),
        (f'{{"w": {"9" * 5000}}}', "not valid JSON"),
        ("{}", "no list of frames"),
        ('{"frames": {}}', "write a list"),
        ('{"frames": []}', "no frames"),
        ('{"frames": [3]}', "frame 0 is 3"),
        ('{"frames": [{}]}', "file_path is missing"),
        ('{"frames": [{"file_path": 7}]}', "write a string"),
        ('{"frames": [{"file_path": ""}]}', "not empty"),
    ],
)
def test_files_that_are_no_transforms(tmp_path: Path, content: str, words: str):
    (tmp_path / "transforms.json").write_bytes(content.encode("latin-1"))
    assert words in refusal(tmp_path)


def test_two_frames_of_one_name(tmp_path: Path):
    assert "two frames named 'a.png'" in broken(tmp_path, [frame("a.png"), frame("./a.png")])


@pytest.mark.parametrize(("times", "words"), [((0.0, 1.5), "between 0 and 1"), ((0.5, None), "1 of 2")])
def test_times_that_cannot_be(tmp_path: Path, times: tuple[float | None, ...], words: str):
    assert words in broken(tmp_path, [frame(f"{i}.png", time=time) for i, time in enumerate(times)])


def test_a_file_that_is_no_image_and_one_cut_in_its_header(tmp_path: Path):
    (tmp_path / "a.png").write_text("hello")
    assert "no image" in broken(tmp_path, [frame("a.png")])
    (tmp_path / "a.png").write_bytes(write_image(tmp_path / "b.png").read_bytes()[:20])
    assert "a.png" in refusal(tmp_path)


@pytest.mark.scenes
@pytest.mark.parametrize("name", ["desk", "groceries", "juggling", "cape", "tools", "fox"])
def test_shared_scenes_open(shared_scene: Callable[[str], Path], name: str):
    folder = shared_scene(name)
    scene = load_scene(folder)
    written = json.loads((folder / "transforms.json").read_text())
    splits = [entry["split"] for entry in written["frames"]]
    assert scene.name == name
    assert [view.split for view in scene.views] == splits
    assert all(rigid_defect(view.camera.camtoworld) is None for view in scene.views)
    assert len(scene.objects) == len(json.loads((folder / "scene.json").read_text())["objects"])


def test_shared_intrinsics_of_photos_of_several_sizes_need_their_size(tmp_path: Path):
    frames = [frame("a.png"), frame("b.png")]
    shared = {"fl_x": 50.0, "fl_y": 60.0, "cx": 18.0, "cy": 16.0}
    scene = write_scene(tmp_path, frames, shared)
    write_image(tmp_path / "b.png", size=(20, 15))
    with pytest.raises(InputError, match=r"20x15, others are 40x30.*write w and h"):
        load_scene(scene)
    write_scene(tmp_path, frames, {**shared, "w": 40, "h": 30})
    write_image(tmp_path / "b.png", size=(20, 15))
    assert load_scene(tmp_path).views[1].camera.K[0].tolist() == [25.0, 0.0, 9.0]
