"""Interior points and representatives."""

from __future__ import annotations

import torch

from sanerf_hq.masks.interior import depth_inside, interior, outposts, representatives


def test_the_interior_keeps_away_from_the_outline():
    mask = torch.zeros(30, 40, dtype=torch.bool)
    mask[5:25, 10:35] = True
    inner = interior(mask)
    assert bool(inner[15, 20])
    assert not bool(inner[5:7].any())
    assert not bool((inner & ~mask).any())
    assert int(inner.sum()) == (20 - 4) * (25 - 4)


def test_a_thin_mask_has_an_interior_too():
    mask = torch.zeros(12, 40, dtype=torch.bool)
    mask[4, 3:30] = True
    assert bool(interior(mask).any())
    assert not bool(interior(torch.zeros(3, 5, dtype=torch.bool)).any())
    assert bool(interior(torch.ones(3, 5, dtype=torch.bool)).all())


def test_depth_inside_counts_from_the_outside():
    mask = torch.zeros(9, 11, dtype=torch.bool)
    mask[2:7, 3:8] = True
    depth = depth_inside(mask)
    assert depth[2, 3] == 1
    assert depth[4, 5] == 3
    assert depth[0, 0] == 0


def test_representatives_stand_for_parts_that_lie_apart():
    parts = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 80.0]])
    points = (parts[:, None] + torch.rand(3, 20, 2)).reshape(-1, 2)
    chosen = representatives(points, 3)
    assert sorted(int(index) // 20 for index in chosen) == [0, 1, 2]
    lonely = torch.cat([points, torch.tensor([[200.0, 200.0]])])
    assert 60 not in representatives(lonely, 4).tolist()
    assert representatives(points[:2], 5).tolist() == [0, 1]
    assert len(representatives(points[:1].repeat(9, 1), 4)) <= 4


def test_outposts_are_the_middle_and_the_far_ends():
    arm = torch.arange(-10.0, 11.0)
    zero = torch.zeros_like(arm)
    cross = torch.cat([torch.stack([arm, zero], -1), torch.stack([zero, 0.9 * arm], -1)])
    chosen = cross[outposts(cross, 5)].tolist()
    assert chosen[0] == [0.0, 0.0]
    assert sorted(chosen[1:]) == [[-10.0, 0.0], [0.0, -9.0], [0.0, 9.0], [10.0, 0.0]]
    assert outposts(cross[:3], 5).tolist() == [0, 1, 2]
    assert outposts(cross[:1].repeat(9, 1), 3).shape == (3,)
