"""Rendering and its parts: packing, harmonics, occupancy, distortion."""

from __future__ import annotations

import math

import pytest
import torch

from sanerf_hq.kernels import distortion
from sanerf_hq.radiance.harmonics import spherical_harmonics
from sanerf_hq.radiance.network import bounded_exp
from sanerf_hq.radiance.occupancy import Occupancy
from sanerf_hq.radiance.render import PackedSamples


def packed(counts: list[int]) -> PackedSamples:
    n = sum(counts)
    starts = torch.tensor([0, *counts]).cumsum(0)[:-1]
    rays = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)).int()
    t = torch.arange(n).float()
    info = torch.stack([starts, torch.tensor(counts)], -1).int()
    return PackedSamples(torch.rand(n, 3), rays, t, t + 1, info)


def test_keeping_some_samples_packs_them_anew() -> None:
    samples = packed([3, 0, 2, 4])
    wanted = torch.tensor([1, 0, 1, 0, 0, 1, 1, 1, 0], dtype=torch.bool)
    kept = samples.keep(wanted)
    assert kept.packed_info[:, 1].tolist() == [2, 0, 0, 3]
    for ray, (first, count) in enumerate(kept.packed_info.tolist()):
        assert kept.ray_indices[first : first + count].tolist() == [ray] * count
    assert kept.t_starts.tolist() == [0, 2, 5, 6, 7]


def test_keeping_of_nothing() -> None:
    kept = packed([0, 0]).keep(torch.zeros(0, dtype=torch.bool))
    assert kept.packed_info.tolist() == [[0, 0], [0, 0]]


def test_harmonics_are_orthonormal() -> None:
    directions = torch.nn.functional.normalize(torch.randn(400_000, 3), dim=-1)
    values = spherical_harmonics(directions)
    gram = values.T @ values * (4 * math.pi / len(values))
    assert torch.allclose(gram, torch.eye(16), atol=0.02)


def test_cells_fall_asleep_and_are_woken() -> None:
    grid = Occupancy.full(4, level=0.01)
    assert grid.fraction() == 1.0
    point = torch.tensor([[0.9, 0.1, 0.6]])
    cell = grid.cells_of(point)
    grid.see(cell, torch.tensor([0.8]))
    grid.fade(0.5, threshold=0.006)
    assert grid.occupied.nonzero().tolist() == [[3, 0, 2]]
    inside = grid.points_in(cell, torch.Generator().manual_seed(0))
    assert grid.cells_of(inside).equal(cell)


def test_the_exponential_is_bounded_and_its_gradient_is_its_value() -> None:
    x = torch.tensor([-2.0, 0.0, 3.0, 100.0], requires_grad=True)
    y = bounded_exp(x)
    y.sum().backward()
    assert y[:3].tolist() == pytest.approx([math.exp(-2), 1.0, math.exp(3)])
    assert torch.isfinite(y).all()
    assert x.grad is not None
    assert x.grad[:3].tolist() == pytest.approx(y[:3].tolist())


def slow_distortion(weights: torch.Tensor, starts: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    middles = (starts + ends) / 2
    pairs = (middles[:, None] - middles[None]).abs() * weights[:, None] * weights[None]
    return pairs.sum() + (weights.square() * (ends - starts)).sum() / 3


def test_distortion_equals_its_double_sum_and_so_does_its_gradient() -> None:
    counts = [4, 0, 1, 6]
    weights = torch.rand(sum(counts), requires_grad=True)
    bounds = torch.rand(sum(counts) + 1).cumsum(0)
    starts, ends = bounds[:-1].clone(), bounds[1:].clone()
    info = packed(counts).packed_info
    losses = distortion(weights, starts, ends, info)
    slow = torch.stack(
        [slow_distortion(weights[a : a + n], starts[a : a + n], ends[a : a + n]) for a, n in info.tolist()]
    )
    assert torch.allclose(losses, slow, rtol=1e-4, atol=1e-6)
    scale = torch.tensor([1.0, 2.0, 3.0, 4.0])
    (ours,) = torch.autograd.grad((losses * scale).sum(), weights)
    (twin,) = torch.autograd.grad((slow * scale).sum(), weights)
    assert torch.allclose(ours, twin, rtol=1e-4, atol=1e-5)
