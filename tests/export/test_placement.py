"""Where a ball stands, and which way is up."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.export import Target, find_placement
from sanerf_hq.export.placement import quantile, up_of
from sanerf_hq.geometry import Camera, WorldTransform, look_at
from sanerf_hq.objects.region import Region
from sanerf_hq.radiance import load_view_samples
from support.balls import CENTERS, RADIUS, K


def test_a_ball_is_found_where_it_is(red: Target):
    found = find_placement(red)
    assert torch.allclose(found.center, CENTERS[0], atol=0.05)
    assert found.radius == pytest.approx(RADIUS, abs=0.05)
    assert float(found.up[2]) > 0.999


def test_an_object_that_no_view_shows_is_said_to_be_none(red: Target):
    cells = torch.zeros_like(red.field.region.cells)
    cells[0, 0, 0] = True
    with pytest.raises(InputError, match="no training view shows 'red'"):
        find_placement(replace(red, field=replace(red.field, region=Region.of(cells))))


def looking(eye: list[float], target: list[float], up: torch.Tensor) -> Camera:
    return Camera(
        K, look_at(torch.tensor(eye).float(), torch.tensor(target, dtype=torch.float32), up), 64, 48
    )


def test_level_cameras_say_exactly_what_is_up():
    up = torch.nn.functional.normalize(torch.tensor([0.3, -0.5, 0.8]), dim=0)
    eyes = [[3.0, 0, 4], [0, 3.0, 2], [-2.0, 1, 5], [1, -4.0, 3]]
    found = up_of([looking(eye, [0, 0, 0], up) for eye in eyes])
    assert float(found @ up) > math.cos(math.radians(2)), "though all of them look down"


def test_cameras_side_by_side_say_their_own_up():
    up = torch.tensor([0.0, 0.0, 1.0])
    found = up_of([looking([x, -5.0, 0.0], [x, 0.0, 0.0], up) for x in (0.0, 0.1, 0.2)])
    assert float(found @ up) > 0.9999


def test_quantiles_are_values_that_are_there():
    values = torch.stack([torch.arange(100.0), -torch.arange(100.0)], 1)
    assert quantile(values, 0.01).tolist() == [1.0, -98.0]
    assert quantile(values, 1.0).tolist() == [99.0, 0.0]
    assert quantile(values[:1], 0.5).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("unit", [1e-9, 1.0])
def test_a_lone_point_is_as_small_in_any_unit(red: Target, monkeypatch: pytest.MonkeyPatch, unit: float):
    pool = load_view_samples(red.radiance)
    lone = replace(pool, points=torch.zeros_like(pool.points))
    monkeypatch.setattr("sanerf_hq.export.placement.load_view_samples", lambda *words: lone)
    world = WorldTransform((0.0, 0.0, 0.0), 1 / unit)
    field = replace(red.field, radiance=replace(red.radiance, world=world))
    assert find_placement(replace(red, field=field)).radius == pytest.approx(1e-6 * unit)
