"""Whose a surface is, on a wall that cameras face at depth 2."""

from __future__ import annotations

import torch

from sanerf_hq.export.sights import Sight
from sanerf_hq.export.witnesses import said_own
from sanerf_hq.geometry import Camera

LEFT, RIGHT = (-0.5, 0.0, 2.0), (0.5, 0.0, 2.0)


def wall(share: list[float]) -> Sight:
    """A camera at the origin, 4 x 2 pixels wide, and the object's share of each column."""
    camera = Camera(torch.tensor([[2.0, 0, 2], [0, 2, 1], [0, 0, 1]]), torch.eye(4), 4, 2)
    plane, none = torch.full((2, 4), 2.0), torch.zeros(0)
    return Sight(camera, torch.tensor([share, share]), plane, plane, torch.zeros(0, 2), none, none)


def test_views_that_see_a_point_say_whose_it_is() -> None:
    sights = [wall([1.0, 1.0, 0.0, 0.0]), wall([1.0, 1.0, 0.0, 0.0]), wall([0.0, 0.0, 1.0, 1.0])]
    seen, own = said_own(sights, torch.tensor([LEFT, RIGHT]), 0.1)
    assert seen.tolist() == [3, 3]
    assert own.tolist() == [2, 1]


def test_what_is_hidden_or_stands_free_or_is_off_the_picture_has_no_witness() -> None:
    hidden, free, off = (-0.5, 0.0, 2.2), (-0.5, 0.0, 1.8), (-9.0, 0.0, 2.0)
    seen, own = said_own(
        [wall([1.0, 1.0, 1.0, 1.0])], torch.tensor([hidden, free, off, (0.0, 0.0, -2.0)]), 0.1
    )
    assert seen.tolist() == [0, 0, 0, 0]
    assert own.tolist() == [0, 0, 0, 0]
