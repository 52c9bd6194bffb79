"""The z-buffer against a disc and a square whose pixels are known."""

from __future__ import annotations

import sys

import numpy as np
import torch
import trimesh

from sanerf_hq.geometry import Camera
from support.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

from silhouette import draw, draw_points

CAMERA = Camera(torch.tensor([[100.0, 0, 31], [0, 100, 22], [0, 0, 1]]), torch.eye(4), 64, 48)


def test_a_ball_is_a_disc_and_no_more():
    ball = trimesh.creation.icosphere(5, 0.2).apply_translation((0.1, -0.05, 1.5))
    drawn = draw(np.asarray(ball.vertices), np.asarray(ball.faces), CAMERA)
    rays = CAMERA.rays(CAMERA.pixel_grid()).directions.numpy().reshape(48, 64, 3)
    along = rays @ np.array([0.1, -0.05, 1.5])
    hit = 0.1**2 + 0.05**2 + 1.5**2 - along**2 < 0.2**2
    assert int((np.isfinite(drawn.depth) != hit).sum()) <= 2
    assert abs(drawn.depth[np.isfinite(drawn.depth)].min() - 1.3) < 1e-3


def test_what_lies_in_front_is_drawn_and_what_lies_behind_the_camera_is_not():
    square = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    vertices = np.concatenate([square + np.array([0, 0, 4]), square * 0.1 + np.array([0, 0, 2]), square - 3])
    two = np.array([[0, 1, 2], [0, 2, 3]])
    drawn = draw(vertices, np.concatenate([two, two + 4, two + 8]), CAMERA)
    assert abs(drawn.depth[22, 31] - 2) < 1e-9
    assert drawn.face[22, 31] in (2, 3)
    assert abs(drawn.depth[10, 10] - 4) < 1e-9
    assert int((drawn.depth < 3).sum()) == 100


def test_of_points_in_one_pixel_the_nearest_is_drawn():
    at = np.array([[0.0, 0, 2], [0, 0, 1], [0, 0, 4], [0.1, 0.05, 1], [0, 0, -1], [9, 0, 1]])
    colours = np.arange(18, dtype=np.uint8).reshape(6, 3)
    drawn = draw_points(at, colours, CAMERA)
    assert drawn[22, 31].tolist() == [3, 4, 5]
    assert drawn[27, 41].tolist() == [9, 10, 11]
    assert int((drawn != 255).any(-1).sum()) == 2
