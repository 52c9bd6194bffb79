"""Exposure: gains are found where photos differ, and a render is of the usual brightness."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sanerf_hq.radiance import train_radiance_field
from sanerf_hq.radiance.exposure import DISPLAY_GAMMA, Exposure, spread_of
from sanerf_hq.scene import load_scene, read_image
from support.ball_scene import TINY, ball_scene, stepped
from support.scene_files import write_image


def test_gains_are_one_in_the_mean() -> None:
    exposure = Exposure(4)
    exposure.log_gains.data = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    rgb = torch.ones(4, 3)
    gains = exposure(rgb, torch.arange(4))
    assert torch.allclose(gains.log().mean(0), torch.zeros(3), atol=1e-6)
    assert torch.allclose(exposure(rgb, torch.tensor([2, 2, 2, 2])), gains[2].expand(4, 3))


def test_a_photo_of_twice_the_light_is_one_stop_brighter() -> None:
    exposure = Exposure(2)
    exposure.log_gains.data[0] = np.log(2 ** (1 / DISPLAY_GAMMA))
    first, second = exposure.stops()
    assert first - second == pytest.approx(1.0, abs=2e-3)
    assert spread_of([1.0, -1.0]) == 1.0


def test_uneven_photos_are_told_from_the_scene(tmp_path: Path) -> None:
    """Every second photo at 0.6 of the others' values."""
    folder = ball_scene(tmp_path / "ball")
    for number, view in enumerate(load_scene(folder).train_views):
        if number % 2:
            write_image(view.image_path, (read_image(view).float() * 0.6).round().byte().numpy())
    state = stepped(load_scene(folder), replace(TINY, steps=80, exposure=True))
    assert state.exposure is not None
    gains = state.exposure.centred().detach().mean(1)
    assert gains[0::2].min() > gains[1::2].max()
    assert 0.1 < (gains[0::2].mean() - gains[1::2].mean()) / -np.log(0.6) < 1.2


def test_a_run_says_how_uneven_its_photos_are(tmp_path: Path) -> None:
    scene = load_scene(ball_scene(tmp_path / "ball"))
    for name, exposure in (("with", True), ("without", False)):
        train_radiance_field(scene, tmp_path / name, replace(TINY, exposure=exposure))
    facts = [
        json.loads((tmp_path / name / "run.json").read_text())["stages"]["radiance"]["facts"]
        for name in ("with", "without")
    ]
    assert 0 < facts[0]["exposure_stops"] < 0.2
    assert "exposure_stops" not in facts[1]
