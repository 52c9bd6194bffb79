"""Rendering and its parts: packing, harmonics, occupancy, distortion."""

from __future__ import annotations

import math

import pytest
import torch

from sanerf_hq.kernels import distortion
from sanerf_hq.radiance.harmonics import spherical_harmonics
from sanerf_hq.radiance.network import bounded_exp
from sanerf_hq.radiance.occupancy import Occupancy


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


def slow_distortion(weights: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    return ((places[:, None] - places[None]).abs() * weights[:, None] * weights[None]).sum()


def test_distortion_equals_its_double_sum_and_so_does_its_gradient() -> None:
    counts = [4, 0, 1, 6]
    weights = torch.rand(sum(counts), requires_grad=True)
    places = torch.rand(sum(counts)).cumsum(0)
    firsts = torch.tensor([0, *counts]).cumsum(0)[:-1]
    info = torch.stack([firsts, torch.tensor(counts)], -1).int()
    losses = distortion(weights, places, info)
    slow = torch.stack([slow_distortion(weights[a : a + n], places[a : a + n]) for a, n in info.tolist()])
    assert torch.allclose(losses, slow, rtol=1e-4, atol=1e-6)
    scale = torch.tensor([1.0, 2.0, 3.0, 4.0])
    (ours,) = torch.autograd.grad((losses * scale).sum(), weights)
    (twin,) = torch.autograd.grad((slow * scale).sum(), weights)
    assert torch.allclose(ours, twin, rtol=1e-4, atol=1e-5)
