"""Object fields asked for many rays."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sanerf_hq.objects import field as module
from support.balls import ball_camera
from support.exact_object import exact_target


def test_rays_are_asked_some_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    field = exact_target(tmp_path).field
    camera = ball_camera(3)
    surfaces = field.radiance.surfaces(camera.rays(camera.pixel_grid()))
    at_once = field.logits_of(surfaces)
    numbers: list[int] = []
    composite = module.composite_identities

    def counted(identities: torch.Tensor, near: module.SurfaceSamples) -> torch.Tensor:
        numbers.append(len(near))
        return composite(identities, near)

    monkeypatch.setattr(module, "RAYS_A_CHUNK", 1000)
    monkeypatch.setattr(module, "composite_identities", counted)
    assert torch.allclose(field.logits_of(surfaces), at_once, atol=1e-5)
    assert numbers == [1000] * (len(surfaces) // 1000) + [len(surfaces) % 1000]
    assert field.logits_of(surfaces.take(torch.zeros(0, dtype=torch.int64))).shape == (0, 2)
