"""Votes in closed form: shares with a known answer."""

from __future__ import annotations

import pytest
import torch

from sanerf_hq.objects.region import Region, find_regions
from sanerf_hq.objects.votes import DOUBT, PRIOR, VoteGrid, count_votes
from sanerf_hq.radiance import SurfaceSamples

EVERYWHERE = [Region.everywhere()]


def rays_at(points: list[tuple[float, float, float]], weight: float = 1.0) -> SurfaceSamples:
    """A ray with one sample at each point."""
    n = len(points)
    index = torch.arange(n)
    return SurfaceSamples(
        torch.tensor(points).reshape(-1, 3),
        torch.zeros(n, 2, dtype=torch.float16),
        torch.full((n,), weight),
        torch.stack([index, torch.ones_like(index)], -1).int(),
        torch.full((n,), weight),
        torch.ones(n),
    )


def sets(rows: list[list[int]]) -> torch.Tensor:
    return torch.tensor(rows) > 0


A, B = (0.05, 0.05, 0.05), (0.95, 0.95, 0.95)
ON, OFF = [0, 1], [1, 0]
WHOLE = torch.tensor([[0.0, 0.0, 0.0, 1.0]])


def test_a_cell_that_many_rays_meet_has_their_share():
    surfaces = rays_at([A] * 400 + [B] * 400)
    possible = sets([ON] * 300 + [OFF] * 100 + [OFF] * 400)
    grid = count_votes(surfaces, possible, torch.ones(800), EVERYWHERE)
    assert float(grid.at(torch.tensor([A]))) == pytest.approx(0.75, abs=2e-3)
    assert float(grid.at(torch.tensor([B]))) == pytest.approx(0, abs=2e-3)


def test_trust_and_weight_multiply_a_vote():
    surfaces = rays_at([A] * 200, weight=0.5)
    trust = torch.tensor([0.9] * 100 + [0.3] * 100)
    grid = count_votes(surfaces, sets([ON] * 100 + [OFF] * 100), trust, EVERYWHERE)
    assert float(grid.at(torch.tensor([A]))) == pytest.approx(0.75, abs=5e-3)


def test_a_cell_that_no_ray_meets_takes_what_the_coarser_one_says():
    near = (0.055, 0.055, 0.055)  # another of the finest cells, the same of the coarsest
    grid = count_votes(rays_at([A] * 100), sets([ON] * 100), torch.ones(100), EVERYWHERE)
    assert float(grid.at(torch.tensor([near]))) > 0.95
    lone = count_votes(rays_at([A] * 100 + [near]), sets([ON] * 100 + [OFF]), torch.ones(101), EVERYWHERE)
    i, j, k = (int(value * lone.side) for value in near)
    assert (i, j, k) == tuple(int(value * lone.side) for value in A), "one cell: its share is pooled"
    assert float(lone.shares[0, i, j, k]) == pytest.approx(100 / 101, abs=2e-3)


def test_one_ray_of_a_fine_cell_is_held_back_by_the_coarser_one():
    here, beside = (
        (0.04, 0.05, 0.05),
        (0.05, 0.05, 0.05),
    )  # one cell of the last side but one, two of the last
    grid = count_votes(rays_at([here] * 60 + [beside]), sets([OFF] * 60 + [ON]), torch.ones(61), EVERYWHERE)
    i, j, k = (int(value * grid.side) for value in beside)
    around = 1 / 61
    expected = (1 + PRIOR * around) / (1 + PRIOR)
    assert float(grid.shares[0, i, j, k]) == pytest.approx(expected, abs=1e-2)
    assert float(grid.shares[0, i - 1, j, k]) < 0.01


def test_a_pixel_that_may_be_either_votes_for_neither_and_against_the_rest():
    surfaces = rays_at([A] * 50)
    possible = sets([[0, 1, 1, 0]] * 40 + [[0, 1, 0, 0]] * 10)
    grid = count_votes(surfaces, possible, torch.ones(50), EVERYWHERE * 3)
    first, second, third = grid.at(torch.tensor([A]))[0].tolist()
    assert first == pytest.approx(1, abs=2e-3)
    assert second == pytest.approx(0, abs=2e-3), "ten rays rule it out, forty abstain"
    assert third == pytest.approx(0, abs=2e-3)


def test_shares_become_identities_within_what_votes_can_be_sure_of():
    shares = torch.full((2, 8, 8, 8), 0.25)
    shares[0] = 1
    shares[1] = 0
    logits = VoteGrid(shares.half(), WHOLE.expand(len(shares), 4)).logits(torch.tensor([[0.3, 0.5, 0.7]]))
    assert torch.allclose(logits.exp(), torch.tensor([[DOUBT, 1 - DOUBT, DOUBT]]), atol=1e-3)


def test_shares_are_linear_between_cells_along_each_axis():
    shares = torch.zeros(1, 8, 8, 8)
    shares[0] = torch.arange(8.0)[:, None, None] / 8  # grows along x alone
    grid = VoteGrid(shares.half(), WHOLE.expand(len(shares), 4))
    points = torch.tensor([[1.5 / 8, 0.1, 0.9], [2.0 / 8, 0.9, 0.1]])
    assert torch.allclose(grid.at(points)[:, 0], torch.tensor([1.0 / 8, 1.5 / 8]), atol=1e-3)


def test_each_object_is_counted_in_a_cube_of_its_own():
    low, high = torch.zeros(8, 8, 8, dtype=torch.bool), torch.zeros(8, 8, 8, dtype=torch.bool)
    low[:2, :2, :2] = True
    high[6:, 6:, 6:] = True
    regions = [Region.of(low), Region.of(high)]
    surfaces = rays_at([A] * 90 + [B] * 60)
    possible = sets([[0, 1, 0]] * 90 + [[0, 0, 1]] * 60)
    both = count_votes(surfaces, possible, torch.ones(150), regions)
    points = torch.tensor([A, B, (0.2, 0.2, 0.2), (0.5, 0.5, 0.5)])
    assert torch.allclose(both.at(points)[:2], torch.eye(2), atol=2e-3)
    assert both.at(points)[3].tolist() == [0, 0]
    alone = count_votes(surfaces, possible[:, :2], torch.ones(150), regions[:1])
    assert torch.equal(alone.shares[0], both.shares[0]), "one more object does not change the others"
    assert torch.allclose(both.cubes, torch.tensor([[0.0, 0, 0, 0.25], [0.75, 0.75, 0.75, 0.25]]))


def test_only_parts_at_the_prompts_are_kept_and_parts_cut_off_from_them():
    main, cut_off, elsewhere = (0.2, 0.2, 0.2), (0.2, 0.2, 0.5), (0.8, 0.8, 0.8)
    points = [main] * 40 + [cut_off] * 20 + [elsewhere] * 60
    surfaces, on_object, trust = rays_at(points), torch.ones(120, 1, dtype=torch.bool), torch.ones(120)
    (every,) = find_regions(surfaces, on_object, trust)
    assert every is not None
    assert every.inside(torch.tensor([main, cut_off, elsewhere])).all()
    (mine,) = find_regions(surfaces, on_object, trust, [torch.tensor([elsewhere])])
    assert mine is not None
    assert mine.inside(torch.tensor([main, cut_off, elsewhere])).tolist() == [True, True, True]
    small = rays_at([main] * 4 + [elsewhere] * 60)
    all_on = torch.ones(64, 1, dtype=torch.bool)
    (alone,) = find_regions(small, all_on, torch.ones(64), [torch.tensor([elsewhere])])
    assert alone is not None
    assert alone.inside(torch.tensor([main, elsewhere])).tolist() == [False, True]
    (off_everything,) = find_regions(surfaces, on_object, trust, [torch.tensor([[0.5, 0.5, 0.5]])])
    assert off_everything is not None
    assert torch.equal(off_everything.cells, every.cells)


def test_regions_of_several_sides_are_one():
    coarse, fine = torch.zeros(4, 4, 4, dtype=torch.bool), torch.zeros(8, 8, 8, dtype=torch.bool)
    coarse[0, 0, 0] = True
    fine[7, 7, 7] = True
    both = Region.union([Region.of(coarse), Region.of(fine)])
    assert both.cells.shape == (8, 8, 8)
    assert int(both.cells.sum()) == 8 + 1
    points = torch.tensor([[0.2, 0.1, 0.2], [0.95, 0.95, 0.95], [0.3, 0.1, 0.2]])
    assert both.inside(points).tolist() == [True, True, False]
