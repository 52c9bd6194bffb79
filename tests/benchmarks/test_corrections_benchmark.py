"""The benchmark of corrections: what it makes worse is worse by as much as it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from sanerf_hq.radiance import PRESETS
from sanerf_hq.scene import load_scene, read_image
from support.ball_scene import TINY, ball_scene
from support.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

from corrections import main, projection_error, shaken, unevenly_lit


def test_photos_are_darkened_by_their_own_gains(tmp_path: Path) -> None:
    scene = load_scene(ball_scene(tmp_path / "ball"))
    worse = unevenly_lit(scene, tmp_path)
    ratios = torch.stack(
        [
            (read_image(a)[0, 0].float() / read_image(b)[0, 0].float())
            for a, b in zip(worse.train_views, scene.train_views, strict=True)
        ]
    )
    assert ratios.max() <= 1
    assert 0.5 < ratios[:, 2].min() < 0.9
    assert ratios[:, 2].std() > 0.03


def test_shaken_cameras_are_off_and_test_views_are_not(tmp_path: Path) -> None:
    scene = load_scene(ball_scene(tmp_path / "ball"))
    assert projection_error(scene, scene) == 0
    worse = shaken(scene)
    # 0.3° of 50 to 60 pixels' focal length in two axes, and 0.01 of a distance of 2.
    assert 0.1 < projection_error(worse, scene) < 1.5
    assert worse.test_views == scene.test_views


def test_a_table_of_all_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "draft", TINY)
    line = [str(ball_scene(tmp_path / "ball")), "--preset", "draft", "--steps", "6"]
    main([*line, "--only", "exposure", "--out", str(tmp_path / "out")])
    results = json.loads((tmp_path / "out/results.json").read_text())["results"]
    assert [one["scene"] for one in results] == ["as given"] * 2 + ["exposure made worse"] * 2
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out/results.json"]
