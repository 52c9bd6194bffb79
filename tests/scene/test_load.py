from __future__ import annotations

from pathlib import Path

import pytest

from sanerf_hq.errors import InputError
from sanerf_hq.scene import load_scene
from support.scene_files import write_scene


def test_a_scene_is_opened_by_its_folder_or_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = write_scene(tmp_path / "my desk")
    for path in (folder, str(folder), folder / "transforms.json"):
        scene = load_scene(path)
        assert (scene.name, len(scene.views), scene.root) == ("my desk", 3, folder)
    monkeypatch.chdir(folder)
    assert load_scene(".").name == "my desk"


def test_a_file_of_another_name_will_do(tmp_path: Path):
    write_scene(tmp_path, file="undistorted.JSON")
    assert len(load_scene(tmp_path / "undistorted.JSON").views) == 3


def test_what_is_no_scene(tmp_path: Path):
    (tmp_path / "photo.txt").write_text("x")
    for path, words in (
        (tmp_path, "holds no transforms.json"),
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path / "transforms.json", "does not exist"),
        (tmp_path / "photo.txt", "no JSON file"),
        (tmp_path / ("a" * 400), "a scene's folder"),
        ("a\0b", "a scene's folder"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            load_scene(path)
        assert "\n" not in str(caught.value)
