"""The ablation of object fields, on two balls: its scores, its bootstrap, and the kinds of object."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sanerf_hq.radiance import GridConfig
from support.balls import BallField, ball_field
from support.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import object_field as benchmark
import object_kinds


@pytest.fixture
def balls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BallField:
    field = ball_field(tmp_path)
    small = {
        "grid": GridConfig(n_levels=4, n_features=2, log2_table=12, finest=64),
        "steps": 40,
        "rays": 1024,
    }
    methods = {
        name: None
        if config is None
        else replace(config, **small, pairs=replace(config.pairs, colours="photo"))
        for name, config in benchmark.METHODS.items()
    }
    monkeypatch.setattr(benchmark, "METHODS", methods)
    monkeypatch.setattr(benchmark, "load_radiance_field", lambda folder: field)
    return field


def test_methods_are_scored_side_by_side(balls: BallField, tmp_path: Path):
    out = tmp_path / "out"
    line = ["run", "--segmenter", "truth", "--methods", "preview", "plain", "across", "--out", str(out)]
    benchmark.main(
        [
            *line,
            "--objects",
            "red",
            "--decodings",
            "equal",
            "weighed",
            "--base",
            "equal, plain",
            "weighed, plain",
        ]
    )
    results = json.loads((out / "results.json").read_text())
    assert set(results["summary"]) == {"equal, plain", "weighed, plain"}
    over_equal, over_weighed = results["summary"].values()
    assert set(over_equal) == {
        f"{decoding}, {method}"
        for decoding in ("equal", "weighed")
        for method in ("preview", "plain", "across")
    }
    for row in over_equal.values():
        assert row["iou"] > 0.85
        assert row["precision_3d"] is None, "the balls have no depth truth"
    for summary, base in ((over_equal, "equal, plain"), (over_weighed, "weighed, plain")):
        gain = summary["weighed, across"]["iou_gain"]
        assert gain["low"] <= gain["mean"] <= gain["high"]
        assert gain["mean"] == pytest.approx(summary["weighed, across"]["iou"] - summary[base]["iou"])
        assert "iou_gain" not in summary[base]
    with Image.open(out / "balls-red.jpg") as picture:
        assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 10


def test_what_came_out_with_nothing_scores_low(balls: BallField):
    ground = benchmark.survey_ground(balls)
    target = balls.at_home().scene.objects[0]
    right, _ = benchmark.score(ground, target, lambda look: look.labels == target.id, None)
    other, _ = benchmark.score(ground, target, lambda look: look.labels == 2, None)
    empty, _ = benchmark.score(ground, target, benchmark.nothing, None)
    assert right.iou == right.boundary_iou == 1.0
    assert other.iou == empty.iou == 0.0


def test_precision_and_recall_in_space(balls: BallField):
    ground = benchmark.survey_ground(balls)
    target = balls.at_home().scene.objects[0]
    known = replace(ground, points=torch.zeros(6, 3), ids=torch.tensor([1, 1, 1, 1, 2, 0]))
    said = torch.tensor([1, 1, 0, 0, 1, 0]) > 0
    found, _ = benchmark.score(known, target, benchmark.nothing, said)
    assert found.precision_3d == pytest.approx(2 / 3)
    assert found.recall_3d == pytest.approx(2 / 4)


def test_the_bootstrap_knows_luck_from_gain():
    low, high = benchmark.bootstrap([0.03, 0.01, 0.02, 0.04, 0.02, 0.03])
    assert 0 < low < 0.025 < high
    low, high = benchmark.bootstrap([0.05, -0.05, 0.04, -0.04])
    assert low < 0 < high


def test_gains_are_of_the_same_object_and_seed():
    def row(method: str, target: str, iou: float) -> dict[str, object]:
        figures = dict.fromkeys(benchmark.FIGURES, iou)
        return {"method": method, "scene": "s", "object": target, "seed": 0, "seconds": 1.0, **figures}

    rows = [row("a", "x", 0.5), row("a", "y", 0.7), row("b", "y", 0.8), row("b", "x", 0.9)]
    summary = benchmark.summarise(rows, "a")
    assert summary["b"]["iou_gain"]["mean"] == pytest.approx(0.25)
    assert "iou_gain" not in summary["a"]
    assert summary["b"]["iou"] == pytest.approx(0.85)


def test_kinds_of_object(balls: BallField, monkeypatch: pytest.MonkeyPatch):
    home = balls.at_home()
    red = home.scene.objects[0]
    assert object_kinds.kinds_of(home, red) == ["large"], "a ninth of the picture, red on blue"
    monkeypatch.setattr(object_kinds, "ALIKE", 2.0)
    monkeypatch.setattr(object_kinds, "LARGE", 0.5)
    monkeypatch.setattr(object_kinds, "SMALL", 0.4)
    assert object_kinds.kinds_of(home, red) == ["small", "beside a look-alike"]


def test_a_depth_that_is_not_known_hides_nothing():
    outside, inside = torch.tensor([0.0, 1.0, 1.0, 2.0, 1.99]), torch.tensor([2.0, 2.0, 0.0, 0.0, 2.0])
    assert object_kinds._nearer(outside, inside).tolist() == [False, True, False, False, False]
