from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from sanerf_hq.capture.model import Intrinsics, Model, PosedImage
from sanerf_hq.capture.write import write_scene
from sanerf_hq.geometry import look_at
from sanerf_hq.scene import load_scene
from support.scene_files import write_image

WIDE = Intrinsics((40, 30), 50.0, 51.0, 19.0, 16.0, 0.1, -0.02, 0.003, -0.004)
TALL = Intrinsics((30, 40), 60.0, 61.0, 14.0, 21.0, 0.0, 0.0, 0.0, 0.0)
POSES = [
    look_at(torch.tensor([3.0, y, 1.0]), torch.zeros(3), torch.tensor([0.0, 0.0, 1.0])) for y in (-1.0, 1.0)
]


def model(cameras: tuple[int, int]) -> Model:
    images = tuple(
        PosedImage(f"ü{number}.png", camera, pose.double(), 5, 0.4)
        for number, (camera, pose) in enumerate(zip(cameras, POSES, strict=True))
    )
    points = torch.tensor([[0.1, -0.2, 0.3], [1.0, 2.0, 3.0], [-1.0, 0.0, 0.5]]).double()
    colours = torch.tensor([[255, 0, 1], [2, 3, 4], [7, 8, 9]], dtype=torch.uint8)
    return Model({1: WIDE, 2: TALL}, images, points, colours, torch.tensor([3, 2, 5]), torch.ones(3).double())


def test_the_scene_is_read_back_with_its_cameras(tmp_path: Path):
    for number, size in enumerate(((40, 30), (30, 40))):
        write_image(tmp_path / "images" / f"ü{number}.png", size=size)
    write_scene(model((1, 2)), tmp_path)
    views = load_scene(tmp_path).views
    for view, camera, pose in zip(views, (WIDE, TALL), POSES, strict=True):
        assert torch.allclose(view.camera.camtoworld, pose, atol=1e-6)
        assert (view.camera.width, view.camera.height) == camera.size
        K = torch.tensor([[camera.fl_x, 0, camera.cx], [0, camera.fl_y, camera.cy], [0, 0, 1]])
        assert torch.allclose(view.camera.K, K)
        bend = view.camera.distortion
        assert np.allclose([bend.k1, bend.k2, bend.p1, bend.p2], [camera.k1, camera.k2, camera.p1, camera.p2])


def test_one_camera_stands_once_for_all(tmp_path: Path):
    write_scene(model((1, 1)), tmp_path)
    content = json.loads((tmp_path / "transforms.json").read_text())
    assert (content["camera_model"], content["w"], content["fl_y"]) == ("OPENCV", 40, 51.0)
    assert all(set(frame) == {"file_path", "transform_matrix"} for frame in content["frames"])
    # OpenGL: the third column points away from what is looked at, the second up.
    matrix = np.array(content["frames"][0]["transform_matrix"])
    toward_origin = -matrix[:3, 3] / np.linalg.norm(matrix[:3, 3])
    assert np.allclose(-matrix[:3, 2], toward_origin, atol=1e-6)
    assert matrix[2, 1] > 0.9


def test_points_that_two_images_alone_share_are_left_out(tmp_path: Path):
    assert write_scene(model((1, 1)), tmp_path) == 2
    header, body = (tmp_path / "sparse_points.ply").read_bytes().split(b"end_header\n")
    assert header.decode().split("\n")[:3] == ["ply", "format binary_little_endian 1.0", "element vertex 2"]
    rows = np.frombuffer(body, np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)]))
    assert np.allclose(rows["xyz"], [[0.1, -0.2, 0.3], [-1.0, 0.0, 0.5]])
    assert rows["rgb"].tolist() == [[255, 0, 1], [7, 8, 9]]


def test_no_points_make_an_empty_file_of_points(tmp_path: Path):
    empty = replace(model((1, 1)), n_seen=torch.tensor([2, 2, 2]))
    assert write_scene(empty, tmp_path) == 0
    assert b"element vertex 0\n" in (tmp_path / "sparse_points.ply").read_bytes()
