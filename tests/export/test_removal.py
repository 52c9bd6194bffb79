"""A ball taken out of a scene, and a scene taken away from a ball, both known exactly."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sanerf_hq.export import Target, isolated, without
from sanerf_hq.objects.region import Region
from support.balls import CENTERS, COLOURS, RADIUS, ball_camera

HIDING = 0  # a camera from which red hides green
BESIDE = 3


def labels(index: int, kept: tuple[int, ...]) -> torch.Tensor:
    """Whose surface each pixel of a camera shows if only some balls are there: 0 shell, 1 red, 2 green."""
    camera = ball_camera(index)
    rays = camera.rays(camera.pixel_grid())
    nearest, label = torch.full((len(rays),), torch.inf), torch.zeros(len(rays), dtype=torch.int64)
    for number in kept:
        towards = CENTERS[number - 1] - rays.origins
        along = (towards * rays.directions).sum(-1)
        met = towards.square().sum(-1) - along.square() < RADIUS**2
        nearer = met & (along < nearest)
        nearest, label = torch.where(nearer, along, nearest), torch.where(nearer, number, label)
    return label.view(camera.height, camera.width)


def inner(mask: torch.Tensor) -> torch.Tensor:
    """The pixels of a mask that are not at its edge."""
    return torch.nn.functional.max_pool2d((~mask)[None].float(), 5, 1, 2)[0] == 0


def test_the_field_is_what_it_should_be(red: Target):
    seen = red.radiance.render(ball_camera(HIDING)).rgb
    for number in (0, 1):
        where = inner(labels(HIDING, (1, 2)) == number)
        assert bool(where.any())
        assert float((seen[where] - COLOURS[number] / 255).abs().max()) < 0.02


def test_behind_a_removed_object_is_what_it_hid(red: Target):
    seen = without(red).render(ball_camera(HIDING)).rgb
    truth = labels(HIDING, (2,))
    green = inner(truth == 2)
    assert int(green.sum()) > 100
    assert bool((labels(HIDING, (1, 2))[green] == 1).any()), "some of it was hidden"
    assert float((seen[green] - COLOURS[2] / 255).abs().max()) < 0.02
    shell = inner(truth == 0)
    assert float((seen[shell] - COLOURS[0] / 255).abs().max()) < 0.02


def test_an_object_alone_is_opaque_and_nothing_else_is(red: Target):
    for index in (HIDING, BESIDE):
        seen = isolated(red).render(ball_camera(index), (0.0, 0.0, 0.0))
        mask = labels(index, (1, 2)) == 1
        assert float(seen.opacity[inner(mask)].min()) > 0.99
        assert float(seen.opacity[inner(~mask)].max()) < 0.01
        assert float((seen.rgb[inner(mask)] - COLOURS[1] / 255).abs().max()) < 0.02


def test_an_object_alone_shows_what_others_hide(red: Target):
    index = 6  # from the other side: green hides red
    hidden = labels(index, (1, 2)) == 2
    seen = isolated(red).render(ball_camera(index), (0.0, 0.0, 0.0))
    assert float(seen.opacity[inner(hidden)].median()) > 0.99


@pytest.mark.parametrize("side", [1, 16, 64])
def test_the_region_may_be_of_any_fineness(red: Target, side: int):
    cells = red.field.region.cells.float()[None, None]
    resized = torch.nn.functional.interpolate(cells, size=(side, side, side), mode="nearest")
    cells = torch.nn.functional.max_pool3d(resized, 3, 1, 1)[0, 0] > 0 if side > 1 else resized[0, 0] >= 0
    other = replace(red, field=replace(red.field, region=Region.of(cells)))
    mask = labels(BESIDE, (1, 2)) == 1
    seen = isolated(other).render(ball_camera(BESIDE))
    assert float(seen.opacity[inner(mask)].min()) > 0.99
    assert float(seen.opacity[inner(~mask)].max()) < 0.01
