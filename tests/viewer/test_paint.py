from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sanerf_hq.errors import InputError
from sanerf_hq.scene import instance_mask, load_scene
from sanerf_hq.viewer.paint import Canvas, inside_polygon, near_line
from sanerf_hq.viewer.truth import write_truth
from sanerf_hq.viewer.viewpoint import Viewpoint
from support.balls import write_ball_scene


def test_a_stroke_covers_what_lies_near_its_line():
    line = near_line([(4.5, 5.5), (14.5, 5.5)], 2.0, 12, 20)
    assert line[5, 4:15].all() and line[3:8, 9].all()
    assert not line[2, 9] and not line[5, 1] and line[5, 3]
    assert int(near_line([(5.5, 5.5)], 1.0, 12, 12).sum()) == 5


def test_a_polygon_holds_its_inside():
    square = inside_polygon([(2, 3), (8, 3), (8, 9), (2, 9)], 12, 12)
    assert int(square.sum()) == 36 and square[3:9, 2:8].all()


def test_painting_can_be_undone_step_by_step(tmp_path: Path):
    view = load_scene(write_ball_scene(tmp_path / "balls")).view("3")
    first = Canvas.of(view)
    assert torch.equal(first.labels == 1, instance_mask(view, 1))
    painted = first.stroked([(10, 10)], 3, 7)
    cornered = painted.cornered((1, 1)).cornered((20, 1)).cornered((20, 20))
    filled = cornered.filled(2)
    assert filled.corners == () and (filled.labels == 2).any()
    assert torch.equal(filled.undone().labels, painted.labels)
    assert cornered.undone().corners == ((1, 1), (20, 1))
    assert torch.equal(painted.undone().labels, first.labels)
    assert first.undone() is first
    erased = painted.stroked([(10, 10)], 3, 0)
    assert not (erased.labels == 7).any()
    with pytest.raises(InputError, match="three corners"):
        painted.filled(1)


def test_a_window_at_the_view_shows_photo_and_paint(tmp_path: Path):
    view = load_scene(write_ball_scene(tmp_path / "balls")).view("3")
    window = Viewpoint.of_camera(view.camera, 3.0).camera(128, 96)
    canvas = Canvas.of(view)
    plain = Canvas(view, torch.zeros_like(canvas.labels)).seen_by(window)
    shown = canvas.seen_by(window)
    assert shown.shape == (96, 128, 3)
    assert (shown != plain).any(-1).float().mean() > 0.02


def test_truth_is_written_where_the_scene_finds_it(tmp_path: Path):
    root = write_ball_scene(tmp_path / "balls")
    transforms = root / "transforms.json"
    content = json.loads(transforms.read_text())
    for frame in content["frames"]:
        frame.pop("instance_path", None)
    transforms.write_text(json.dumps(content))
    (root / "scene.json").unlink()
    scene = load_scene(root)
    view = scene.view("4")
    canvas = Canvas.of(view).stroked([(20, 20)], 6, 1).stroked([(40, 20)], 4, 2)
    path = write_truth(root, scene, view, canvas.labels, {1: "left", 2: "right"})
    assert np.array_equal(np.asarray(Image.open(path)), canvas.labels.numpy())
    again = load_scene(root)
    assert torch.equal(instance_mask(again.view("4"), 2), canvas.labels == 2)
    left, right = again.objects
    assert (left.name, left.box, left.positive) == ("left", (14, 14, 26, 26), ((20, 20),)) or left.positive
    assert canvas.labels[right.positive[0][1], right.positive[0][0]] == 2
    assert again.view("5").instance_path is None
    more = Canvas.of(again.view("4")).stroked([(5, 5)], 2, 3)
    with pytest.raises(InputError, match="id 3 has no name"):
        write_truth(root, again, again.view("4"), more.labels, {1: "left", 2: "right"})
    elsewhere = tmp_path / "elsewhere"
    write_truth(elsewhere, again, view, canvas.labels, {1: "left", 2: "right"})
    assert (elsewhere / "instances" / "4.png").is_file() and (elsewhere / "scene.json").is_file()
