"""Segment, eval and bench on two balls, from the command line."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sanerf_hq.cli.main import main
from sanerf_hq.objects import OBJECT_PRESETS
from sanerf_hq.prompts import BoxPrompt
from sanerf_hq.radiance import GridConfig, load_radiance_field
from sanerf_hq.segmenters import Detections
from sanerf_hq.viewer.record import object_record
from sanerf_hq.viewer.state import Box, ObjectState, Part, Picture
from sanerf_hq.viewer.storage import FORMAT, load_session
from sanerf_hq.viewer.viewpoint import Viewpoint
from support.balls import COLOURS, ball_camera, box_of, center_pixel, write_ball_scene
from support.command import no_work, refused
from support.fake_hub import FakeHub


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the balls, hardly trained: what is tested is what the words do."""
    folder = tmp_path_factory.mktemp("balls")
    scene = write_ball_scene(folder / "balls")
    assert main(["train", str(scene), "--out", str(folder / "run"), "--preset", "draft", "--steps", "8"]) == 0
    return folder / "run"


@pytest.fixture(autouse=True)
def _small_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Object fields of a few steps: what is tested is what the words do."""
    grid = GridConfig(n_levels=2, n_features=2, log2_table=10, finest=32)
    small = replace(OBJECT_PRESETS["draft"], grid=grid, steps=4, rays=256)
    monkeypatch.setitem(OBJECT_PRESETS, "draft", small)


def words(run: Path, name: str, *more: str) -> list[str]:
    return ["segment", str(run), "--name", name, "--segmenter", "truth", "--preset", "draft", *more]


def test_a_click_makes_a_named_segmentation_that_eval_scores(run: Path, capsys: pytest.CaptureFixture[str]):
    x, y = center_pixel(3, 1)
    assert main(words(run, "red", "--view", "3", "--point", f"{x},{y}")) == 0
    shown = capsys.readouterr().out
    folder = run / "segmentations" / "red"
    counted = re.search(r"red: masks in (\d+) of 11 training views", shown)
    assert counted and 8 <= int(counted[1]) <= 11  # a field hardly trained may hide it from a view or two
    assert {path.name for path in folder.iterdir()} >= {
        *("field.safetensors", "identities.json", "masks", "preview.jpg", "prompts.json")
    }
    record = json.loads((folder / "prompts.json").read_text())
    prompt = {"view": "3", "positive": [[x, y]], "negative": []}
    assert record["objects"] == [{"name": "red", "prompts": [prompt]}]
    assert record["segmenter"] == "truth"
    assert main(["eval", str(run)]) == 0
    metrics = json.loads((run / "eval" / "metrics.json").read_text())
    (scene,) = metrics["scenes"]
    assert [item["name"] for item in scene["objects"]] == ["red"]
    assert 0 <= scene["objects"][0]["iou"] <= 1
    assert scene["objects"][0]["iou_2d"] is None
    assert scene["psnr_object"] is not None
    page = (run / "eval" / "report.html").read_text()
    assert page.startswith("<!doctype html>") and f"<h1>Scores of {run}</h1>" in page
    assert "<dt>Prompt</dt>" not in page and "benchmark" not in page


def test_a_name_that_exists_is_refused_unless_it_is_to_be_replaced(
    run: Path, capsys: pytest.CaptureFixture[str]
):
    box = ",".join(map(str, box_of(3, 2)))
    assert main(words(run, "green", "--view", "3", "--box", box)) == 0
    field = run / "segmentations" / "green" / "field.safetensors"
    before = field.read_bytes()
    sentence = refused(words(run, "green", "--view", "3", "--box", box), capsys)
    assert "is taken (by 'green'): choose another, or say --replace, or --add to put more beside" in sentence
    assert field.read_bytes() == before
    x, y = center_pixel(4, 2)
    assert main(words(run, "green", "--point", f"4:{x},{y}", "--replace")) == 0
    (record,) = json.loads((run / "segmentations/green/prompts.json").read_text())["objects"]
    assert record["prompts"] == [{"view": "4", "positive": [[x, y]], "negative": []}]


def test_several_objects_come_from_a_file_and_further_ones_are_added(
    run: Path, capsys: pytest.CaptureFixture[str]
):
    scene = run.parent / "balls" / "scene.json"
    assert main(words(run, "pair", "--prompts", str(scene))) == 0
    folder = run / "segmentations" / "pair"
    assert json.loads((folder / "identities.json").read_text()) == {"identities": ["red", "green"]}
    assert "green: masks in" in capsys.readouterr().out
    again = folder / "prompts.json"
    assert "exclude each other" in refused(
        words(run, "x", "--prompts", str(again), "--view", "3", "--point", "1,1"), capsys
    )
    assert main(words(run, "grown", "--object", "red", "--view", "3", "--point", "17,24")) == 0
    add = ["--add", "--object", "green", "--view", "3", "--point", ",".join(map(str, center_pixel(3, 2)))]
    assert main(words(run, "grown", *add)) == 0
    grown = run / "segmentations" / "grown"
    assert json.loads((grown / "identities.json").read_text()) == {"identities": ["red", "green"]}
    names = [one["name"] for one in json.loads((grown / "prompts.json").read_text())["objects"]]
    assert names == ["red", "green"]
    field = (grown / "field.safetensors").read_bytes()
    sentence = refused(words(run, "grown", *add), capsys)
    assert "segmentation 'grown' has an object 'green' already; name the new one by --object" in sentence
    file = ["--add", "--prompts", str(scene)]
    assert f"'red' already; name it otherwise in {scene}" in refused(words(run, "grown", *file), capsys)
    assert (grown / "field.safetensors").read_bytes() == field
    assert "has no segmentation 'none'; it has: " in refused(words(run, "none", *add), capsys)
    assert "--add and --replace exclude" in refused(words(run, "grown", *add, "--replace"), capsys)


def test_what_is_put_beside_a_viewer_s_objects_leaves_their_colours_and_parts(run: Path):
    first, second = (
        ["--view", "3", "--point", ",".join(map(str, center_pixel(3, number)))] for number in (1, 2)
    )
    assert main(words(run, "seen", "--object", "red", *first)) == 0
    file = run / "segmentations" / "seen" / "prompts.json"
    between = Picture("", Viewpoint.of_camera(ball_camera(3), 3.0), 64, 48)
    red = ObjectState("red", (1, 2, 3), False, (Part("new", boxes=(Box(between, (1, 2, 30, 40)),)),))
    viewer = {"format": FORMAT, "threshold": 0.2, "objects": [object_record(red)]}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"objects": [], "viewer": viewer}))
    assert main(words(run, "seen", "--add", "--object", "green", *second)) == 0
    kept = load_session(load_radiance_field(run, "cpu"), "seen", "truth")
    assert kept.threshold == 0.2 and kept.state.objects[0] == red
    (green,) = kept.state.objects[1:]
    assert green.name == "green" and green.colour != red.colour
    assert [click.xy for click in green.parts[0].clicks] == [center_pixel(3, 2)]


def stopped(*words: object, **more: object) -> None:
    raise KeyboardInterrupt


def test_what_was_stopped_is_gone_on_with_by_the_same_command(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    point = ["--view", "3", "--point", ",".join(map(str, center_pixel(3, 1)))]
    with monkeypatch.context() as patch:
        patch.setattr("sanerf_hq.objects.train.run_loop", stopped)
        assert main(words(run, "broken off", *point)) == 130
    assert "run the same command to go on" in capsys.readouterr().err
    line = ["export", "points", str(run), "--count", "20", "--out", str(run / "points.ply")]
    assert "is not finished; run the same sanerf segment" in refused(
        [*line, "--object", "broken off"], capsys
    )
    assert "is not finished" in refused(words(run, "broken off", "--add", *point), capsys)
    assert main(words(run, "broken off", *point)) == 0
    assert {path.name for path in (run / "segmentations" / "broken off").iterdir()} >= {
        *("field.safetensors", "identities.json", "masks", "preview.jpg", "prompts.json")
    }


@pytest.mark.parametrize("how", ["--add", "--replace"])
def test_a_stop_leaves_the_earlier_objects_and_their_prompts(
    run: Path, how: str, monkeypatch: pytest.MonkeyPatch
):
    name = f"stopped {how.strip('-')}"
    first, second = (
        ["--view", "3", "--point", ",".join(map(str, center_pixel(3, number)))] for number in (1, 2)
    )
    assert main(words(run, name, "--object", "red", *first)) == 0
    folder = run / "segmentations" / name
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = words(run, name, "--object", "green", *second, how)
    with monkeypatch.context() as patch:
        patch.setattr("sanerf_hq.objects.train.run_loop", stopped)
        assert main(again) == 130
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert main(again) == 0
    names = ["red", "green"] if how == "--add" else ["green"]
    assert [one["name"] for one in json.loads((folder / "prompts.json").read_text())["objects"]] == names
    assert json.loads((folder / "identities.json").read_text()) == {"identities": names}


def test_eval_scores_what_a_segmentation_of_several_objects_holds(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("segmentations"))
    assert main(words(copy, "all", "--prompts", str(run.parent / "balls" / "scene.json"))) == 0
    x, y = center_pixel(3, 1)
    assert main(words(copy, "left", "--object", "red ball", "--view", "3", "--point", f"{x},{y}")) == 0
    capsys.readouterr()
    assert main(["eval", str(copy)]) == 0
    shown = capsys.readouterr().out
    assert "segmentation &#39;left&#39; is not scored" in (copy / "eval" / "report.html").read_text()
    assert "'red' is scored as segmentation 'all' holds it\n'green' is scored as segmentation 'all'" in shown
    assert "segmentation 'left' is not scored" in shown
    (scene,) = json.loads((copy / "eval" / "metrics.json").read_text())["scenes"]
    assert {item["name"]: item["iou"] is not None for item in scene["objects"]} == {
        "red": True,
        "green": True,
    }
    damaged = copy / "segmentations" / "all" / "field.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    for verb in (["eval"], ["report", "--frames", "1", "--no-score"]):
        assert main([verb[0], str(copy), *verb[1:]]) == 0
        assert f"segmentation 'all' is skipped: {damaged} is damaged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "blocked", "work"),
    [
        (["eval", "RUN"], "eval", "sanerf_hq.evaluate.score_run"),
        (
            ["segment", "RUN", "--name", "red", "--view", "3", "--point", "17,24"],
            "segmentations",
            "sanerf_hq.radiance.load_view_samples",
        ),
    ],
)
def test_a_run_that_cannot_be_written_is_refused_before_the_work(
    run: Path,
    tmp_path: Path,
    line: list[str],
    blocked: str,
    work: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("segmentations", "eval"))
    (copy / blocked).write_text("a file where a folder belongs")
    monkeypatch.setattr(work, no_work)
    assert "cannot be written" in refused([str(copy) if word == "RUN" else word for word in line], capsys)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            [],
            "nothing is prompted; give --view with --point or --box, or one of --point3d",
        ),
        (["--point", "3,4"], "--point 3,4 names no view"),
        (["--view", "3", "--point", "3"], "--point '3' is not 2 numbers; write x,y"),
        (["--view", "3", "--point", "nan,4"], "--point 'nan,4' is not 2 numbers; write x,y"),
        (["--view", "3", "--box", "9,9,3,20"], "box 9,9,3,20 is empty"),
        (["--view", "3", "--point", "300,4"], "the click 300,4 lies off view images/3.png"),
        (["--view", "99", "--point", "3,4"], "has no view '99'"),
        (["--view", "3", "--point", "1,1", "--segmenter", "magic"], "there is no segmenter 'magic'"),
        (["--view", "3", "--negative", "1,1"], "no prompt says where the object is"),
        (["--view", "3", "--point", "0,0"], "hit only background"),
    ],
)
def test_prompts_that_mean_nothing_leave_nothing(
    run: Path, more: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
):
    assert sentence in refused(words(run, "none", *more), capsys)
    assert not (run / "segmentations" / "none").exists()


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".hidden", "CON"])
def test_a_name_that_is_no_file_name_is_refused(run: Path, name: str, capsys: pytest.CaptureFixture[str]):
    line = ["segment", str(run), f"--name={name}", "--view", "3", "--point", "3,4", "--segmenter", "truth"]
    assert "the name" in refused(line, capsys)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert "run.json" in refused(words(tmp_path, "red", "--view", "3", "--point", "3,4"), capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_run_made_from_other_images_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    manifest = json.loads((copy / "run.json").read_text())
    manifest["scene"]["fingerprint"] = "0" * 32
    (copy / "run.json").write_text(json.dumps(manifest))
    sentence = refused(words(copy, "blue", "--view", "3", "--point", "3,4"), capsys)
    assert "was made from other images" in sentence


def test_bench_writes_the_contract_and_uses_its_runs_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from sanerf_hq.radiance import PRESETS

    monkeypatch.setitem(PRESETS, "draft", replace(PRESETS["draft"], steps=8))
    scene = write_ball_scene(tmp_path / "balls")
    out = tmp_path / "bench"
    line = ["bench", str(scene), "--out", str(out), "--preset", "draft", "--clicks", "1"]
    assert main([*line, "--segmenter", "truth"]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics) >= {
        *("segmenter", "preset", "seed", "clicks", "commit", "version", "device", "scenes"),
        *("miou", "macc", "mbiou"),
    }
    (balls,) = metrics["scenes"]
    assert set(balls) >= {"name", "psnr", "psnr_object", "train_seconds", "peak_memory_mb", "objects"}
    for item in balls["objects"]:
        assert item["iou_2d"] is None
        assert 0 <= item["iou_preview"] <= 1
        assert 0 < item["seconds_preview"] < item["seconds_refine"]
    field = out / "runs" / "balls" / "radiance" / "field.safetensors"
    trained = field.stat().st_mtime_ns
    capsys.readouterr()
    assert main([*line[:-2], "--box", "--segmenter", "grabcut"]) == 0
    again = json.loads((out / "metrics.json").read_text())
    assert field.stat().st_mtime_ns == trained
    assert again["clicks"] is None
    assert all(item["iou_2d"] is not None for item in again["scenes"][0]["objects"])
    assert "--box and --clicks exclude each other" in refused([*line, "--box"], capsys)


class FindsRed:
    """A detector that knows where the red ball is."""

    name = "red"

    def detect(self, image: torch.Tensor, text: str) -> Detections:
        rows, columns = (image == COLOURS[1]).all(-1).nonzero().T
        if not len(rows):
            return Detections(torch.zeros(0, 4), torch.zeros(0))
        ends = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        return Detections(torch.stack(ends)[None].float(), torch.tensor([0.9 if text == "red ball" else 0.1]))


def test_words_become_boxes_that_are_kept(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []

    def load(spec: str, device: str) -> FindsRed:
        asked.append(f"{spec} {device}")
        return FindsRed()

    monkeypatch.setattr("sanerf_hq.segmenters.load_detector", load)
    assert main(words(run, "by text", "--text", "red ball", "--detector", "grounding_dino:tiny")) == 0
    shown = capsys.readouterr().out
    assert asked == ["grounding_dino:tiny cpu"]
    record = json.loads((run / "segmentations" / "by text" / "prompts.json").read_text())
    assert record["text"] == "red ball"
    (item,) = record["objects"]
    assert item["name"] == "by text"
    assert 1 <= len(item["prompts"]) <= 3
    for prompt in item["prompts"]:
        assert prompt["box"] == [float(x) for x in box_of(int(Path(prompt["view"]).stem), 1)]
        assert f"'red ball' in {prompt['view']}: " in shown
    assert main(words(run, "cube", "--text", "a cube")) == 2
    sentence = capsys.readouterr().err
    assert "fits the text 'a cube'" in sentence
    assert "lower the least score (--least-score)" in sentence
    assert not (run / "segmentations" / "cube").exists()
    assert main(words(run, "cube", "--text", "a cube", "--least-score", "0.05")) == 0


def test_words_stand_alone_and_need_a_detector(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    assert "exclude each other" in refused(
        words(run, "no", "--text", "cape", "--view", "3", "--point", "1,1"), capsys
    )
    assert "there is no detector" in refused(words(run, "no", "--text", "cape", "--detector", "yolo"), capsys)
    for option in ("--least-score", "--detector"):
        more = ["--view", "3", "--point", "1,1", option, "0.2"]
        assert f"{option} is about the words of --text" in refused(words(run, "no", *more), capsys)
    told = refused(words(run, "no", "--text", "cape", "--least-score", "30"), capsys)
    assert "--least-score is 30; give a number from 0 to 1" in told
    FakeHub(tmp_path / "hub").install(monkeypatch, offline=True)
    monkeypatch.setattr("sanerf_hq.radiance.load_view_samples", no_samples)
    for empty in ("", " . "):
        assert "the text is empty" in refused(words(run, "no", "--text", empty), capsys)
    told = refused(words(run, "no", "--text", "cape"), capsys)
    assert "IDEA-Research/grounding-dino-tiny is not in the cache" in told
    assert not (run / "segmentations" / "no").exists()


def no_samples(*_: object) -> None:
    raise AssertionError("view samples are read")


def test_a_view_that_nothing_is_clicked_in_or_that_is_not_there_is_refused_before_the_work(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sanerf_hq.radiance.load_view_samples", no_samples)
    for more in (["--point", "4:1,1"], ["--point3d", "0,0,0"], ["--text", "cape"], ["--everything"], []):
        told = refused(words(run, "no", "--view", "3", *more), capsys)
        assert "--view 3 has no --point, --negative or --box without a view of its own" in told
    monkeypatch.setattr("sanerf_hq.segmenters.load_segmenter", no_samples)
    assert "has no view 'nowhere'" in refused(words(run, "no", "--view", "nowhere", "--point", "1,1"), capsys)
    assert "lies off view" in refused(words(run, "no", "--view", "3", "--point", "999,1"), capsys)


def test_everything_is_kept_as_prompts_that_were_found(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []

    def found(*_: object, segment_on: str, **__: object) -> dict[str, list[BoxPrompt]]:
        asked.append(segment_on)
        boxes = {number: tuple(map(float, box_of(3, number))) for number in (1, 2)}
        return {f"thing {n}": [BoxPrompt("3", (a, b, c, d))] for n, (a, b, c, d) in boxes.items()}

    monkeypatch.setattr("sanerf_hq.masks.find_everything", found)
    line = words(run, "all", "--everything")
    line[line.index("truth")] = "compact"
    assert main(line) == 0
    assert "2 things found" in capsys.readouterr().out
    assert asked == ["photo"]
    record = json.loads((run / "segmentations" / "all" / "prompts.json").read_text())
    assert [one["name"] for one in record["objects"]] == ["thing 1", "thing 2"]
    assert record["everything"] is True
    for more in (["--text", "cape"], ["--view", "3", "--point", "1,1"], ["--object", "cape"]):
        assert "exclude each other" in refused(words(run, "no", "--everything", *more), capsys)
    assert "needs a segmenter that answers clicks, not truth" in refused(
        words(run, "no", "--everything"), capsys
    )
