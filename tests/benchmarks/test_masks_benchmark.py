"""The benchmark of masks: one step of each kind, on two balls."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.balls import BallField, ball_field
from support.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import masks as benchmark
from plot import line_plot


@pytest.fixture
def balls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BallField:
    field = ball_field(tmp_path)
    monkeypatch.setattr(benchmark, "load_radiance_field", lambda folder: field)
    return field


def test_damage_is_plotted_against_its_rate(balls: BallField, tmp_path: Path):
    out = tmp_path / "out"
    line = ["run", "--damage", "wrong", "--rates", "0", "0.45", "--wobble", "0", "--stage", "votes"]
    benchmark.main([*line, "--variants", "all", "equal weights", "--objects", "red", "--out", str(out)])
    results = json.loads((out / "results.json").read_text())
    assert set(results["means"]) == {"all", "equal weights"}
    for means in results["means"].values():
        assert means["0.0"] > 0.9
    assert results["means"]["all"]["0.45"] > results["means"]["equal weights"]["0.45"]
    assert {"device", "commit", "versions"} <= set(results)
    with Image.open(out / "wrong.png") as picture:
        assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 3


def test_means_are_switched_one_by_one(balls: BallField, tmp_path: Path):
    line = ["run", "--segmenter", "truth", "--stage", "votes", "--split", "train", "--objects", "red"]
    benchmark.main([*line, "--variants", "all", "no choice", "--out", str(tmp_path / "out")])
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["means"] == {
        "all": {"balls": pytest.approx(1, abs=0.08)},
        "no choice": {"balls": pytest.approx(1, abs=0.08)},
    }
    differing = [name for name, variant in benchmark.VARIANTS.items() if variant != benchmark.VARIANTS["all"]]
    assert len(differing) == len(benchmark.VARIANTS) - 1


def test_a_plot_shows_each_line(tmp_path: Path):
    path = tmp_path / "plot.png"
    line_plot({"a": {0.0: 1.0, 0.5: 0.2}, "b": {0.0: 0.1}}, "rate", "IoU", path)
    with Image.open(path) as picture:
        assert picture.getpixel((90, 60)) == (0, 114, 178), "a begins at the top left"
