"""Export of pictures and the report of a run, from the command line."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from sanerf_hq.cli import export_pictures
from sanerf_hq.cli.main import main
from sanerf_hq.errors import InputError
from sanerf_hq.export import Target, export_masks, write_run_report
from sanerf_hq.geometry import Camera
from sanerf_hq.masks import MaskSet
from sanerf_hq.masks.rle import encode
from sanerf_hq.runs import Progress
from support.balls import N_VIEWS
from support.command import no_work, refused
from support.exact_object import exact_target


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Target:
    torch.set_num_threads(1)
    return exact_target(tmp_path_factory.mktemp("exact"))


@pytest.fixture
def run(red: Target, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run whose object is the exact one."""
    monkeypatch.setattr(export_pictures, "open_target", lambda folder, name, device, time=None: red)
    return str(red.radiance.at_home().run.folder)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("masks", ["RUN", "--object", "--out", "--form", "--view", "--width", "--device"]),
        ("video", ["RUN", "--object", "--out", "--mode", "--keyframes", "--seconds", "--fps", "--zoom"]),
        ("dataset", ["RUN", "--object", "--out", "--colours", "--view", "--width"]),
    ],
)
def test_help_names_every_option(kind: str, options: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(["export", kind, "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in options)


def test_masks_of_chosen_views(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "masks"
    words = ["export", "masks", run, "--object", "red"]
    line = [*words, "--out", str(out), "--view", "3", "--view", "images/5.png"]
    assert main(line) == 0
    assert sorted(path.name for path in out.iterdir()) == ["3.png", "5.png"]
    assert f"masks of red in 2 views: {out}" in capsys.readouterr().out
    assert "is not empty; choose a new" in refused(line, capsys)
    assert "has no view '99'" in refused([*line[:-4], "--view", "99"], capsys)
    assert "let it end with .json" in refused([*line, "--form", "coco"], capsys)
    file = tmp_path / "png.json"
    assert "say --form coco, or name a folder" in refused([*words, "--out", str(file)], capsys)
    assert not file.exists()
    assert "is a picture's name; name a folder" in refused([*words, "--out", str(tmp_path / "a.PNG")], capsys)
    assert not (tmp_path / "a.PNG").exists()
    assert main([*words, "--out", str(tmp_path / "one"), "--view", "3"]) == 0
    assert "masks of red in 1 view: " in capsys.readouterr().out
    file = tmp_path / "red.json"
    assert main([*words, "--out", str(file), "--form", "coco"]) == 0
    assert len(json.loads(file.read_text())["images"]) == N_VIEWS


def test_a_turntable_and_a_way_through_keyframes(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["export", "video", run, "--object", "red", "--width", "32", "--height", "24", "--fps", "4"]
    out = tmp_path / "turn.webm"
    assert main([*words, "--out", str(out), "--mode", "alone", "--seconds", "0.5"]) == 0
    assert f"alone of red, 2 frames: {out}" in capsys.readouterr().out
    assert out.read_bytes()[:4] == b"\x1aE\xdf\xa3", "a WebM file"
    keyframes = tmp_path / "way.json"
    views = [{"seconds": 0, "view": "3"}, {"seconds": 1, "eye": [0, -3, 1], "target": [0, 0, 0]}]
    keyframes.write_text(json.dumps({"keyframes": views}))
    out = tmp_path / "way.mp4"
    assert main([*words, "--out", str(out), "--mode", "removed", "--keyframes", str(keyframes)]) == 0
    assert f"removed of red, 5 frames: {out}" in capsys.readouterr().out
    assert out.read_bytes()[4:8] == b"ftyp", "an MP4 file"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--seconds", "0"], "--seconds is 0"),
        (["--fps", "nan"], "--fps is nan"),
        (["--seconds", "3600", "--fps", "240"], "--seconds and --fps ask for 864000 frames"),
        (["--zoom", "0"], "--zoom is 0"),
        (["--elevation", "100"], "--elevation is 100"),
        (["--width", "33"], "width of 33"),
        (["--mode", "alone"], "let it end with .webm or .mov"),
        (["--keyframes", "none.json"], "none.json cannot be read"),
        (
            ["--keyframes", "none.json", "--zoom", "2"],
            "--zoom is a turntable's, and --keyframes say their own",
        ),
        (["--keyframes", "none.json", "--seconds", "4"], "--seconds is a turntable's"),
        (["--keyframes", "none.json", "--elevation", "0"], "--elevation is a turntable's"),
        (["--out", "/dev/null/a.mp4"], "a.mp4 cannot be written"),
    ],
)
def test_videos_that_cannot_be(
    run: str, options: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    line = ["export", "video", run, "--object", "red", "--out", str(tmp_path / "a.mp4"), *options]
    assert named in refused(line, capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_training_set(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "all alone"
    line = ["export", "dataset", run, "--object", "red", "--out", str(out), "--view", "3", "--width", "32"]
    assert main(line) == 0
    assert {path.name for path in out.iterdir()} >= {"images", "transforms.json"}
    shown = capsys.readouterr().out
    assert f"red alone in 1 view: {out}\n" in shown
    *_, command = shown.splitlines()
    assert shlex.split(command) == ["next:", "sanerf", "train", str(out), "--out", "RUN"]


class Page(HTMLParser):
    """What a page refers to and says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def test_a_report_holds_everything_it_shows(red: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from sanerf_hq.export import report

    shown = [report._Shown("left (ball)", red, MaskSet.of_masks("red", [], "truth <&>"))]
    monkeypatch.setattr(report, "_shown", lambda radiance: (shown, {"right": "right is <damaged>"}))
    told: list[Progress] = []
    out = tmp_path / "page.html"
    done = write_run_report(red.radiance, out, 2, (32, 24), True, told.append)
    assert (done.n_objects, done.unread) == (1, {"right": "right is <damaged>"})
    text = out.read_text(encoding="utf-8")
    page = Page(text)
    assert page.sources and all(source.startswith(("data:", "#")) for source in page.sources)
    assert sum(source.startswith("data:video/mp4") for source in page.sources) == 1
    assert not re.search(r"https?://|@import|url\(", text)
    assert "truth &lt;&amp;&gt;" in text
    assert "Segmentation right is left out: right is &lt;damaged&gt;" in text
    # The exact object scores what an exact object scores, but for its outline.
    iou = next(float(word.split()[1]) for word in page.words if re.match(r"IoU [01]\.", word))
    assert 0.9 < iou <= 1
    assert {step.stage for step in told} >= {"test views", "turntables (1 of 1)"}
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_what_is_no_run_has_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert "does not exist" in refused(["report", str(tmp_path / "none")], capsys)
    assert "--frames is 0" in refused(["report", str(tmp_path), "--frames", "0"], capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_objects_has_no_report(red: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from sanerf_hq.export import report

    for unread, sentence in (
        ({}, "has no segmentation to report; make one with"),
        ({"a": "is old"}, "is old"),
    ):
        monkeypatch.setattr(report, "_shown", lambda radiance, unread=unread: ([], unread))
        with pytest.raises(InputError, match=sentence):
            write_run_report(red.radiance, tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_a_page_or_a_coco_file_that_cannot_be_written_is_refused_before_the_work(red: Target, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"page\.html cannot be written"):
        write_run_report(red.radiance, tmp_path / "file" / "page.html", progress=no_work)
    with pytest.raises(InputError, match=r"red\.json cannot be written"):
        export_masks(red, tmp_path / "file" / "red.json", "coco", progress=no_work)


def test_a_page_by_another_suffix_is_refused(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    line = ["report", run, "--out", str(tmp_path / "x.txt")]
    assert "x.txt is no page's name; let it end with .html" in refused(line, capsys)


def test_a_report_counts_and_shows_the_views_of_each_object_alone(
    red: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from sanerf_hq.export import report

    views = red.radiance.at_home().views
    mask = torch.ones(48, 64, dtype=torch.bool)
    red_in, green_in = [(view.name, mask) for view in views[2:4]], [(view.name, mask) for view in views[:8]]
    masks = MaskSet.of_masks("green", green_in, "any").joined(MaskSet.of_masks("red", red_in, "any"))
    segments = tuple(replace(one, identity=3 - one.identity) for one in masks.segments)  # red is identity 1
    nowhere = replace(segments[0], view=views[9].name, mask=encode(~mask), identity=1)
    shown = report._Shown("both", red, MaskSet(("red", "green"), (*segments, nowhere), "any"))
    monkeypatch.setattr(report, "_shown", lambda radiance: ([shown], {}))
    around: list[Camera] = []

    def turned(placement: object, cameras: tuple[Camera, ...], *words: object) -> tuple[Camera, ...]:
        around.extend(cameras)
        return cameras[:1]

    monkeypatch.setattr(report, "turntable", turned)
    asked: list[str] = []
    photo = report.read_image
    monkeypatch.setattr(
        report, "read_image", lambda view, width: asked.append(view.name) or photo(view, width)
    )
    write_run_report(red.radiance, tmp_path / "page.html", 1, (32, 24), False)
    assert asked == [view.name for view in views[2:4]]
    assert [float(camera.center[0]) for camera in around] == [float(v.camera.center[0]) for v in views[2:4]]
    words = Page((tmp_path / "page.html").read_text(encoding="utf-8")).words
    assert words[words.index("any") + 1] == "2"
