"""The scene that the package ships, and the program that makes it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.scene import instance_mask, load_scene, read_image, read_instances
from support.paths import PACKAGE, ROOT
from support.scene_files import frame, write_image, write_json, write_scene

DEMO = PACKAGE / "demo_scene" / "desk"


@pytest.fixture
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_demo_scene", ROOT / "tools" / "make_demo_scene.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_shipped_scene_is_small_and_whole():
    scene = load_scene(DEMO)
    assert (len(scene.train_views), len(scene.test_views)) == (40, 6)
    assert len(scene.objects) >= 3
    assert sum(path.stat().st_size for path in DEMO.rglob("*")) < 2e6
    for view in scene.views:
        assert (view.camera.width, view.camera.height) == (240, 180)
        assert read_image(view).shape == (180, 240, 3)
        assert read_instances(view).max() > 0
    for found in scene.objects:
        view = scene.view(found.prompt_view)
        assert view.split == "train"
        mask = instance_mask(view, found.id)
        assert all(mask[y, x] for x, y in found.positive)
        assert not any(mask[y, x] for x, y in found.negative)
        rows, columns = mask.nonzero(as_tuple=True)
        assert found.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        seen = [int(instance_mask(test_view, found.id).sum()) for test_view in scene.test_views]
        assert sum(pixels > 100 for pixels in seen) >= 4


def source_scene(folder: Path, names: tuple[str, ...]) -> Path:
    """Sixty 480x360 views on a line, each object a square in view 30."""
    frames, ids = [], np.zeros((360, 480), np.uint8)
    for i in range(len(names)):
        ids[100:201, 100 * i + 11 : 100 * i + 60] = i + 1
    write_image(folder / "ids.png", ids)
    write_image(folder / "photo.png", size=(480, 360))
    for i in range(60):
        (folder / f"{i:02d}.png").hardlink_to(folder / "photo.png")
        (folder / f"id{i:02d}.png").hardlink_to(folder / "ids.png")
        pose = [[1, 0, 0, 0.1 * i], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
        split = "test" if i % 6 == 0 else "train"
        frames.append(
            frame(f"{i:02d}.png", transform_matrix=pose, split=split, instance_path=f"id{i:02d}.png")
        )
    objects = [
        {
            "id": i + 1,
            "name": name,
            "prompts": {"view": "31.png", "positive": [[100 * i + 35, 151]], "negative": [[100 * i + 5, 9]]},
            "box": [100 * i + 11, 100, 100 * i + 60, 201],
        }
        for i, name in enumerate(names)
    ]
    write_json(folder / "scene.json", {"objects": objects})
    return write_scene(folder, frames, {"w": 480, "h": 360, "fl_x": 400.0, "cx": 230.0, "cy": 190.0})


def test_the_program_halves_everything_alike(tmp_path: Path, tool: ModuleType):
    source = load_scene(source_scene(tmp_path / "source", tool.OBJECTS))
    tool.make_demo_scene(source.root, tmp_path / "out")
    made = load_scene(tmp_path / "out")
    assert (len(made.train_views), len(made.test_views)) == (40, 6)
    steps = [float(view.camera.center[0]) for view in made.train_views]
    assert np.diff(steps).max() < 0.45  # spread: 50 views, 0.1 or 0.2 apart, of which 40 are kept
    assert (min(steps), max(steps)) == pytest.approx((0.1, 5.9))
    first = made.objects[0]
    assert first.prompt_view == "images/31.jpg"
    assert first.positive == ((17, 75),)
    assert first.negative == ((2, 4),)
    # Column 11 fills half of column 5, row 200 half of row 100: in a tie the lower right pixel decides.
    assert first.box == (5, 50, 30, 100)
    point = torch.tensor([3.3, 0.2, -2.0])
    half = made.view("31").camera.project(point).xy
    torch.testing.assert_close(half * 2, source.view("31").camera.project(point).xy)
    with pytest.raises(InputError, match="exists; remove it"):
        tool.make_demo_scene(source.root, tmp_path / "out")


def test_the_program_refuses_another_scene(tmp_path: Path, tool: ModuleType):
    with pytest.raises(InputError, match="lacks one of the objects"):
        tool.make_demo_scene(write_scene(tmp_path / "source"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_commands_that_the_readme_begins_with_fit_it():
    lines = [line.split() for line in (ROOT / "README.md").read_text().splitlines()]
    train, segment = (
        next(words for words in lines if words[:2] == ["sanerf", verb]) for verb in ("train", "segment")
    )
    assert (ROOT / train[2]).samefile(DEMO)
    scene = load_scene(DEMO)
    options = list(zip(segment[3::2], segment[4::2], strict=True))
    named = dict(options)
    (mug,) = (found for found in scene.objects if found.name == named["--name"])
    mask = instance_mask(scene.view(named["--view"]), mug.id)
    clicks = [value.split(",") for option, value in options if option == "--point"]
    assert clicks and all(mask[int(y), int(x)] for x, y in clicks)
