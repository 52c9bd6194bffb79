"""Rays that cannot meet an object are told apart, and leaving them untraced changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sanerf_hq.objects import ObjectField
from sanerf_hq.objects.composite import BACKGROUND_LOGIT
from sanerf_hq.objects.passing import passing
from sanerf_hq.objects.region import Region
from support.balls import N_VIEWS, ball_camera
from support.exact_object import exact_target


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> ObjectField:
    """The red ball, known exactly."""
    folder: Path = tmp_path_factory.mktemp("exact")
    return exact_target(folder).field


@pytest.mark.parametrize("index", range(0, N_VIEWS, 4))
def test_a_view_is_what_all_rays_give(red: ObjectField, index: int):
    camera = ball_camera(index)
    rays = camera.rays(camera.pixel_grid())
    every = red.logits_of(red.radiance.surfaces(rays)).view(camera.height, camera.width, -1)
    seen = red.render(camera)
    assert torch.equal(seen.logits, every)
    assert bool(seen.mask.any())


def test_many_rays_are_left_alone_and_none_that_meets_the_object(red: ObjectField):
    camera = ball_camera(3)
    met = passing(red.radiance, red.region, camera.rays(camera.pixel_grid()))
    met = met.view(camera.height, camera.width)
    assert 0.05 < float(met.float().mean()) < 0.6
    assert bool(met[red.render(camera).mask].all())


def test_an_object_that_may_be_anywhere_is_looked_for_everywhere(red: ObjectField):
    anywhere = replace(red, region=Region.everywhere())
    camera = ball_camera(3)
    assert bool(passing(red.radiance, anywhere.region, camera.rays(camera.pixel_grid())).all())
    assert torch.equal(anywhere.render(camera).labels, red.render(camera).labels)


def test_a_camera_that_sees_nothing_of_it(red: ObjectField):
    camera = ball_camera(3)
    turned = camera.camtoworld @ torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0]))
    away = replace(camera, camtoworld=turned)
    seen = red.render(away)
    assert not bool(seen.mask.any())
    assert bool((seen.logits == torch.tensor([BACKGROUND_LOGIT, 0.0])).all())
    assert not bool(red.cutout(away).any())
