"""export-scene and the options that say how a scene is read, from the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sanerf_hq.cli.main import main
from sanerf_hq.export.scene_formats import export_scene
from sanerf_hq.radiance import PRESETS
from sanerf_hq.scene import load_scene
from sanerf_hq.scene.benchmark import LISTS
from support.balls import N_VIEWS, ball_camera, ball_photo, write_ball_scene
from support.command import refused
from support.scene_files import frame, write_image, write_json, write_scene


@pytest.fixture(scope="module")
def colmap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The balls as a COLMAP folder, whose own split tests on views 0.png and 5.png."""
    folder = tmp_path_factory.mktemp("colmap")
    export_scene(load_scene(write_ball_scene(folder / "given")), folder / "balls", "colmap")
    return folder / "balls"


@pytest.fixture(scope="module")
def run(colmap: Path) -> Path:
    """A run on it that tests on every fourth view."""
    run = colmap.parent / "run"
    words = ["--preset", "draft", "--steps", "5", "--width", "16", "--split", "every:4", "--format", "colmap"]
    assert main(["train", str(colmap), "--out", str(run), *words]) == 0
    return run


def test_a_run_remembers_how_its_scene_is_read(
    run: Path,
    colmap: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["scene"]["path"] == str(colmap)
    assert manifest["scene"]["options"] == {"format": "colmap", "split": "every:4"}
    monkeypatch.chdir(tmp_path)
    assert main(["render", str(run), "--view", "1", "--out", "a.png", "--width", "16"]) == 0
    assert main(["eval", str(run)]) == 0
    (scene,) = json.loads((run / "eval/metrics.json").read_text())["scenes"]
    assert scene["psnr"] is not None
    assert "was made from other images or cameras" in refused(
        ["train", str(colmap), "--out", str(run), "--split", "every:3"], capsys
    )


@pytest.mark.parametrize("format", ["nerfstudio", "colmap", "llff"])
def test_a_run_s_cameras_are_written(
    run: Path, tmp_path: Path, format: str, capsys: pytest.CaptureFixture[str]
):
    words = ["--undistort"] if format == "llff" else []  # the balls' principal point is off the middle
    line = ["export-scene", str(run), "--format", format, "--out", str(tmp_path / "out"), *words]
    assert main(line) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"12 views, 3 of them for testing: {tmp_path / 'out'}"
    again = load_scene(tmp_path / "out")
    assert again.options.format == format
    for index in range(N_VIEWS):
        center = again.view(str(index)).camera.center
        assert (center - ball_camera(index).center).norm() < 1e-5
    if format != "nerfstudio":
        names = (tmp_path / "out/test_views.txt").read_text().split()
        assert names == ["0.png", "2.png", "6.png"]  # every fourth of 0, 1, 10, 11, 2, ... by name
    if format == "llff":
        near, far = np.load(tmp_path / "out/poses_bounds.npy")[:, 15:].T
        assert (near > 0).all() and (far >= near).all()
    assert "is not empty" in refused(line, capsys)


def test_a_scene_folder_is_written_as_it_is_read(
    colmap: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    line = ["export-scene", str(colmap), "--format", "nerfstudio", "--out", str(tmp_path / "out")]
    assert main([*line, "--scene.split", "every:6"]) == 0
    assert len(load_scene(tmp_path / "out").test_views) == 2
    line = ["export-scene", str(colmap), "--format", "llff", "--out", str(tmp_path / "llff"), "--undistort"]
    assert main(line) == 0
    assert "near and far are guesses" in capsys.readouterr().out


def test_what_export_scene_refuses(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = ["--out", str(tmp_path / "out")]
    line = ["export-scene", str(run), "--format", "llff", *out]
    assert "has no place for distortion, a principal point" in refused(line, capsys)
    line = ["export-scene", str(run), "--format", "colmap", *out, "--scene.split", "every:2"]
    assert "remembers how its scene is read" in refused(line, capsys)
    assert "does not exist" in refused(
        ["export-scene", str(tmp_path / "no"), "--format", "llff", *out], capsys
    )
    assert main(["export-scene", str(run), "--format", "ply", *out]) == 2
    assert not (tmp_path / "out").exists()


def test_bench_takes_objects_and_truth_from_sanerf_hq_s_lists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """The balls stand in for ctr_lift_0: its toy is the red one, its bucket the green one."""
    monkeypatch.setitem(PRESETS, "draft", replace(PRESETS["draft"], steps=8))
    lists = json.loads(LISTS.read_text())
    tested = {name: item["test_views"] for name, item in lists["datasets"]["others"]["ctr_lift_0"].items()}
    stems = list(dict.fromkeys([*tested["toy"], *tested["bucket"]]))
    names = [*stems, *(f"9000{i}" for i in range(5))]
    frames = []
    for index, stem in enumerate(names):
        camera = ball_camera(index)
        colour, label = ball_photo(camera)
        write_image(tmp_path / f"ctr_lift_0/images/{stem}.png", colour)
        for number, name in ((1, "toy"), (2, "bucket")):
            if stem in tested[name]:
                mask = (label == number).astype(np.uint8) * 255
                write_image(tmp_path / f"ctr_lift_0/{name}/{stem}_mask.png", mask)
        pose = camera.camtoworld.double()
        pose[:, 1:3] *= -1
        frames.append(frame(f"images/{stem}.png", transform_matrix=pose.tolist()))
        write_image(tmp_path / f"labels/{stem}.png", label)
    shared = {"w": 64, "h": 48, "fl_x": 70.0, "fl_y": 72.0, "cx": 30.0, "cy": 25.0}
    write_scene(tmp_path / "ctr_lift_0", frames, shared)
    out = tmp_path / "bench"
    line = ["bench", str(tmp_path / "ctr_lift_0"), "--out", str(out), "--preset", "draft", "--width", "16"]
    assert main([*line, "--segmenter", f"masks:{tmp_path / 'labels'}"]) == 0
    (scene,) = json.loads((out / "metrics.json").read_text())["scenes"]
    assert [item["name"] for item in scene["objects"]] == list(tested)
    assert scene["psnr_object"] is not None
    assert all(0 <= item["iou"] <= 1 for item in scene["objects"])
    recorded = json.loads((out / "runs/ctr_lift_0/run.json").read_text())["scene"]["options"]
    assert recorded == {"format": "nerfstudio", "split": "sanerf-hq"}
    objects = [{"id": 1, "name": "x", "prompts": {"view": names[-1], "positive": [[1, 1]]}}]
    write_json(tmp_path / "ctr_lift_0/scene.json", {"objects": objects})
    assert "is no scene of" not in capsys.readouterr().err
    assert "desk is no scene of SANeRF-HQ's lists" in refused(
        ["bench", str(write_scene(tmp_path / "desk")), "--out", str(out), "--split", "sanerf-hq"], capsys
    )
