from __future__ import annotations

from pathlib import Path

import pytest

from sanerf_hq.errors import InputError
from sanerf_hq.scene import load_scene
from support.scene_files import frame, write_scene


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


def test_units_that_numbers_cannot_hold(tmp_path: Path):
    def write(*at: float) -> Path:
        poses = [[[1.0, 0, 0, x], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]] for x in at]
        return write_scene(
            tmp_path, [frame(f"{i}.png", transform_matrix=pose) for i, pose in enumerate(poses)]
        )

    for fine in ((1e17, 3e17), (1e-7, 3e-7), (2.0, 2.0), (0.0,)):
        assert len(load_scene(write(*fine)).views) == len(fine)
    with pytest.raises(InputError, match=r"stand up to 1e\+30 units from the origin.* in larger units"):
        load_scene(write(1.0, 1e30))
    with pytest.raises(InputError, match=r"all stand within 1e-09 units, .* in smaller units"):
        load_scene(write(1e-9, 2e-9))
