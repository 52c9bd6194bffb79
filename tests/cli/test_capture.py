"""What sanerf capture says; the work itself is tested in tests/capture."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

from sanerf_hq.capture import CaptureConfig, CaptureReport, PhotoReport
from sanerf_hq.cli.main import main
from sanerf_hq.runs import Progress, ProgressCallback


def test_the_report_and_the_next_step_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    asked: list[tuple[Path, Path, CaptureConfig]] = []

    def found(source: Path, out: Path, config: CaptureConfig, progress: ProgressCallback) -> CaptureReport:
        asked.append((source, out, config))
        progress(Progress("match images", 1, 1))
        photos = (
            PhotoReport("a.jpg", "a.jpg", "registered", points=99, error=0.5),
            PhotoReport("b.jpg", "b.jpg", "not registered", "is not registered: it is blurred"),
        )
        return CaptureReport("photos", photos, 99, 0.5, {}, 1.0)

    monkeypatch.setattr("sanerf_hq.capture.capture", found)
    words = ["--longest", "800", "--pairing", "sequential", "--threads", "1", "--seed", "3"]
    assert main(["capture", "photos", "--out", str(tmp_path / "my mug"), *words]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "1 of 2 images registered, 99 points, mean error 0.50 pixels",
        "  b.jpg is not registered: it is blurred",
        "more photos from between those that are not registered and the rest would join them: add them to "
        "the folder and run the same command",
        f"the scene is in {tmp_path / 'my mug'}; next: sanerf train '{tmp_path / 'my mug'}' --out RUN",
    ]
    assert "match images: 1/1" in shown.err
    config = CaptureConfig(longest=800, pairing="sequential", threads=1, seed=3)
    assert asked == [(Path("photos"), tmp_path / "my mug", config)]


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["capture", *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    errors = [line for line in lines if line.startswith("sanerf: ")]
    assert lines[-1:] == errors  # one, after what was told of the progress
    return errors[0].removeprefix("sanerf: ")


def test_bad_input_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("pycolmap", reason="needs the extra sfm")
    out = ["--out", str(tmp_path / "scene")]
    assert "--frames is 1" in refused([str(tmp_path), *out, "--frames", "1"], capsys)
    assert "does not exist" in refused([str(tmp_path / "none"), *out], capsys)
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "photos" / "a.png")
    assert "holds 1 photos" in refused([str(tmp_path / "photos"), *out], capsys)


def test_without_pycolmap_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    shown = refused([str(tmp_path), "--out", str(tmp_path / "scene")], capsys)
    assert shown == (
        "pycolmap, which finds where photos were taken from, is not installed: pip install 'sanerf-hq[sfm]'"
    )
