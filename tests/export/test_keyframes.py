"""Keyframes out of JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.export import read_keyframes
from sanerf_hq.export.camera_path import vertical_fov
from sanerf_hq.geometry import look_at
from sanerf_hq.scene import Scene, load_scene
from support.scene_files import POSE, write_scene

UP = torch.tensor([0.0, 0.0, 1.0])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return load_scene(write_scene(tmp_path_factory.mktemp("scene") / "scene"))


def write(path: Path, *keyframes: object) -> Path:
    path.write_text(json.dumps({"keyframes": list(keyframes)}))
    return path


def test_the_three_ways_to_write_one(tmp_path: Path, scene: Scene):
    path = write(
        tmp_path / "path.json",
        {"seconds": 0, "view": "1"},
        {"seconds": 1.5, "eye": [1, 2, 3], "target": [0, 0, 0], "fov": 35},
        {"seconds": 2, "transform_matrix": POSE},
        {"seconds": 4, "transform_matrix": POSE[:3], "fov": 50},
    )
    named, looking, matrix, short = read_keyframes(path, scene, UP)
    view = scene.view("1").camera
    assert [frame.seconds for frame in (named, looking, matrix, short)] == [0, 1.5, 2, 4]
    assert torch.equal(named.camtoworld, view.camtoworld)
    assert named.fov == pytest.approx(math.degrees(2 * math.atan(30 / 2 / 60)))
    expected = look_at(torch.tensor([1.0, 2, 3]), torch.zeros(3), UP)
    assert torch.allclose(looking.camtoworld, expected)
    assert looking.fov == 35
    # A transforms.json's own matrix is that view's camera.
    assert torch.allclose(matrix.camtoworld, view.camtoworld)
    assert torch.allclose(short.camtoworld, view.camtoworld)
    assert matrix.fov == vertical_fov(view)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"view": "1"}, "keyframe 1: seconds is missing"),
        ({"seconds": 0, "view": "1"}, "keyframe 1 is not later than the one before"),
        ({"seconds": 2}, "keyframe 1: write one of view, eye"),
        ({"seconds": 2, "view": "1", "eye": [0, 0, 0]}, "keyframe 1: write one of view, eye"),
        ({"seconds": 2, "view": "99"}, "has no view '99'"),
        ({"seconds": 2, "eye": [0, 0, 0]}, r"target is no \[x, y, z\]"),
        ({"seconds": 2, "eye": [0, math.nan, 0], "target": [0, 0, 0]}, r"eye is no \[x, y, z\]"),
        ({"seconds": 2, "eye": "far", "target": [0, 0, 0]}, r"eye is no \[x, y, z\]"),
        ({"seconds": 2, "eye": [1, 1, 1], "target": [1, 1, 1]}, "eye and target are one point"),
        ({"seconds": 2, "transform_matrix": [[1]]}, "transform_matrix is no 4x4 matrix"),
        ({"seconds": 2, "transform_matrix": [[2 * x for x in row] for row in POSE[:3]]}, "is not rigid"),
        ({"seconds": 2, "view": "1", "fov": 170}, "fov is 170; write degrees from 0.1 to 100"),
        ("later", "write an object"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, scene: Scene, wrong: object, sentence: str):
    path = write(tmp_path / "path.json", {"seconds": 0, "view": "0"}, wrong)
    with pytest.raises(InputError, match=sentence):
        read_keyframes(path, scene, UP)


def test_one_keyframe_is_no_path(tmp_path: Path, scene: Scene):
    with pytest.raises(InputError, match="needs two keyframes or more"):
        read_keyframes(write(tmp_path / "path.json", {"seconds": 0, "view": "0"}), scene, UP)
