"""LLFF: axis order, factors, order of names, and files that lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.scene import SceneOptions, load_scene
from support.scene_files import write_image

# README of https://github.com/Fyusion/LLFF: columns down, right, backwards, centre, (height, width, focal).
# Camera 0 at (1, 2, 3) looks along +z with +y down: down (0,1,0), right (1,0,0), backwards (0,0,-1).
# Camera 1 at (0, 0, 5) looks along -z, +y up: down (0,-1,0), right (1,0,0), backwards (0,0,1).
# Camera 2 at (4, 0, 0) looks along -x, +y down: down (0,1,0), right (0,0,1), backwards (1,0,0).
ROWS = [
    [0, 1, 0, 1, 30, 1, 0, 0, 2, 40, 0, 0, -1, 3, 50, 0.5, 9],
    [0, 1, 0, 0, 30, -1, 0, 0, 0, 40, 0, 0, 1, 5, 60, 1, 8],
    [0, 0, 1, 4, 30, 1, 0, 0, 0, 40, 0, 1, 0, 0, 70, 2, 7],
]
POINT = torch.tensor([[1.5, 2.25, 1.0]])
# Camera 0: z = -2, behind it. Camera 1: local (1.5, -2.25, 4), f 60. Camera 2: local (1, 2.25, 2.5), f 70.
EXPECTED = {1: (20 + 60 * 1.5 / 4, 15 - 60 * 2.25 / 4), 2: (20 + 70 * 1 / 2.5, 15 + 70 * 2.25 / 2.5)}


def folder_of(
    root: Path, rows: object = ROWS, photos: str = "images", size: tuple[int, int] = (40, 30)
) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    np.save(root / "poses_bounds.npy", np.array(rows))
    for number in range(len(rows)):  # pyright: ignore[reportArgumentType]
        write_image(root / photos / f"IMG {number}.png", size=size)
    return root


def test_three_cameras_by_hand(tmp_path: Path):
    scene = load_scene(folder_of(tmp_path / "fern"))
    assert (scene.name, scene.options.format) == ("fern", "llff")
    cameras = [view.camera for view in scene.views]
    assert [camera.center.tolist() for camera in cameras] == [[1, 2, 3], [0, 0, 5], [4, 0, 0]]
    assert cameras[0].project(POINT).depth.item() == pytest.approx(-2)
    for number, xy in EXPECTED.items():
        assert (cameras[number].project(POINT).xy[0] - torch.tensor(xy)).abs().max() < 0.05
    assert [view.bounds for view in scene.views] == [(0.5, 9), (1, 8), (2, 7)]


def test_a_smaller_copy_scales_focal_length_and_principal_point(tmp_path: Path):
    folder_of(tmp_path, photos="images_8", size=(5, 4))  # 40x30 reduced 8 times, rounded
    camera = load_scene(tmp_path).views[1].camera
    assert torch.allclose(camera.K, torch.tensor([[60 * 5 / 40, 0, 2.5], [0, 60 * 4 / 30, 2.0], [0, 0, 1]]))


def test_copies_take_the_originals_names_by_order(tmp_path: Path):
    folder_of(tmp_path)
    for number in range(3):
        write_image(tmp_path / f"images_2/image{number:03d}.png", size=(20, 15))
    scene = load_scene(tmp_path, SceneOptions(images="images_2"))
    assert [view.name for view in scene.views] == ["IMG 0.png", "IMG 1.png", "IMG 2.png"]
    assert scene.view("image001").name == "IMG 1.png"  # the file's stem will do as well
    assert scene.views[2].camera.width == 20


def test_every_eighth_is_tested_on_as_nerf_does(tmp_path: Path):
    rows = [[*ROWS[0][:3], number, *ROWS[0][4:]] for number in range(9)]
    scene = load_scene(folder_of(tmp_path, rows))
    assert [view.stem for view in scene.test_views] == ["IMG 0", "IMG 8"]


def test_a_photo_too_many_or_too_few_is_refused(tmp_path: Path):
    folder_of(tmp_path)
    (tmp_path / "images/readme.txt").write_text("no photo")
    assert len(load_scene(tmp_path).views) == 3
    write_image(tmp_path / "images/IMG 9.png")
    with pytest.raises(InputError, match=r"has 3 poses but .*images 4 photos"):
        load_scene(tmp_path)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.zeros((3, 14)), "holds 3x14 numbers"),
        (np.zeros(17), "holds 17 numbers"),
        (np.full((3, 17), np.nan), "row 0 holds NaN"),
        (np.array([["a"] * 17] * 3), "no array of numbers"),
        (np.ones((3, 17)), "the pose of IMG 0.png is not rigid"),
        ([[*ROWS[0][:14], -5, 0, 1], *ROWS[1:]], "height, width, focal length are 30, 40, -5"),
        # Forwards in place of backwards.
        ([[0, 1, 0, 1, 30, 1, 0, 0, 2, 40, 0, 0, 1, 3, 50, 0.5, 9], *ROWS[1:]], "mirror image"),
    ],
)
def test_arrays_that_cannot_be(tmp_path: Path, rows: object, words: str):
    folder_of(tmp_path)
    np.save(tmp_path / "poses_bounds.npy", np.array(rows))
    with pytest.raises(InputError, match=words):
        load_scene(tmp_path)


def test_files_that_are_no_arrays(tmp_path: Path):
    path = folder_of(tmp_path) / "poses_bounds.npy"
    whole = path.read_bytes()
    objects = np.empty(3, dtype=object)
    objects[:] = [{"a": 1}] * 3
    np.save(path, objects)  # would have to be unpickled
    with pytest.raises(InputError, match="no array of numbers"):
        load_scene(tmp_path)
    for content in (b"", b"\x93NUMPY", whole[:200], b"not an array", whole.replace(b"(3, 17)", b"(9**9,)")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"poses_bounds\.npy"):
            load_scene(tmp_path)
    claimed = whole.replace(b"'shape': (3, 17), }          ", b"'shape': (99999999999, 17), }")
    assert len(claimed) == len(whole)
    path.write_bytes(claimed)
    with pytest.raises(InputError, match="truncated"):
        load_scene(tmp_path)
