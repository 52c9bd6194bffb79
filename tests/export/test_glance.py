"""The quick way to an object's view gives what the slow one gives."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sanerf_hq.export import Target
from sanerf_hq.export.glance import glance, passing
from sanerf_hq.objects.region import Region
from support.balls import N_VIEWS, ball_camera


@pytest.mark.parametrize("index", range(0, N_VIEWS, 4))
def test_it_is_the_field_s_own_view(red: Target, index: int):
    camera = ball_camera(index)
    quick, slow = glance(red, camera), red.field.render(camera)
    assert torch.equal(quick.logits, slow.logits)
    assert bool(slow.mask.any())


def test_many_rays_are_left_alone_and_none_that_meets_the_object(red: Target):
    camera = ball_camera(3)
    met = passing(red, camera.rays(camera.pixel_grid())).view(camera.height, camera.width)
    assert 0.05 < float(met.float().mean()) < 0.6
    assert bool(met[red.field.render(camera).mask].all())


def test_an_object_that_may_be_anywhere_is_looked_for_everywhere(red: Target):
    anywhere = replace(red, field=replace(red.field, region=Region.everywhere()))
    camera = ball_camera(3)
    assert bool(passing(anywhere, camera.rays(camera.pixel_grid())).all())
    assert torch.equal(glance(anywhere, camera).labels, red.field.render(camera).labels)


def test_a_camera_that_sees_nothing_of_it(red: Target):
    camera = ball_camera(3)
    turned = camera.camtoworld @ torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0]))
    assert not bool(glance(red, replace(camera, camtoworld=turned)).mask.any())
