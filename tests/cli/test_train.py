from __future__ import annotations

import json
import math
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from sanerf_hq.cli.main import main
from sanerf_hq.cli.train import Preset, ViewScore, summary
from sanerf_hq.radiance import PRESETS, load_radiance_field
from sanerf_hq.scene import photo_size
from support.command import refused
from support.scene_files import frame, write_image, write_json, write_scene


def ring(folder: Path, n_test: int) -> Path:
    """Six views, 40x30, from a circle of radius 2 round the origin; the first ``n_test`` are for tests."""
    frames = []
    for i in range(6):
        angle = math.tau * i / 6
        sin, cos = math.sin(angle), math.cos(angle)
        pose = [[cos, 0, sin, 2 * sin], [0, 1, 0, 0], [-sin, 0, cos, 2 * cos], [0, 0, 0, 1]]
        split = "test" if i < n_test else "train"
        frames.append(frame(f"images/{i}.png", transform_matrix=pose, split=split))
    return write_scene(folder, frames)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A scene with two test views, and a run of five steps on it."""
    folder = tmp_path_factory.mktemp("ring")
    scene, run = ring(folder / "scene", 2), folder / "run"
    assert main(["train", str(scene), "--out", str(run), "--preset", "draft", "--steps", "5"]) == 0
    return scene, run


def test_the_presets_are_those_of_the_library():
    assert set(get_args(Preset)) == set(PRESETS)


def test_train_scores_and_the_second_time_only_scores(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
):
    scene, run = trained
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["stages"]["radiance"]["config"]["steps"] == 5
    capsys.readouterr()
    assert main(["train", str(scene), "--out", str(run), "--preset", "draft", "--steps", "5"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(" dB, the mean over 2 test views")
    assert 4 < float(first.split()[1]) < 20  # noise in [0, 1] against anything grey
    assert second == f"the run is in {run}"
    assert json.loads((run / "run.json").read_text()) == manifest


def test_photos_are_reduced_each_by_its_longer_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(photo_size, "LONGEST", 36)
    scene, run = ring(tmp_path / "scene", 2), tmp_path / "run"
    entries = json.loads((scene / "transforms.json").read_text())
    for entry, size in zip(entries["frames"][1:3], [(24, 32), (30, 40)], strict=True):
        entry |= {"w": size[0], "h": size[1]}
        write_image(scene / entry["file_path"], size=size)
    write_json(scene / "transforms.json", entries)
    words = ["--preset", "draft", "--steps", "2"]
    assert main(["train", str(scene), "--out", str(run), *words]) == 0
    assert capsys.readouterr().out.startswith("photos longer than 36 pixels are reduced to that; --width W")
    home = load_radiance_field(run).at_home()
    sized = [home.sized(view) for view in home.scene.views]
    sizes = [(camera.width, camera.height) for camera in sized]
    assert sizes == [(36, 27), (24, 32), (27, 36), (36, 27), (36, 27), (36, 27)]
    assert main(["train", str(scene), "--out", str(run), *words, "--width", "20"]) == 2
    assert "longest 36, not None" in capsys.readouterr().err


def test_options_reach_the_run(tmp_path: Path):
    scene, run = ring(tmp_path / "scene", 2), tmp_path / "run"
    more = ["--exposure", "--refine-poses"]
    assert main(["train", str(scene), "--out", str(run), "--preset", "draft", "--steps", "2", *more]) == 0
    config = json.loads((run / "run.json").read_text())["stages"]["radiance"]["config"]
    assert config["exposure"] and config["refine_poses"]


def test_another_seed_is_refused(trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str]):
    scene, run = trained
    assert main(["train", str(scene), "--out", str(run), "--preset", "draft", "--seed", "7"]) == 2
    assert "--seed 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "mode", "size"),
    [
        ([], "RGB", (40, 30)),
        (["--width", "20"], "RGB", (20, 15)),
        (["--what", "depth"], "L", (40, 30)),
        (["--what", "opacity", "--width", "20"], "L", (20, 15)),
    ],
)
def test_render_writes_a_picture(
    trained: tuple[Path, Path],
    tmp_path: Path,
    options: list[str],
    mode: str,
    size: tuple[int, int],
    capsys: pytest.CaptureFixture[str],
):
    out = tmp_path / "new" / "view.png"
    for _ in range(2):  # a picture that is there is replaced
        assert main(["render", str(trained[1]), "--view", "1", "--out", str(out), *options]) == 0
        assert f"render: {size[0] * size[1]}/{size[0] * size[1]}" in capsys.readouterr().err
    with Image.open(out) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", mode, size)
    assert [path.name for path in out.parent.iterdir()] == ["view.png"]


def test_render_refuses_a_view_that_is_not_there(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "view.png"
    assert main(["render", str(trained[1]), "--view", "99", "--out", str(out)]) == 2
    assert "has no view '99'" in capsys.readouterr().err
    assert not out.exists()
    out.write_bytes(b"")
    assert main(["render", str(trained[1]), "--view", "1", "--out", str(out / "view.png")]) == 2
    shown = capsys.readouterr().err
    assert "cannot be written" in shown and "render:" not in shown


def test_render_refuses_images_that_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    scene, run = ring(tmp_path / "scene", 0), tmp_path / "run"
    assert main(["train", str(scene), "--out", str(run), "--preset", "draft", "--steps", "1"]) == 0
    assert "no test views" in capsys.readouterr().out
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(scene / "images" / "4.png")
    assert main(["render", str(run), "--view", "1", "--out", str(tmp_path / "a.png")]) == 2
    assert "was made from other images" in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()


def test_a_port_for_no_page_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    line = ["train", str(tmp_path / "none"), "--out", str(tmp_path / "run"), "--view-port", "9000"]
    assert "--view-port is about the page of --view" in refused(line, capsys)


def test_the_summary_counts_what_was_scored():
    some = [ViewScore(20.0, None), ViewScore(None, None), ViewScore(25.0, None)]
    assert summary(some) == "PSNR 22.50 dB, the mean over 2 test views"
    assert summary(some[:1]) == "PSNR 20.00 dB, the mean over 1 test view"
    assert "no test views" in summary([])
    assert "leave no pixel" in summary(some[1:2])
    depths = summary([*some, ViewScore(30.0, 0.01), ViewScore(25.0, 0.02)])
    assert depths.endswith("4 test views; depth off by 1.50% (median, mean over 2 test views with truth)")
