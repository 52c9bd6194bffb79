"""Objects in one field against a field for each, on two balls."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from sanerf_hq.objects import ObjectConfig
from sanerf_hq.radiance import GridConfig
from support.balls import ball_field
from support.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import together as benchmark


def test_both_ways_are_scored_and_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    field = ball_field(tmp_path)
    small = ObjectConfig(grid=GridConfig(n_levels=4, n_features=2, log2_table=12, finest=64), rays=1024)
    monkeypatch.setattr(benchmark, "ObjectConfig", lambda: small)
    monkeypatch.setattr(benchmark, "load_radiance_field", lambda folder: field)
    out = tmp_path / "out"
    benchmark.main(["run", "--segmenter", "truth", "--out", str(out)])
    results = json.loads((out / "results.json").read_text())
    assert results["iou_alone"].keys() == results["iou_together"].keys() == {"red", "green"}
    assert min(results["iou_alone"].values()) > 0.9
    assert min(results["iou_together"].values()) > 0.9
    assert len(results["seconds_alone"]) == 2
    assert 0 < results["seconds_together"]["preview"] <= results["seconds_together"]["all"]
    assert "2 together: preview" in capsys.readouterr().out
    benchmark.main(["run", "--segmenter", "damaged:wrong=1.0", "--out", str(out)])
    wrong = json.loads((out / "results.json").read_text())
    assert max(wrong["iou_alone"].values()) < 0.2, "masks of the neighbour score low"
