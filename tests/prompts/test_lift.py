"""Lifting, projecting and visibility, against ray-sphere intersections."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.prompts import (
    BoxPrompt,
    PointPrompt,
    SpacePrompt,
    lift,
    lost_clicks,
    marks_of,
    sightings,
    space_cloud,
)
from support.balls import CENTERS, RADIUS, BallField, ball_camera, ball_field, center_pixel, first_hits


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> BallField:
    return ball_field(tmp_path_factory.mktemp("balls"))


def test_a_click_is_lifted_to_the_surface_it_shows(field: BallField):
    x, y = center_pixel(3, 1)
    marks = marks_of(field, PointPrompt("3", [(x, y)], [(1, 1)]))
    assert marks.xy.tolist() == [[x + 0.5, y + 0.5], [1.5, 1.5]]
    cloud = lift(field, marks)
    assert cloud.labels.tolist() == [1, 0]
    assert float((cloud.points[0] - CENTERS[0]).norm()) == pytest.approx(RADIUS, abs=1e-4)
    assert float(cloud.points[1].norm()) == pytest.approx(8.0, abs=1e-3)
    again = ball_camera(3).project(cloud.points).xy
    assert torch.allclose(again, marks.xy, atol=1e-3)


def test_a_point_is_seen_only_where_nothing_hides_it(field: BallField):
    cameras = list(field.at_home().cameras)
    directions = torch.nn.functional.normalize(torch.randn(40, 3), dim=-1)
    points = CENTERS[1] + RADIUS * directions
    seen = sightings(field, cameras, points)
    for number, camera in enumerate(cameras):
        projected = camera.project(points)
        rays = camera.rays(projected.xy)
        truth = projected.on_screen & ((first_hits(rays)[0] * rays.cosines - projected.depth).abs() < 1e-3)
        doubtful = (first_hits(rays)[0] * rays.cosines - projected.depth).abs() < 0.1
        agree = (seen.visible[number] == truth) | doubtful
        assert bool(agree.all())
    assert 0.1 < float(seen.visible.float().mean()) < 0.6
    behind = sightings(field, [ball_camera(0)], CENTERS[1:] - torch.tensor([[RADIUS, 0, 0]]))
    assert not bool(behind.visible.any()), "the red ball hides the green one from camera 0"


def test_the_tolerance_is_relative_to_depth(field: BallField):
    camera = ball_camera(3)
    hit = lift(field, marks_of(field, PointPrompt("3", [center_pixel(3, 1)]))).points
    ray = (hit - camera.center) / (hit - camera.center).norm()
    depth = float((hit - camera.center).norm())
    moved = torch.cat([hit + ray * depth * share for share in (-0.03, -0.015, 0.0, 0.015, 0.03)])
    assert sightings(field, [camera], moved).visible[0].tolist() == [False, True, True, True, False]


def test_nothing_is_seen_of_no_points_and_by_no_camera(field: BallField):
    assert sightings(field, [ball_camera(0)], torch.zeros(0, 3)).visible.shape == (1, 0)
    assert sightings(field, [], torch.zeros(2, 3)).visible.shape == (0, 2)
    behind = ball_camera(0).center - ball_camera(0).forward
    assert not bool(sightings(field, [ball_camera(0)], behind[None]).visible.any())


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (PointPrompt("3", [(64, 5)]), "lies off view images/3.png, which is 64x48 pixels"),
        (PointPrompt("3", [(5, 5)], [(5, -1)]), "lies off view images/3.png"),
        (PointPrompt("99", [(5, 5)]), "has no view '99'"),
        (BoxPrompt("3", (70, 3, 80, 9)), "lies off view images/3.png"),
    ],
)
def test_what_lies_off_the_image_is_refused(field: BallField, prompt: PointPrompt | BoxPrompt, words: str):
    with pytest.raises(InputError, match=words):
        marks_of(field, prompt)


def test_a_click_on_empty_space_is_refused_but_not_a_negative_one(tmp_path: Path):
    bare = ball_field(tmp_path, shell=False)
    with pytest.raises(InputError, match="hits empty space"):
        lift(bare, marks_of(bare, PointPrompt("3", [(1, 1)])))
    cloud = lift(bare, marks_of(bare, PointPrompt("3", [center_pixel(3, 1)], [(1, 1)])))
    assert cloud.labels.tolist() == [1]


def test_prompts_check_themselves():
    with pytest.raises(InputError, match="no click"):
        PointPrompt("3", [])
    with pytest.raises(InputError, match="a click is 2 numbers"):
        PointPrompt("3", [(1, float("nan"))])
    with pytest.raises(InputError, match="is empty"):
        BoxPrompt("3", (5, 5, 5, 9))
    with pytest.raises(InputError, match="a 3D prompt has no point"):
        SpacePrompt([])
    cloud = space_cloud(SpacePrompt([(0, 0, 1)], [(1, 2, 3)]))
    assert cloud.labels.tolist() == [1, 0]
    assert cloud.points[1].tolist() == [1, 2, 3]


def test_a_camera_of_the_users_own_may_be_clicked_in(field: BallField):
    camera = ball_camera(7).resized(128)
    xy = camera.project(CENTERS[:1]).xy[0]
    cloud = lift(field, marks_of(field, PointPrompt(camera, [(int(xy[0]), int(xy[1]))])))
    assert float((cloud.points[0] - CENTERS[0]).norm()) == pytest.approx(RADIUS, abs=1e-4)


def test_a_click_past_the_object_is_not_carried_on(field: BallField):
    x, y = center_pixel(3, 1)
    near = [(x, y), (x + 2, y)]
    past = next(
        i
        for i in range(x, 64)
        if float(field.depth_at(ball_camera(3), torch.tensor([[i + 0.5, y + 0.5]]))) > 6
    )
    marks = marks_of(field, PointPrompt("3", [*near, (past, y)], [(1, 1)]))
    together = lift(field, marks)
    assert lost_clicks(field, marks).tolist() == [[past + 0.5, y + 0.5]]
    assert together.labels.tolist() == [1, 1, 0], "the negative click stays where it is"
    assert float(((together.points[:2] - CENTERS[0]).norm(dim=-1) - RADIUS).abs().max()) < 1e-3
    marks = marks_of(field, PointPrompt("3", [near[0], (past, y)]))
    two = lift(field, marks)
    assert not len(lost_clicks(field, marks))
    assert len(two) == 2, "of two, none can be told to be astray"
