from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sanerf_hq.errors import InputError
from sanerf_hq.scene import instance_mask, load_scene
from sanerf_hq.viewer.paint import MOST_KEPT, Canvas, Step, inside_polygon, latest, near_line
from sanerf_hq.viewer.truth import mark_of, read_truth, write_truth
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
    scene = load_scene(write_ball_scene(tmp_path / "balls"))
    view = scene.view("3")
    first = Canvas(view, read_truth(scene.root, scene, view).labels)
    assert torch.equal(first.labels == 1, instance_mask(view, 1))
    painted = first.stroked([(10, 10)], 3, 7)
    cornered = painted.cornered((1, 1)).cornered((20, 1)).cornered((20, 20))
    filled = cornered.filled(2)
    assert filled.corners == () and (filled.labels == 2).any()
    assert torch.equal(filled.undone().labels, painted.labels)
    assert filled.undone().corners == cornered.corners
    again = filled.undone().undone().redone().redone()
    assert torch.equal(again.labels, filled.labels) and again.corners == () and again.redone() is again
    assert filled.undone().stroked([(3, 3)], 1, 2).after == (), "another way was taken"
    assert cornered.undone().corners == ((1, 1), (20, 1))
    assert torch.equal(painted.undone().labels, first.labels)
    assert first.undone() is first
    erased = painted.stroked([(10, 10)], 3, 0)
    assert not (erased.labels == 7).any()
    with pytest.raises(InputError, match="three corners"):
        painted.filled(1)


def test_a_step_keeps_what_it_changed_and_no_more(tmp_path: Path):
    scene = load_scene(write_ball_scene(tmp_path / "balls"))
    canvas = Canvas(scene.view("3"), torch.zeros(48, 64, dtype=torch.int32))
    for x in range(10, 50, 10):
        canvas = canvas.stroked([(x, 20.0)], 2.0, 1)
    assert [step.labels.shape for step in canvas.before] == [(4, 4)] * 4
    beside = canvas.stroked([(-50.0, 20.0)], 2.0, 1)
    assert torch.equal(beside.labels, canvas.labels) and beside.before[-1].labels.numel() == 0
    whole = Step((), 0, 0, torch.zeros(1, MOST_KEPT // 4 // 2, dtype=torch.int32))
    assert len(latest((whole,) * 5)) == 2
    large = Step((), 0, 0, torch.zeros(1, MOST_KEPT, dtype=torch.int32))
    assert len(latest((whole, large))) == 1, "the last one can always be taken back"


def test_a_window_at_the_view_shows_photo_and_paint(tmp_path: Path):
    scene = load_scene(write_ball_scene(tmp_path / "balls"))
    view = scene.view("3")
    window = Viewpoint.of_camera(view.camera, 3.0).camera(128, 96)
    canvas = Canvas(view, read_truth(scene.root, scene, view).labels)
    plain = Canvas(view, torch.zeros_like(canvas.labels)).seen_by(window)
    shown = canvas.seen_by(window)
    assert shown.shape == (96, 128, 3)
    assert (shown != plain).any(-1).float().mean() > 0.02


def test_the_pieces_of_a_stroke_are_measured_where_they_lie():
    places = [(3.2, 2.7), (18.0, 9.5), (18.0, 9.5), (25.4, -6.0), (-8.0, 40.0)]
    height, width, radius = 24, 32, 3.3
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    middles = torch.stack([x, y], -1)
    wanted = torch.zeros(height, width, dtype=torch.bool)
    for start, end in pairwise(places):
        steps = torch.linspace(0, 1, 2001)[:, None]
        line = torch.tensor(start) + steps * (torch.tensor(end) - torch.tensor(start))
        wanted |= torch.cdist(middles.view(-1, 2), line).amin(-1).view(height, width) <= radius
    assert torch.equal(near_line(places, radius, height, width), wanted)


def test_a_piece_of_a_stroke_looks_at_the_pixels_round_it_alone(monkeypatch: pytest.MonkeyPatch):
    measured = 0
    norm = torch.Tensor.norm

    def counted(self: torch.Tensor, *args: object, **options: object) -> torch.Tensor:
        nonlocal measured
        measured += self.numel() // 2
        return norm(self, *args, **options)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(torch.Tensor, "norm", counted)
    near_line([(10.0 + i, 10.0 + i) for i in range(100)], 4.0, 300, 400)
    assert measured < 100 * 12 * 12


def without_truth(root: Path) -> Path:
    """A scene of which nothing is painted yet."""
    transforms = root / "transforms.json"
    content = json.loads(transforms.read_text())
    for frame in content["frames"]:
        frame.pop("instance_path", None)
    transforms.write_text(json.dumps(content))
    (root / "scene.json").unlink()
    shutil.rmtree(root / "instances")
    return root


def test_what_was_painted_is_there_when_one_begins_again(tmp_path: Path):
    root = without_truth(write_ball_scene(tmp_path / "balls"))
    scene = load_scene(root)
    view = scene.view("4")
    nothing = read_truth(root, scene, view)
    assert not nothing.labels.any() and nothing.names == {}
    assert nothing.mark == mark_of(root, view) == ""
    mug = Canvas(view, nothing.labels).stroked([(20, 20)], 6, 1)
    write_truth(root, scene, view, mug.labels, {1: "mug"})
    again = read_truth(root, scene, view)
    assert torch.equal(again.labels, mug.labels) and again.names == {1: "mug"}
    assert again.mark == mark_of(root, view) != ""
    write_truth(root, scene, view, mug.stroked([(30, 30)], 3, 1).labels, {1: "mug"})
    assert mark_of(root, view) != again.mark
    assert read_truth(root, scene, scene.view("3")).names == {1: "mug"}, "of the folder, not of the view"


def test_who_painted_with_other_ids_is_given_those_of_the_names(tmp_path: Path):
    root = without_truth(write_ball_scene(tmp_path / "balls"))
    scene = load_scene(root)
    one, other = scene.view("3"), scene.view("4")
    empty = torch.zeros(48, 64, dtype=torch.int32)
    write_truth(root, scene, one, Canvas(one, empty).stroked([(20, 20)], 6, 1).labels, {1: "mug"})
    begun_before = Canvas(other, empty).stroked([(10, 20)], 4, 1).stroked([(40, 20)], 4, 2)
    write_truth(root, scene, other, begun_before.labels, {1: "bowl", 2: "mug"})
    again = load_scene(root)
    assert {found.id: found.name for found in again.objects} == {1: "mug", 3: "bowl"}
    assert torch.equal(instance_mask(again.view("4"), 1), begun_before.labels == 2)
    assert torch.equal(instance_mask(again.view("4"), 3), begun_before.labels == 1)


def test_an_id_without_a_name_gives_way_to_an_object_of_the_folder(tmp_path: Path):
    root = without_truth(write_ball_scene(tmp_path / "balls"))
    scene = load_scene(root)
    empty = torch.zeros(48, 64, dtype=torch.int32)
    write_truth(root, scene, scene.view("3"), Canvas(scene.view("3"), empty + 7).labels, {7: "mug"})
    table = Canvas(scene.view("4"), empty).stroked([(20, 20)], 6, 7).labels
    write_truth(root, scene, scene.view("4"), table, {})
    assert set(read_truth(root, scene, scene.view("4")).labels.unique().tolist()) == {0, 8}


def test_the_ids_of_another_folder_are_its_own(tmp_path: Path):
    scene = load_scene(write_ball_scene(tmp_path / "balls"))
    view, elsewhere = scene.view("3"), tmp_path / "elsewhere"
    begun = read_truth(elsewhere, scene, view)
    assert (begun.labels == 1).any() and begun.names == {1: "red", 2: "green"}
    write_truth(
        elsewhere, scene, view, Canvas(view, begun.labels * 0).stroked([(9, 9)], 3, 1).labels, {1: "mug"}
    )
    other = read_truth(elsewhere, scene, scene.view("4"))
    assert not other.labels.any() and other.names == {1: "mug"}


def test_truth_is_written_where_the_scene_finds_it(tmp_path: Path):
    root = without_truth(write_ball_scene(tmp_path / "balls"))
    scene = load_scene(root)
    view = scene.view("4")
    canvas = (
        Canvas(view, read_truth(root, scene, view).labels).stroked([(20, 20)], 6, 1).stroked([(40, 20)], 4, 2)
    )
    path = write_truth(root, scene, view, canvas.labels, {1: "left", 2: "right"})
    assert np.array_equal(np.asarray(Image.open(path)), canvas.labels.numpy())
    again = load_scene(root)
    assert torch.equal(instance_mask(again.view("4"), 2), canvas.labels == 2)
    left, right = again.objects
    assert (left.name, left.box, left.positive) == ("left", (14, 14, 26, 26), ((20, 20),)) or left.positive
    assert canvas.labels[right.positive[0][1], right.positive[0][0]] == 2
    assert again.view("5").instance_path is None
    more = Canvas(view, canvas.labels).stroked([(5, 5)], 2, 3)
    write_truth(root, again, again.view("4"), more.labels, {1: "left", 2: "right"})
    assert torch.equal(read_truth(root, again, again.view("4")).labels, more.labels)
    assert [one.id for one in load_scene(root).objects] == [1, 2], "an id without a name is no object"
    elsewhere = tmp_path / "elsewhere"
    write_truth(elsewhere, again, view, canvas.labels, {1: "left", 2: "right"})
    assert (elsewhere / "instances" / "4.png").is_file() and (elsewhere / "scene.json").is_file()
