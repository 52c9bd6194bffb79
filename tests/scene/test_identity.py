from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sanerf_hq.scene.identity as module
from sanerf_hq.errors import InputError
from sanerf_hq.scene import fingerprint, load_scene
from support.scene_files import INTRINSICS, frame, write_image, write_json, write_scene


def scene_folder(folder: Path) -> Path:
    write_image(folder / "m.png", np.full((30, 40), 9, np.uint8))
    write_image(folder / "i.png", np.zeros((30, 40), np.uint8))
    frames = [
        frame("a.png", split="train", mask_path="m.png", instance_path="i.png"),
        frame("b.png", split="test"),
    ]
    return write_scene(folder, frames)


def edit(folder: Path, change: Callable[[dict[str, object], list[dict[str, object]]], object]) -> None:
    """Change what transforms.json says: its top level, its frames."""
    value = json.loads((folder / "transforms.json").read_text())
    change(value, value["frames"])
    write_json(folder / "transforms.json", value)


def test_where_it_lies_and_what_is_no_input_does_not_matter(tmp_path: Path):
    one = scene_folder(tmp_path / "one")
    before = fingerprint(load_scene(one))
    assert len(before) == 32
    two = tmp_path / "deeper" / "two"
    shutil.copytree(one, two)
    os.utime(two / "a.png", (1, 1))
    edit(two, lambda shared, frames: frames.reverse())
    write_image(two / "i.png", np.ones((30, 40), np.uint8))
    prompts = {"view": "a", "positive": [[1, 1]]}
    write_json(two / "scene.json", {"objects": [{"id": 1, "name": "x", "prompts": prompts}]})
    assert fingerprint(load_scene(two)) == before


def flip_a_bit(path: Path) -> None:
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[20, 10, 1] = 1
    write_image(path, pixels)


CHANGES: dict[str, Callable[[Path], object]] = {
    "photo": lambda folder: flip_a_bit(folder / "a.png"),
    "test photo": lambda folder: flip_a_bit(folder / "b.png"),
    "mask": lambda folder: write_image(folder / "m.png", np.full((30, 40), 8, np.uint8)),
    "mask gone": lambda folder: edit(folder, lambda shared, frames: frames[0].pop("mask_path")),
    "split": lambda folder: edit(folder, lambda shared, frames: frames[1].update(split="train")),
    "frame gone": lambda folder: edit(folder, lambda shared, frames: frames.pop()),
    "focal length": lambda folder: edit(folder, lambda shared, frames: shared.update(fl_x=50.01)),
    "distortion": lambda folder: edit(folder, lambda shared, frames: shared.update(k1=0.001)),
    "position": lambda folder: edit(
        folder, lambda shared, frames: frames[0]["transform_matrix"][0].__setitem__(3, 1.001)
    ),
    "rotation": lambda folder: edit(
        folder,
        lambda shared, frames: frames[0].update(
            transform_matrix=[[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]
        ),
    ),
    "time": lambda folder: edit(folder, lambda shared, frames: [entry.update(time=0.5) for entry in frames]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_every_input_matters(tmp_path: Path, what: str):
    folder = scene_folder(tmp_path)
    before = fingerprint(load_scene(folder))
    CHANGES[what](folder)
    assert fingerprint(load_scene(folder)) != before


def test_rounding_of_the_rotation_does_not_matter(tmp_path: Path):
    scene = load_scene(scene_folder(tmp_path))
    noisy = scene.views[0].camera.camtoworld.clone()
    noisy[0, 1] = -1e-17
    camera = replace(scene.views[0].camera, camtoworld=noisy)
    other = replace(scene, views=(replace(scene.views[0], camera=camera), scene.views[1]))
    assert fingerprint(other) == fingerprint(scene)


def test_of_many_images_size_and_ends_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "WHOLE_FILES_UP_TO", 1)
    monkeypatch.setattr(module, "END_BYTES", 100)
    folder = scene_folder(tmp_path)
    scene = load_scene(folder)
    before = fingerprint(scene)
    whole = (folder / "a.png").read_bytes()
    assert len(whole) > 300

    def with_bytes(content: bytes) -> str:
        (folder / "a.png").write_bytes(content)
        return fingerprint(scene)

    assert with_bytes(b"x" + whole[1:]) != before
    assert with_bytes(whole[:-1] + b"x") != before
    assert with_bytes(whole[:150] + whole[151:]) != before
    assert with_bytes(whole[:150] + b"?" + whole[151:]) == before
    assert with_bytes(whole) == before


def test_no_views_and_missing_files(tmp_path: Path):
    scene = load_scene(write_scene(tmp_path, None, INTRINSICS))
    assert fingerprint(replace(scene, views=())) != fingerprint(scene)
    scene.views[0].image_path.unlink()
    with pytest.raises(InputError, match=r"0\.png cannot be read"):
        fingerprint(scene)
