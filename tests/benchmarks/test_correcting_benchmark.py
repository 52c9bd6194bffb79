"""A user who corrects in 3D: where the clicks go, and that they are answered."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from sanerf_hq.prompts import PointPrompt
from support.balls import BallField, ball_field
from support.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import correcting as benchmark


@pytest.fixture
def balls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BallField:
    field = ball_field(tmp_path)
    monkeypatch.setattr(benchmark, "load_radiance_field", lambda folder: field)
    return field


def test_a_correction_is_made_in_the_view_that_is_most_wrong(balls: BallField):
    red = next(one for one in balls.at_home().scene.objects if one.name == "red")
    looks = benchmark.sides_of(balls, red)
    assert red.prompt_view in [look.view.name for look in looks] and len(looks) >= 3
    first = [PointPrompt(red.prompt_view, [(1, 1)])]
    right = [look.labels == red.id for look in looks]

    lacking = [torch.zeros_like(mask) if number == 1 else mask for number, mask in enumerate(right)]
    more = benchmark.corrected(first, lacking, looks, red)[-1]
    assert more.view == looks[1].view.name and not more.negative
    ((x, y),) = more.positive
    assert right[1][int(y), int(x)]

    here = next(number for number, look in enumerate(looks) if look.view.name == red.prompt_view)
    spilt = [mask.clone() for mask in right]
    spilt[here][:, :] = True
    before, again = benchmark.corrected(first, spilt, looks, red)
    assert before == first[0] and again.view == red.prompt_view and not again.positive
    ((x, y),) = again.negative
    assert not right[here][int(y), int(x)]


def test_what_corrections_come_to_is_told(balls: BallField, tmp_path: Path):
    out = tmp_path / "out"
    words = ["run", "--segmenter", "truth", "--objects", "red", "--corrections", "1", "--out", str(out)]
    benchmark.main(words)
    results = json.loads((out / "results.json").read_text())
    assert results["iou"] == {"balls/red": [pytest.approx(1, abs=0.1)] * 2}
    assert balls.at_home().run.segmentation_names() == [], "nothing is left in the run"
