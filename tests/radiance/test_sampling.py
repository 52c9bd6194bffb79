"""Samples: drawn where weight is, so many a ray, true on the mean; fog is only ever carved."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sanerf_hq.geometry import Rays, contract, to_unit
from sanerf_hq.kernels import distortion, render_weights
from sanerf_hq.radiance.candidates import CandidateDensities
from sanerf_hq.radiance.config import GridConfig, RadianceConfig
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.render import PackedSamples, close
from sanerf_hq.radiance.rounds import in_rounds
from sanerf_hq.radiance.sampling import carving, choose_samples


def rays_and_candidates(counts: list[int], length: float = 0.1) -> tuple[Rays, PackedSamples]:
    """Rays along +x from (-2, 0, 0), each with so many intervals one behind the other from t = 1."""
    n_rays, n = len(counts), sum(counts)
    origins = torch.tensor([-2.0, 0.0, 0.0]).expand(n_rays, 3).contiguous()
    directions = torch.tensor([1.0, 0.0, 0.0]).expand(n_rays, 3).contiguous()
    owner = torch.arange(n_rays).repeat_interleave(torch.tensor(counts))
    firsts = torch.tensor([0, *counts]).cumsum(0)[:-1]
    t_starts = 1 + (torch.arange(n) - firsts[owner]) * length
    middles = t_starts + length / 2
    points = to_unit(contract(origins[owner] + middles[:, None] * directions[owner]))
    info = torch.stack([firsts, torch.tensor(counts)], -1).int()
    packed = PackedSamples(points, owner.int(), middles, torch.full((n,), length), info)
    return Rays(origins, directions, torch.ones(n_rays)), packed


def known(candidates: PackedSamples, sigmas: Tensor) -> CandidateDensities:
    """Candidates of these densities, each looked at."""
    weights = render_weights(sigmas, candidates.deltas, candidates.packed_info)
    light = torch.ones_like(sigmas)
    for first, count in candidates.packed_info.tolist():
        light[first : first + count] = 1 - (
            weights[first : first + count].cumsum(0) - weights[first : first + count]
        )
    return CandidateDensities(sigmas, light)


def test_weights_of_candidates_are_those_of_other_lengths() -> None:
    _, candidates = rays_and_candidates([3, 0, 2])
    found = CandidateDensities(
        torch.tensor([1.0, 0.0, 2.0, 0.0, 7.0]), torch.tensor([1.0, 0.9, 0.5, 1.0, 0.25])
    )
    weights = found.weights(candidates, 0.2, closed=False)
    expected = [1 - math.exp(-0.2), 0.0, 0.5 * (1 - math.exp(-0.4)), 0.0, 0.25 * (1 - math.exp(-1.4))]
    assert torch.allclose(weights, torch.tensor(expected))
    closed = found.weights(candidates, 0.2, closed=True)
    assert closed[[2, 4]].tolist() == [0.5, 0.25], "the last of a ray stop all that is left"
    assert torch.equal(closed[[0, 1, 3]], weights[[0, 1, 3]])


def test_rounds_find_what_the_kernel_finds() -> None:
    network = RadianceNetwork(RadianceConfig(grid=GridConfig(4, 2, 10, 4, 32), hidden=16))
    network.initialise(torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.table.uniform_(-3, 3, generator=torch.Generator().manual_seed(1))
    _, candidates = rays_and_candidates([40, 0, 7, 90, 12], length=0.03)
    places = candidates.unit_points, candidates.deltas, candidates.packed_info

    def densities(unit_points: Tensor) -> Tensor:
        return network.geometry(network.encode(unit_points))[0]

    for hidden in (0.4, 1e9):
        sigmas, light = network.lit_densities(*places, hidden)
        found, left = in_rounds(densities, *places, hidden)
        looked = sigmas > 0
        assert bool(looked.all()) == (hidden > 1)
        assert torch.allclose(found[looked], sigmas[looked], rtol=1e-3)
        assert torch.allclose(left[looked], light[looked], rtol=1e-3)
        assert int((found > 0).sum()) <= int(looked.sum()) + 12 * 4, "a round more than needed at most"


def test_rows_of_no_ray_are_left_alone_in_rounds() -> None:
    _, candidates = rays_and_candidates([5, 0, 4])
    points = torch.cat([candidates.unit_points, torch.rand(6, 3)])
    deltas = torch.cat([candidates.deltas, torch.rand(6)])
    sigmas, light = in_rounds(lambda some: torch.ones(len(some)), points, deltas, candidates.packed_info, 7.0)
    assert sigmas.tolist() == [1.0] * 9 + [0.0] * 6
    assert torch.equal(light[9:], torch.zeros(6))
    assert torch.allclose(
        light[[0, 4, 5]], torch.stack([torch.ones(()), (-deltas[:4].sum()).exp(), torch.ones(())])
    )


def test_hidden_candidates_are_left_out_and_heavy_ones_divided() -> None:
    rays, candidates = rays_and_candidates([4, 0, 3])
    sigmas = torch.tensor([0.0, 1e4, 3.0, 3.0, 0.0, 0.0, 0.0])
    packed = choose_samples(
        candidates, rays, known(candidates, sigmas), 8.0, False, torch.Generator().manual_seed(0)
    )
    assert packed.packed_info[:2].tolist() == [[0, 8], [8, 0]]
    # The wall has all weight and half the length that light reaches: 0.8 + 0.2 / 2 of eight samples.
    inside = packed.distances[:8]
    wall = (inside > 1.1) & (inside < 1.2)
    assert int(wall.sum()) == 7
    assert bool((inside < 1.2).all())
    assert torch.allclose(packed.lengths[:8][wall], torch.tensor(0.1 / 7))
    x = 4 * packed.unit_points[:, 0] - 2 + 2  # this near nothing is contracted: the ray's t
    assert torch.allclose(x, packed.distances, atol=1e-5)
    assert bool((packed.distances[:8].diff() > 0).all())


def test_every_ray_gets_its_number_of_samples() -> None:
    counts = [1, 7, 0, 40, 3]
    rays, candidates = rays_and_candidates(counts, length=0.02)
    sigmas = torch.rand(sum(counts), generator=torch.Generator().manual_seed(1)) * 9
    for generator in [None, *(torch.Generator().manual_seed(seed) for seed in range(20))]:
        packed = choose_samples(candidates, rays, known(candidates, sigmas), 6.0, True, generator)
        assert packed.packed_info[:, 1].tolist() == [6, 6, 0, 6, 6]


def test_what_draws_stand_for_is_the_whole_ray_on_the_mean() -> None:
    rays, candidates = rays_and_candidates([40], length=0.02)
    sigmas = torch.rand(40, generator=torch.Generator().manual_seed(2)) * 4
    generator = torch.Generator().manual_seed(3)
    drawn = [
        choose_samples(candidates, rays, known(candidates, sigmas), 6.0, False, generator)
        for _ in range(3000)
    ]
    length = torch.stack([packed.lengths.sum() for packed in drawn])
    assert torch.isclose(length.mean(), torch.tensor(0.8), rtol=0.02)
    # Thickness of a density that differs from place to place, so that where samples fall counts as well.
    density = lambda packed: (packed.lengths * packed.distances.square()).sum()  # noqa: E731
    thickness = torch.stack([density(packed) for packed in drawn]).mean()
    assert torch.isclose(thickness, torch.tensor((1.8**3 - 1) / 3), rtol=0.02)


def test_last_candidates_of_closed_rays_are_drawn_for_what_is_left() -> None:
    rays, candidates = rays_and_candidates([10])
    clear = torch.zeros(10)
    packed = choose_samples(
        candidates, rays, known(candidates, clear), 8.0, True, torch.Generator().manual_seed(0)
    )
    assert int((packed.distances > 1.9).sum()) >= 6
    spread = choose_samples(candidates, rays, known(candidates, clear), 10.0, False, None)
    assert torch.allclose(spread.distances, candidates.distances)


def test_no_candidate_gives_no_sample() -> None:
    rays, candidates = rays_and_candidates([0, 0])
    packed = choose_samples(candidates, rays, known(candidates, torch.zeros(0)), 4.0, True, torch.Generator())
    assert packed.packed_info.tolist() == [[0, 0], [0, 0]]


def test_carving_is_the_shrinking_half_of_the_distortion_gradient() -> None:
    _, samples = rays_and_candidates([6, 5])
    sigmas = torch.tensor([2.0, 0.1, 0.1, 9.0, 20.0, 1.0, 0.5, 30.0, 0.0, 0.2, 4.0])
    leaf = sigmas.clone().requires_grad_()
    weights = render_weights(leaf, samples.deltas, samples.packed_info)
    places = samples.distances / (1 + samples.distances)
    mean = distortion(weights, places, samples.packed_info).mean()
    mean.backward()
    gradient, spread = carving(sigmas, samples, False)
    assert leaf.grad is not None
    assert bool((leaf.grad < 0).any())
    assert torch.allclose(gradient, leaf.grad.clamp_min(0))
    assert torch.isclose(spread, mean.detach())


def test_lengths_are_contracted_ones() -> None:
    # Around x = 4, far outside the unit cube, dx of contracted length is dx / x².
    points = torch.tensor([[3.9, 0.3, 0.1], [4.1, 0.3, 0.1]])
    middle = to_unit(contract(points.mean(0, keepdim=True)))
    t, length = torch.tensor([6.0]), torch.tensor([0.2])
    samples = PackedSamples(middle, torch.zeros(1).int(), t, length, torch.tensor([[0, 1]]).int())
    true = (contract(points[1]) - contract(points[0]))[0]
    assert torch.isclose(samples.deltas[0], true, rtol=1e-2)


def test_what_is_closed_stops_all_light_or_a_share_of_it() -> None:
    _, samples = rays_and_candidates([3, 0, 2])
    sigmas = torch.tensor([1.0, 0.0, 2.0, 0.5, 0.5])
    weights = render_weights(sigmas, samples.deltas, samples.packed_info)
    for share in (1.0, 0.3):
        closed = close(weights, samples, share)
        assert torch.equal(closed[[0, 1, 3]], weights[[0, 1, 3]])
        for first, last in ((0, 2), (3, 4)):
            left = 1 - weights[first : last + 1].sum()
            assert torch.isclose(closed[last], weights[last] + share * left)
    assert len(close(torch.zeros(0), rays_and_candidates([0])[1], 1.0)) == 0
