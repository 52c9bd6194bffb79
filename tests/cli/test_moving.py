"""A scene that moves, from the command line: trained for a moment, what is tested is what the words do."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sanerf_hq.cli.main import main
from sanerf_hq.export import MovingTarget
from sanerf_hq.geometry import Camera
from sanerf_hq.objects import OBJECT_PRESETS, MovingObject, train
from sanerf_hq.radiance import GridConfig, RadianceField
from sanerf_hq.runs import LoopPlan
from support.command import refused
from support.moving_balls import (
    MOMENTS,
    N_CAMERAS,
    PROMPTED,
    RADIUS,
    centers_at,
    moving_camera,
    moving_field,
    name_of,
    pixel_of,
    write_moving_scene,
)


def make_small(patch: pytest.MonkeyPatch) -> None:
    """Object fields of a few steps, and whatever is found at the next moment is the same thing."""
    grid = GridConfig(n_levels=2, n_features=2, log2_table=10, finest=32)
    small = replace(OBJECT_PRESETS["draft"], grid=grid, steps=4, steps_where_exact=4, rays=256)
    patch.setitem(OBJECT_PRESETS, "draft", small)
    patch.setattr("sanerf_hq.objects.through_time.LEAST_LIKENESS", 0.0)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the moving balls with both of them segmented."""
    folder = tmp_path_factory.mktemp("moving")
    scene = write_moving_scene(folder / "balls")
    made = folder / "run"
    assert main(["train", str(scene), "--out", str(made), "--preset", "draft", "--steps", "40"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        x, y = pixel_of(2)
        line = ["segment", str(made), "--name", "green", "--segmenter", "truth", "--preset", "draft"]
        assert main([*line, "--view", name_of(PROMPTED, 0.5), "--point", f"{x},{y}"]) == 0
        x, y = pixel_of(1)
        more = [*line, "--object", "red", "--add"]
        assert main([*more, "--view", name_of(PROMPTED, 0.5), "--point", f"{x},{y}"]) == 0
    return made


def test_a_segmentation_holds_every_moment(run: Path):
    folder = run / "segmentations" / "green"
    assert {path.name for path in folder.iterdir()} >= {
        "moments",
        "identities.json",
        "prompts.json",
        "preview.jpg",
    }
    assert set(json.loads((folder / "identities.json").read_text())["identities"]) == {"green", "red"}
    assert "0001" in {path.name for path in (folder / "moments").iterdir()}
    recorded = json.loads((folder / "prompts.json").read_text())
    assert [one["name"] for one in recorded["objects"]] == ["green", "red"]


def test_eval_scores_the_objects_it_knows(run: Path):
    assert main(["eval", str(run)]) == 0
    (scene,) = json.loads((run / "eval" / "metrics.json").read_text())["scenes"]
    assert [one["name"] for one in scene["objects"]] == ["red", "green"]
    assert all(one["iou"] is not None for one in scene["objects"])


def test_masks_of_every_view_are_those_of_its_time(run: Path, tmp_path: Path):
    out = tmp_path / "masks"
    assert main(["export", "masks", str(run), "--object", "green", "--out", str(out)]) == 0
    written = sorted(path.stem for path in out.iterdir())
    assert len(written) == len(MOMENTS) * N_CAMERAS
    with Image.open(out / "1_1.png") as picture:
        seen = np.asarray(picture)
    x, y = pixel_of(2)
    assert seen.shape == (120, 160) and seen[y, x] == 255


def test_a_dataset_keeps_the_times(run: Path, tmp_path: Path):
    out = tmp_path / "alone"
    assert (
        main(["export", "dataset", str(run), "--object", "green/red", "--out", str(out), "--width", "40"])
        == 0
    )
    frames = json.loads((out / "transforms.json").read_text())["frames"]
    assert sorted({frame["time"] for frame in frames}) == list(MOMENTS)


def test_time_passes_in_a_video_or_stands_still(run: Path, tmp_path: Path):
    line = ["export", "video", str(run), "--object", "green", "--seconds", "0.2", "--fps", "20"]
    size = ["--width", "32", "--height", "32"]
    for name, more in (("moving.mp4", []), ("still.mp4", ["--time", "0.5"])):
        assert main([*line, "--out", str(tmp_path / name), *size, *more]) == 0
        assert (tmp_path / name).stat().st_size > 500


def test_a_video_lasts_from_the_first_moment_to_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    field = replace(moving_field(tmp_path), moments=(0.4, 0.45, 0.5))
    target = MovingTarget(MovingObject(field, ("red",), {}), ("red",), "red", "red")
    shown: list[Camera] = []
    monkeypatch.setattr("sanerf_hq.cli.export_pictures.open_target", lambda *words: target)
    monkeypatch.setattr("sanerf_hq.export.export_video", lambda target, cameras, *more: shown.extend(cameras))
    way = tmp_path / "way.json"
    ends = [{"seconds": 0, "view": name_of(0, 0.0)}, {"seconds": 1, "view": name_of(1, 0.0)}]
    way.write_text(json.dumps({"keyframes": ends}))
    out = ["--out", str(tmp_path / "red.mp4"), "--keyframes", str(way), "--fps", "10"]
    assert main(["export", "video", str(tmp_path), "--object", "red", *out]) == 0
    assert [camera.time for camera in shown] == pytest.approx([0.4 + 0.01 * n for n in range(11)])


def test_the_files_time_is_when_its_points_are_meant(
    tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
):
    field = moving_field(tmp_path)

    def opened(folder: Path, device: str, time: float | None = None) -> RadianceField:
        return field if time is None else field.at(time)

    monkeypatch.setattr("sanerf_hq.radiance.load_radiance_field", opened)
    monkeypatch.setattr("sanerf_hq.cli.segment.draw_preview", lambda *words: None)
    towards = torch.nn.functional.normalize(moving_camera(0, 1.0).center - centers_at(1.0)[0], dim=0)
    prompts = [{"positive3d": [(centers_at(1.0)[0] + RADIUS * towards).tolist()]}]
    file = tmp_path / "prompts.json"
    file.write_text(json.dumps({"time": 1.0, "objects": [{"name": "ball", "prompts": prompts}]}))
    line = ["segment", str(tmp_path), "--name", "ball", "--segmenter", "truth", "--preset", "draft"]
    assert main([*line, "--prompts", str(file)]) == 0, "at another time the ball is elsewhere"
    recorded = json.loads(field.at_home().run.segmentation("ball").prompts.read_text())
    assert recorded["objects"][0]["prompts"][0]["time"] == 1.0


def test_shapes_are_asked_for_at_a_time(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    line = [
        "export",
        "points",
        str(run),
        "--object",
        "green",
        "--out",
        str(tmp_path / "green.ply"),
        "--count",
        "50",
    ]
    assert "say with --time when" in refused(line, capsys)
    assert "not in [0, 1]" in refused([*line, "--time", "1.5"], capsys)
    assert main([*line, "--time", "0.5"]) == 0
    assert (tmp_path / "green.ply").exists()


def test_a_camera_may_look_at_another_time(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    line = [
        "render",
        str(run),
        "--view",
        name_of(0, 0.0),
        "--width",
        "20",
        "--out",
        str(tmp_path / "one.png"),
    ]
    assert main([*line, "--time", "0.75"]) == 0
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.size == (20, 15)
    assert "not in [0, 1]" in refused([*line, "--time", "1.1"], capsys)


@pytest.mark.parametrize(("words", "moment"), [([], 0.0), (["--time", "0.7"], 0.5)])
def test_the_viewer_begins_at_a_time(
    run: Path, words: list[str], moment: float, monkeypatch: pytest.MonkeyPatch
):
    app = pytest.importorskip("sanerf_hq.viewer.app", reason="needs the extra ui")
    shown: list[float | None] = []
    monkeypatch.setattr(app, "warm_up", lambda workshop, *_: shown.append(workshop.field.moment))
    monkeypatch.setattr("sanerf_hq.cli.view.wait_for_ever", lambda: None)
    assert main(["view", str(run), "--port", "0", "--segmenter", "truth", *words]) == 0
    assert shown == [moment]


def test_the_viewer_refuses_a_time_that_there_is_not(run: Path, capsys: pytest.CaptureFixture[str]):
    assert "not in [0, 1]" in refused(["view", str(run), "--port", "0", "--time", "1.1"], capsys)


def test_the_report_is_of_a_time(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    line = ["report", str(run), "--frames", "2", "--width", "32", "--out", str(tmp_path / "report.html")]
    assert "say with --time when" in refused(line, capsys)
    assert main([*line, "--time", "0.5"]) == 0
    assert "green" in (tmp_path / "report.html").read_text()


def test_the_report_leaves_out_what_was_not_found_then(run: Path, tmp_path: Path):
    folder, away = run / "segmentations" / "green" / "moments" / "0002", tmp_path / "away"
    shutil.copytree(run, away)
    shutil.copytree(away / "segmentations" / "green", away / "segmentations" / "brief")
    shutil.rmtree(away / "segmentations" / "brief" / "moments" / folder.name)
    line = ["report", str(away), "--frames", "2", "--width", "32", "--out", str(tmp_path / "report.html")]
    assert main([*line, "--time", "1"]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "green" in page and "brief" not in page


def test_a_stop_at_any_moment_leaves_every_earlier_one(run: Path, tmp_path: Path, small: None):
    away = tmp_path / "away"
    shutil.copytree(run, away)
    folder = away / "segmentations" / "green"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    x, y = pixel_of(1)
    line = ["segment", str(away), "--name", "green", "--segmenter", "truth", "--preset", "draft", "--add"]
    line += ["--object", "ball", "--view", name_of(PROMPTED, 0.5), "--point", f"{x},{y}"]
    loop, begun = train.run_loop, iter([True, False])

    def stopped(plan: LoopPlan, *words: Any) -> Any:
        if not next(begun):
            raise KeyboardInterrupt
        return loop(plan, *words)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "run_loop", stopped)
        assert main(line) == 130
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    out = ["--object", "green", "--out", str(tmp_path / "masks"), "--view", name_of(0, 0.0)]
    assert main(["export", "masks", str(away), *out]) == 0
    assert main(line) == 0
    recorded = json.loads((folder / "prompts.json").read_text())
    assert [one["name"] for one in recorded["objects"]] == ["green", "red", "ball"]
