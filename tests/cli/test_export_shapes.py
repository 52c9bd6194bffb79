"""Export mesh, export points and apply from the command line, on two balls that are hardly trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sanerf_hq.cli.main import main
from support.balls import center_pixel, write_ball_scene
from support.command import refused
from support.ply_files import splat_rows, write_splats


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("balls")
    scene = write_ball_scene(folder / "balls")
    assert main(["train", str(scene), "--out", str(folder / "run"), "--preset", "draft", "--steps", "8"]) == 0
    x, y = center_pixel(3, 1)
    words = ["segment", str(folder / "run"), "--name", "red", "--segmenter", "truth", "--preset", "draft"]
    assert main([*words, "--view", "3", "--point", f"{x},{y}"]) == 0
    return folder / "run"


def test_apply_splits_a_file_of_splats(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = write_splats(tmp_path / "all.ply", splat_rows(np.random.default_rng(0).uniform(-1, 1, (50, 3))))
    out = tmp_path / "red.ply"
    line = ["apply", str(run), str(source), "--object", "red", "--out", str(out), "--mode", "split"]
    assert main(line) == 0
    shown = capsys.readouterr().out
    assert "of 50 are the object's" in shown
    assert out.exists()
    assert (tmp_path / "red.rest.ply").exists()


def test_apply_says_that_a_file_may_be_in_other_coordinates(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source = write_splats(tmp_path / "far.ply", splat_rows(np.full((3, 3), 1e4)))
    assert main(["apply", str(run), str(source), "--object", "red", "--out", str(tmp_path / "out.ply")]) == 0
    assert "none is the object's: are they in the coordinates of the scene's" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["export", "mesh", "--object", "red", "--out", "red.stl"], "let it end with .glb, .ply or .obj"),
        (["export", "mesh", "--object", "cup", "--out", "cup.glb"], "has no object 'cup'"),
        (["export", "mesh", "--object", "red", "--out", "red.glb", "--resolution", "3"], "resolution is 3"),
        (["export", "points", "--object", "red", "--out", "red.ply", "--count", "0"], "--count is 0"),
        (["export", "points", "--object", "red", "--out", "red.obj"], "let it end with .ply"),
        (["apply", "nowhere.ply", "--object", "red", "--out", "out.ply"], "nowhere.ply cannot be read"),
        (
            ["apply", "a.ply", "--object", "red", "--out", "b.ply", "--mode", "keep", "--property", "red"],
            "--property names what label adds, and --mode keep adds nothing",
        ),
    ],
)
def test_words_that_mean_nothing_leave_nothing(
    run: Path,
    tmp_path: Path,
    line: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    verb = 2 if line[0] == "export" else 1
    assert sentence in refused([*line[:verb], str(run), *line[verb:]], capsys)
    assert list(tmp_path.iterdir()) == []
