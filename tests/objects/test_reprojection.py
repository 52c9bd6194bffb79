"""Error maps are drawn on in proportion; sets of rays lie round one point in every view that sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sanerf_hq.objects import RayPairConfig
from sanerf_hq.objects.error_maps import ErrorMaps
from sanerf_hq.objects.pair_rays import PairSource
from sanerf_hq.objects.region import Region
from sanerf_hq.objects.reprojection import RaySets, reproject
from sanerf_hq.runs import Key
from support.balls import CENTERS, COLOURS, RADIUS, BallField, ball_field, first_hits

RED_SIDE = CENTERS[0] + RADIUS * torch.tensor([0.0, -1.0, 0.0])


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> BallField:
    folder: Path = tmp_path_factory.mktemp("balls")
    return ball_field(folder)


def views_that_see(field: BallField, point: torch.Tensor) -> set[int]:
    """By geometry: on screen, and the first thing that the ray through the point meets."""
    seeing = set()
    for number, camera in enumerate(field.at_home().cameras):
        projection = camera.project(point[None])
        if bool(projection.on_screen[0]):
            distance, _ = first_hits(camera.rays(projection.xy))
            if abs(float(distance[0] - (point - camera.center).norm())) < 1e-3:
                seeing.add(number)
    return seeing


def test_a_set_holds_rays_of_every_view_that_sees_the_point(field: BallField):
    home = field.at_home()
    seeing = views_that_see(field, RED_SIDE)
    every = torch.arange(len(home.cameras))
    assert 3 <= len(seeing) < len(every), "some views are occluded"
    generator = torch.Generator().manual_seed(0)
    owner = torch.tensor([min(seeing)])
    sets = reproject(field, every, RED_SIDE[None], owner, 32, 8, 0, generator)
    assert set(home.pixel_rays.cameras_of(sets.pixels).tolist()) == seeing
    assert sets.counts.tolist() == [len(sets.pixels)]
    rays = home.pixel_rays.rays(sets.pixels)
    towards = torch.nn.functional.normalize(RED_SIDE - rays.origins, dim=-1)
    angle = torch.arccos((towards * rays.directions).sum(-1).clamp(max=1))
    assert float(angle.max()) < 1.1 * 4 * 2**0.5 / 70, "within half a patch of 8 pixels, along its diagonal"
    assert float(angle.mean()) > 0.02, "all over it"


def test_views_are_limited_but_for_the_point_s_own(field: BallField):
    seeing = views_that_see(field, RED_SIDE)
    every = torch.arange(len(field.at_home().cameras))
    found = set()
    for seed in range(6):
        generator = torch.Generator().manual_seed(seed)
        owner = torch.tensor([max(seeing)])
        sets = reproject(field, every, RED_SIDE[None], owner, 8, 4, 2, generator)
        views = set(field.at_home().pixel_rays.cameras_of(sets.pixels).tolist())
        assert len(views) == 2
        assert max(seeing) in views
        assert views <= seeing
        found |= views
    assert len(found) > 2, "which others is drawn by lot"


def test_points_that_no_labelled_view_sees_have_no_set(field: BallField):
    hidden = CENTERS[0].clone()  # inside the ball
    views = torch.arange(3)
    generator = torch.Generator().manual_seed(0)
    points = torch.stack([hidden, RED_SIDE])
    seeing = views_that_see(field, RED_SIDE) & {0, 1, 2}
    sets = reproject(field, views, points, torch.tensor([0, 0]), 16, 8, 0, generator)
    assert len(sets.counts) == (1 if seeing else 0)
    assert set(field.at_home().pixel_rays.cameras_of(sets.pixels).tolist()) == seeing


def test_rays_of_some_sets():
    sets = RaySets(torch.arange(10) * 7, torch.tensor([3, 5, 2]), torch.ones(3))
    assert sets.rays_of(torch.tensor([2, 0])).tolist() == [8, 9, 0, 1, 2]


def test_points_are_drawn_in_proportion_to_their_error():
    views = torch.tensor([1, 1, 1, 4, 4])
    maps = ErrorMaps(views, torch.zeros(5, 3))
    errors = torch.tensor([1.0, 0.0, 3.0, 0.0, 0.5])
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([maps.draw(errors, 0, generator) for _ in range(2000)])
    assert drawn.shape == (2000, 2), "one on every map"
    share = torch.bincount(drawn[:, 0], minlength=5) / 2000
    assert share[:3].tolist() == pytest.approx([0.25, 0.0, 0.75], abs=0.04)
    assert drawn[:, 1].unique().tolist() == [4]
    assert len(maps.draw(errors, 7, generator)) == 7, "maps are gone through in turns"
    assert maps.draw(torch.tensor([0.0, 0, 0, 0, 1]), 0, generator).tolist() == [4], "a map without error"
    assert len(maps.draw(torch.zeros(5), 0, generator)) == 0


@pytest.mark.parametrize("across", [True, False])
def test_a_source_gives_rays_with_their_colours(field: BallField, across: bool):
    home = field.at_home()
    numbers = torch.tensor(sorted(views_that_see(field, RED_SIDE)))
    maps = ErrorMaps(numbers, RED_SIDE.expand(len(numbers), 3))
    config = RayPairConfig(colours="photo", across=across, patch=8)
    source = PairSource.of(field, Region.everywhere(), maps, config)
    sets = source.draw(torch.ones(len(numbers)), Key(0, "test", 0))
    assert len(sets.counts) == len(numbers)
    marched = source.march(sets)
    owners = home.pixel_rays.cameras_of(sets.pixels)
    first = owners[: int(sets.counts[0])]
    assert set(first.tolist()) == (set(numbers.tolist()) if across else {int(numbers[0])})
    _, label = first_hits(home.pixel_rays.rays(sets.pixels))
    assert torch.allclose(marched.colours, COLOURS[label] / 255)
    assert len(label.unique()) > 1
    assert len(marched.surfaces) == len(sets.pixels)


def test_places_are_measured_in_patches(field: BallField):
    numbers = torch.tensor(sorted(views_that_see(field, RED_SIDE)))
    maps = ErrorMaps(numbers[:1], RED_SIDE[None])
    config = RayPairConfig(patch=40, rays=64, reach=2.0, colours="photo")
    source = PairSource.of(field, Region.everywhere(), maps, config)
    sets = source.draw(torch.ones(1), Key(0, "test", 0))
    places = source.march(sets).places
    rays = field.at_home().pixel_rays.rays(sets.pixels)
    distance, label = first_hits(rays)
    points = rays.origins + rays.directions * distance[:, None]
    depth = field.at_home().cameras[int(numbers[0])].project(RED_SIDE[None]).depth
    width = float(depth[0]) * 40 / (70 * 72) ** 0.5
    assert torch.allclose(places, points / (2 * width), rtol=1e-4)
    shell = places[label == 0]
    assert len(shell)
    nearest = torch.cdist(shell, places[label == 1]).min()
    assert float(nearest) > 1.0, "the shell lies far behind: no pair with the ball"


def test_rendered_colours_are_the_field_s_own(field: BallField):
    maps = ErrorMaps(torch.tensor([3]), RED_SIDE[None])
    source = PairSource.of(field, Region.everywhere(), maps, RayPairConfig())
    pixels = torch.tensor([10, 2000, 4000])
    surfaces = field.surfaces(field.at_home().pixel_rays.rays(pixels))
    directions = field.at_home().pixel_rays.rays(pixels).directions
    expected = field.network.shade(surfaces.geometry.float(), directions)
    assert torch.allclose(source.colours(pixels, surfaces), expected, atol=1e-5)
