"""The radiance benchmark: its twin takes the same step, and its sub-scenes are what they say."""

from __future__ import annotations

import sys
from copy import deepcopy
from pathlib import Path

import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.radiance import PRESETS
from sanerf_hq.runs import Key
from sanerf_hq.scene import load_scene
from support.ball_scene import TINY, ball_scene
from support.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

from radiance import bound_seconds, fewer_views, started
from radiance_twin import DenseAdam, plain_pytorch


def test_the_twin_takes_the_same_step(tmp_path: Path) -> None:
    state, step, _ = started(load_scene(ball_scene(tmp_path / "ball")), TINY, None)
    for number in range(3):
        state, _ = step(state, Key(0, "radiance", number))
    other = deepcopy(state)
    table = DenseAdam(other)
    mine, ours = step(state, Key(0, "radiance", 3))
    with plain_pytorch(table):
        twins, theirs = step(other, Key(0, "radiance", 3))
    assert float(ours["loss"]) == pytest.approx(float(theirs["loss"]), rel=1e-4)
    assert float(ours["samples"]) == float(theirs["samples"])
    for name, value in mine.network.density.state_dict().items():
        assert torch.allclose(value, twins.network.density.state_dict()[name], atol=2e-4), name


def test_fewer_views_keep_the_test_views(tmp_path: Path) -> None:
    scene = load_scene(ball_scene(tmp_path / "ball"))
    less = fewer_views(scene, 4)
    assert len(less.train_views) == 4
    assert less.test_views == scene.test_views
    with pytest.raises(InputError, match="9 training views"):
        fewer_views(scene, 10)


def test_the_bound_is_products_over_rate_and_bytes_over_rate() -> None:
    config = PRESETS["standard"]
    density, colour = 64 * (32 + 16), 64 * (15 + 16 + 64 + 3)
    products = density * (100 + 3 * 10) + 3 * colour * 2
    traffic = 8 * 4 * 32 * (100 + 30) + 4 * 32 * 2 * (100 + 20)
    assert bound_seconds(config, 100, 10, 2, (1.0, 1e30)) == pytest.approx(products)
    assert bound_seconds(config, 100, 10, 2, (1e30, 1.0)) == pytest.approx(traffic)
