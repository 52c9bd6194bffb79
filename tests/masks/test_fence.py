"""Fences on two balls: what is beside a box, what is in it, and what the picture cannot tell."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sanerf_hq.masks import DecodeConfig, Polls, begin_survey, shown_to
from sanerf_hq.masks.fence import Fence
from sanerf_hq.prompts import BoxPrompt, marks_of
from sanerf_hq.radiance import load_view_samples
from support.balls import CENTERS, RADIUS, BallField, ball_camera, ball_field, box_of, first_hits
from support.greedy import Greedy

RED, GREEN = CENTERS


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> BallField:
    return ball_field(tmp_path_factory.mktemp("balls"))


def fence(balls: BallField, view: int, number: int) -> Fence:
    return Fence.round(balls, marks_of(balls, BoxPrompt(str(view), box_of(view, number))))


def surface(view: int, number: int) -> torch.Tensor:
    """Points of a ball that a view sees, from the middles of its pixels."""
    rays = ball_camera(view).rays(ball_camera(view).pixel_grid())
    distance, label = first_hits(rays)
    on = label == number
    return rays.origins[on] + rays.directions[on] * distance[on, None]


def test_what_a_picture_shows_outside_the_box_is_beside_it(balls: BallField):
    drawn = fence(balls, 3, 1)
    assert not bool(drawn.beside(surface(3, 1)).any())
    beside = drawn.beside(surface(3, 2))
    assert float(beside.float().mean()) > 0.5, "rims are in doubt: depth is known by every fourth pixel"
    assert bool(drawn.beside(GREEN[None] + torch.tensor([[0, RADIUS, 0]])).any()) != bool(
        drawn.beside(GREEN[None] - torch.tensor([[0, RADIUS, 0]])).any()
    ), "one side of the green ball faces view 3, the other is hidden"


def test_what_it_does_not_show_may_be_the_object(balls: BallField):
    drawn = fence(balls, 3, 1)
    behind = ball_camera(3).center - GREEN
    hidden = GREEN - RADIUS * behind / behind.norm()
    assert not bool(drawn.beside(hidden[None]).any())
    assert not bool(drawn.beside(2 * ball_camera(3).center[None]).any()), "behind the camera"
    empty = ball_field_without_shell(balls)
    air = torch.tensor([[0.0, 0.0, 2.0]])
    assert not bool(Fence.round(empty, marks_of(empty, BoxPrompt("3", box_of(3, 1)))).beside(air).any())


def test_the_rays_of_a_large_picture_are_bounded(balls: BallField, monkeypatch: pytest.MonkeyPatch):
    near = fence(balls, 3, 1)
    assert near.step == 4 and near.depth.numel() == 192
    monkeypatch.setattr("sanerf_hq.masks.fence.MOST_RAYS", 100)
    far = fence(balls, 3, 1)
    assert far.depth.numel() <= 120
    wall = surface(3, 0)[::7]
    assert bool((far.beside(wall) == near.beside(wall)).float().mean() > 0.8)
    assert not bool(far.beside(surface(3, 1)).any())


def ball_field_without_shell(balls: BallField) -> BallField:
    from dataclasses import replace

    return replace(balls, shell=False)


@pytest.mark.parametrize("views", [(3,), (3, 8)])
def test_no_point_beside_a_box_is_carried_on(tmp_path: Path, views: tuple[int, ...]):
    field = ball_field(tmp_path)
    polls = Polls(field.at_home(), load_view_samples(field))
    prompts = [BoxPrompt(str(view), box_of(view, 1)) for view in views]
    config = DecodeConfig()
    survey = begin_survey(field, shown_to(field, Greedy(), config), prompts, polls, config)
    seeds = torch.tensor(survey.seeds())
    assert len(seeds) >= len(views)
    assert bool(((seeds - RED).norm(dim=-1) < RADIUS + 0.05).all()), "the segmenter takes in both balls"
