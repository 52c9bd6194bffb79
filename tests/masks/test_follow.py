from __future__ import annotations

import torch
from torch import Tensor

from sanerf_hq.masks import Surface, find_shift, overlap, shifted_in

RED, YELLOW, GREY, BLUE = ((0.9, 0.1, 0.1), (0.9, 0.8, 0.1), (0.5, 0.5, 0.5), (0.1, 0.2, 0.9))
SIDE = 0.4


def ball(center: tuple[float, float, float], upper: tuple[float, ...], lower: tuple[float, ...]) -> Surface:
    points = torch.nn.functional.normalize(torch.randn(1500, 3), dim=-1) * SIDE / 2
    colours = torch.where(points[:, 2:] > 0, torch.tensor(upper), torch.tensor(lower))
    return Surface(points + torch.tensor(center), (colours + 0.02 * torch.randn(1500, 3)).clamp(0, 1))


def table() -> Surface:
    points = torch.cat([4 * torch.rand(6000, 2) - 2, torch.full((6000, 1), -0.2)], -1)
    return Surface(points, torch.tensor(GREY).expand(6000, 3) + 0.02 * torch.randn(6000, 3))


def together(*parts: Surface) -> Surface:
    return Surface(torch.cat([p.points for p in parts]), torch.cat([p.colours for p in parts]))


NOWHERE = torch.zeros(3)


def off(found: Tensor, wanted: tuple[float, float, float]) -> float:
    return float((found - torch.tensor(wanted)).norm())


def test_a_ball_that_flew_farther_than_it_is_large_is_found():
    before = ball((0.0, 0.0, 0.0), RED, YELLOW)
    after = together(table(), ball((0.7, -0.3, 0.5), RED, YELLOW))
    shift = find_shift(before, after, NOWHERE)
    assert off(shift.offset, (0.7, -0.3, 0.5)) < SIDE / 8
    assert shift.likeness > 0.7


def test_a_nearer_ball_of_other_colours_or_upside_down_is_not_taken_for_it():
    before = ball((0.0, 0.0, 0.0), RED, YELLOW)
    after = together(
        table(),
        ball((0.3, 0.3, 0.2), BLUE, BLUE),
        ball((-0.5, 0.0, 0.2), YELLOW, RED),
        ball((0.8, 0.0, 0.4), RED, YELLOW),
    )
    assert off(find_shift(before, after, NOWHERE).offset, (0.8, 0.0, 0.4)) < SIDE / 8


def test_what_stands_still_does_not_move():
    thing = ball((0.0, 0.0, 0.0), GREY, GREY)
    shift = find_shift(thing, together(table(), thing), NOWHERE)
    assert off(shift.offset, (0.0, 0.0, 0.0)) < 1e-6
    assert shift.likeness > 0.9


def test_of_two_alike_the_expected_one_is_taken():
    before = ball((0.0, 0.0, 0.0), RED, YELLOW)
    after = together(ball((0.6, 0.0, 0.0), RED, YELLOW), ball((-0.6, 0.0, 0.0), RED, YELLOW))
    for side in (0.6, -0.6):
        assert off(find_shift(before, after, torch.tensor([side, 0.0, 0.0])).offset, (side, 0, 0)) < SIDE / 8


def test_points_that_lie_far_astray_change_nothing():
    before = ball((0.0, 0.0, 0.0), RED, YELLOW)
    stray = Surface(torch.tensor([[90.0, -40.0, 70.0], [-300.0, 0.0, 0.0]]), torch.tensor([RED, YELLOW]))
    after = together(table(), ball((0.7, -0.3, 0.5), RED, YELLOW))
    with_stray = find_shift(together(before, stray), after, NOWHERE)
    assert off(with_stray.offset, (0.7, -0.3, 0.5)) < SIDE / 8
    far = find_shift(before, after, torch.tensor([500.0, 0.0, 0.0]))
    assert off(far.offset, (0.7, -0.3, 0.5)) < SIDE / 8, "what is expected may be nonsense"


def test_what_is_gone_is_like_nothing_there():
    before = ball((0.0, 0.0, 0.0), RED, YELLOW)
    assert find_shift(before, together(table(), ball((0.5, 0.0, 0.3), BLUE, GREY)), NOWHERE).likeness < 0.2


def test_what_it_is_now_is_nearly_all_of_it_and_nothing_else():
    before = ball((0.0, 0.0, 0.0), RED, YELLOW)
    after = together(table(), ball((0.6, 0.0, 0.1), RED, YELLOW))
    found = shifted_in(before, after, torch.tensor([0.6, 0.0, 0.1]))
    assert int(found.min()) >= 6000, "none is on the table"
    assert len(found) > 1400


def test_of_a_neighbour_in_the_same_colours_only_the_rim_is_taken_along():
    before = ball((0.0, 0.0, 0.0), GREY, GREY)
    after = together(table(), ball((0.0, 0.0, 0.0), GREY, GREY))
    found = shifted_in(before, after, NOWHERE)
    assert int((found >= 6000).sum()) > 1300
    on_table = after.points[found[found < 6000]]
    assert not len(on_table) or float(on_table[:, :2].norm(dim=-1).max()) < SIDE / 2


def test_the_same_surface_overlaps_and_a_part_of_it_or_another_does_not():
    whole = ball((0.0, 0.0, 0.0), RED, YELLOW)
    assert overlap(whole, ball((0.0, 0.0, 0.0), BLUE, BLUE)) > 0.95, "places count, not colours"
    assert overlap(whole, whole.of(whole.points[:, 0] > 0)) < 0.75
    assert overlap(whole, whole.of(whole.points[:, 0] > SIDE / 4)) < 0.5
    assert overlap(whole, ball((0.5, 0.0, 0.0), RED, YELLOW)) < 0.1
    assert overlap(whole, whole.of(whole.points[:, 0] > 9)) == 0


def test_there_are_no_points_where_nothing_is_alike():
    assert len(shifted_in(ball((0.0, 0.0, 0.0), RED, RED), table(), torch.tensor([0.0, 0.0, 0.1]))) == 0


def test_a_thing_of_one_point_is_as_small_in_any_unit():
    for unit in (1e-9, 1.0, 1e6):
        lone = Surface(torch.full((1, 3), 2 * unit), torch.zeros(1, 3))
        assert 0 < lone.side() < 1e-5 * unit
    assert Surface(torch.zeros(1, 3), torch.zeros(1, 3)).side() > 0
