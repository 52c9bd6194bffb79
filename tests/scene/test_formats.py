"""Which format a folder is taken for, and how that and the rest of the options are remembered."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from sanerf_hq.cli.options import SceneFormat
from sanerf_hq.errors import InputError
from sanerf_hq.scene import SceneOptions, load_scene
from sanerf_hq.scene.options import Format
from support.colmap_files import write_model
from support.scene_files import frame, write_image, write_scene


def write_llff(folder: Path) -> None:
    rows = [[0, 1, 0, i, 30, 1, 0, 0, 0, 40, 0, 0, -1, 0, 50, 1, 9] for i in range(3)]
    np.save(folder / "poses_bounds.npy", np.array(rows, dtype=np.float32))
    for number in range(3):
        write_image(folder / f"images/{number}.png")


def write_colmap(folder: Path) -> None:
    images = [(i + 1, (1.0, 0.0, 0.0, 0.0), (float(i), 0.0, 0.0), 1, f"{i}.png", 0) for i in range(3)]
    write_model(folder / "sparse/0", [(1, 1, 40, 30, (50.0, 60.0, 18.0, 16.0))], images)


def test_the_first_of_several_formats_is_read_unless_another_is_named(tmp_path: Path):
    write_llff(tmp_path)
    assert load_scene(tmp_path).options.format == "llff"
    write_colmap(tmp_path)
    assert load_scene(tmp_path).options.format == "colmap"
    write_scene(tmp_path, [frame("images/0", split=None)], {"camera_angle_x": 0.7}, "transforms_train.json")
    assert load_scene(tmp_path).options.format == "blender"
    write_scene(tmp_path)
    assert load_scene(tmp_path).options.format == "nerfstudio"
    focal = {}
    for name in get_args(Format):
        scene = load_scene(tmp_path, SceneOptions(format=name))
        assert scene.options.format == name
        focal[name] = round(scene.views[0].camera.focal, 1)
    assert focal == {
        "nerfstudio": 54.8,  # √(50·60)
        "lerf": 54.8,
        "blender": 54.8,  # 20 / tan(0.35)
        "colmap": 54.8,
        "mip360": 54.8,
        "llff": 50.0,
    }


def test_a_format_that_is_not_there_is_refused(tmp_path: Path):
    write_scene(tmp_path)
    for name, words in (
        ("blender", "holds no transforms_train.json"),
        ("llff", "poses_bounds.npy cannot be"),
    ):
        with pytest.raises(InputError, match=words):
            load_scene(tmp_path, SceneOptions(format=name))
    with pytest.raises(InputError, match="is a file, but --format colmap reads a folder"):
        load_scene(tmp_path / "transforms.json", SceneOptions(format="colmap"))
    with pytest.raises(InputError, match="scene format 'ply' is none of nerfstudio, blender"):
        SceneOptions.from_words({"format": "ply"})


def test_the_command_line_offers_the_library_s_formats():
    assert get_args(SceneFormat) == get_args(Format)


def test_options_survive_being_written(tmp_path: Path):
    options = SceneOptions("llff", "every:4", "images_4", tmp_path)
    assert SceneOptions.from_words(options.to_words()) == options
    assert SceneOptions().to_words() == {}
    assert SceneOptions.from_words({}) == SceneOptions()
    with pytest.raises(InputError, match="scene option 'lens' is unknown"):
        SceneOptions.from_words({"lens": "x"})


def test_mip360_reads_the_copies_that_its_paper_measures(tmp_path: Path):
    for name, copy, width in (("garden", "images_4", 10), ("bonsai", "images_2", 20)):
        folder = tmp_path / name
        write_colmap(folder)
        for number in range(3):
            write_image(folder / f"images/{number}.png")
            write_image(folder / f"{copy}/{number}.png", size=(width, width * 3 // 4))
        options = SceneOptions(format="mip360")
        assert load_scene(folder, options).views[0].camera.width == width
        assert load_scene(folder, SceneOptions(format="mip360", images="images")).views[0].camera.width == 40
        assert load_scene(folder).views[0].camera.width == 40


def test_nerfstudio_s_smaller_copies(tmp_path: Path):
    write_scene(tmp_path)
    for number in range(3):
        write_image(tmp_path / f"images_2/{number}.png", size=(20, 15))
    view = load_scene(tmp_path, SceneOptions(images="images_2")).views[1]
    assert (view.name, view.image_path) == ("images/1.png", tmp_path / "images_2/1.png")
    assert view.camera.K[0].tolist() == [25, 0, 9]
    (tmp_path / "images_2/2.png").unlink()
    with pytest.raises(InputError, match=r"the image 'images/2.png' does not exist \(1 of 3"):
        load_scene(tmp_path, SceneOptions(images="images_2"))


def test_blender_s_synthetic_scenes(tmp_path: Path):
    # NeRF's renders: 800 columns and camera_angle_x = 0.6911112070083618 make a focal length of 1111.111.
    for word in ("train", "val", "test"):
        frames = [frame(f"./{word}/r_{i}") for i in range(2)]
        for i in range(2):
            write_image(tmp_path / f"{word}/r_{i}.png", np.zeros((80, 80, 3), np.uint8))
        write_scene(tmp_path, frames, {"camera_angle_x": 0.6911112070083618}, f"transforms_{word}.json")
    scene = load_scene(tmp_path)
    assert scene.options.format == "blender"
    assert [view.name for view in scene.train_views] == ["train/r_0", "train/r_1"]
    assert [view.name for view in scene.test_views] == ["test/r_0", "test/r_1"]
    camera = scene.views[0].camera
    assert camera.K.flatten().tolist() == pytest.approx([111.1111, 0, 40, 0, 111.1111, 40, 0, 0, 1], abs=1e-3)
    # The camera stands at (1, 2, 3) and looks along -z with y up: (2, 3, 1) is one right, one up, two ahead.
    xy = camera.project(camera.center.new_tensor([[2.0, 3.0, 1.0]])).xy[0].tolist()
    assert xy == pytest.approx([40 + 111.1111 / 2, 40 - 111.1111 / 2], abs=0.05)
