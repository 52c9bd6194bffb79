"""Coverage: how many views it takes to have seen a place."""

from __future__ import annotations

from pathlib import Path

import torch

from sanerf_hq.prompts.coverage import COVERED, MOST_VIEWS, covering_views, with_more
from support.balls import ball_field


def corridor(views: int, reach: int) -> torch.Tensor:
    """A walk along a wall: each view sees the next ``reach`` of as many points as there are views."""
    at, points = torch.arange(views)[:, None], torch.arange(views + reach)[None]
    return (points >= at) & (points < at + reach)


def test_views_from_all_round_one_thing_are_enough():
    assert with_more([4, 9, 1], torch.ones(12, 50, dtype=torch.bool)) == [4, 9, 1]


def test_of_a_long_walk_more_views_are_taken_until_half_is_seen_thrice():
    seen = corridor(60, 12)
    chosen = with_more([0, 30], seen)
    assert chosen[:2] == [0, 30] and len(set(chosen)) == len(chosen)
    can = seen[:, seen.sum(0) >= 3]

    def share(some: list[int]) -> float:
        return float((can[some].sum(0) >= 3).float().mean())

    assert share(chosen) >= COVERED > share(chosen[:-1])
    fewest = COVERED * can.shape[1] * 3 / 12  # if no look were wasted
    assert fewest <= len(chosen) < 2 * fewest


def test_there_are_never_too_many_and_none_twice():
    assert len(with_more([0], corridor(500, 6))) == MOST_VIEWS
    alone = torch.eye(10, dtype=torch.bool)  # nothing is seen by two
    assert with_more([3], alone) == [3]


def test_the_views_of_a_field_come_from_all_round_first(tmp_path: Path):
    field = ball_field(tmp_path)
    few, all_ = covering_views(field, None, 4), covering_views(field, None, 99)
    assert few[:4] == all_[:4] and sorted(all_) == list(range(11))
    assert covering_views(field, None, 4) == few and covering_views(field, 2, 4) == few[:2]
