"""Densities as far as light gets: equal to the twin, which looks at all, and to a closed form."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sanerf_hq.kernels import HashGridLayout, hash_grid_layout, lit_densities, reference
from sanerf_hq.kernels.lit_densities import LANES

MOST, HIDDEN = 8.0, 7.0


def packed(counts: list[int]) -> Tensor:
    """First sample and number of samples of rays with so many."""
    numbers = torch.tensor(counts, dtype=torch.int64)
    return torch.stack([numbers.cumsum(0) - numbers, numbers], -1).int()


def case(counts: list[int], layout: HashGridLayout, scale: float, device: torch.device) -> tuple[Tensor, ...]:
    """Points, lengths, rays, table and network, drawn at random."""
    n, units = sum(counts), 24
    return tuple(
        part.to(device)
        for part in (
            torch.rand(n, layout.n_dims),
            0.05 * torch.rand(n),
            packed(counts),
            torch.randn(layout.n_entries, layout.n_features),
            scale * torch.randn(units, layout.n_outputs) / layout.n_outputs**0.5,
            torch.randn(units) / units**0.5,
        )
    )


@pytest.mark.parametrize("shape", [(3, 8, 4), (3, 16, 2), (4, 3, 2)])
@pytest.mark.parametrize("hidden", [0.3, 1e9])
def test_equal_to_the_twin(shape: tuple[int, int, int], hidden: float, device: torch.device) -> None:
    layout = hash_grid_layout(*shape, 10, 4, 64)
    counts = [int(count) for count in torch.randint(0, 30, (5 * LANES + 3,))]
    points, deltas, info, table, layer, head = case(counts, layout, 1.0, device)
    arguments = points, deltas, info, table, layout, layer, head, MOST, hidden
    (sigmas, light), (expected, expected_light) = (
        op(*arguments) for op in (lit_densities, reference.lit_densities)
    )
    # A ray whose thickness comes to just the limit may be cut one sample earlier or later by rounding.
    same = (sigmas > 0) == (expected > 0)
    assert float((~same).float().mean()) < 2e-3
    assert bool((sigmas == 0).any()) == (hidden < 1)
    torch.testing.assert_close(sigmas[same], expected[same], rtol=2e-4, atol=1e-6)
    torch.testing.assert_close(light[same], expected_light[same], rtol=2e-4, atol=2e-6)


def test_a_wall_hides_what_is_behind_it(device: torch.device) -> None:
    # A grid of one cell whose feature is x: σ = exp(min(10 x, 8)).
    layout = hash_grid_layout(3, 1, 1, 4, 1, 1)
    corners = torch.arange(layout.n_entries)
    table = (corners % 2).float()[:, None].to(device)
    x = torch.tensor([0.1, 0.2, 0.9, 0.1, 0.3, 0.0])
    points = torch.stack([x, torch.rand(6), torch.rand(6)], -1).to(device)
    info = torch.tensor([[0, 5], [5, 0], [5, 1]], dtype=torch.int32, device=device)
    deltas = torch.full((6,), 0.1, device=device)
    layer, head = torch.tensor([[10.0]], device=device), torch.tensor([1.0], device=device)
    sigmas, light = lit_densities(points, deltas, info, table, layout, layer, head, MOST, HIDDEN)
    expected = [math.exp(1), math.exp(2), math.exp(8), 0.0, 0.0, 1.0]
    torch.testing.assert_close(sigmas.cpu(), torch.tensor(expected), rtol=1e-5, atol=0)
    before = [0.0, expected[0], expected[0] + expected[1], sum(expected[:3]), sum(expected[:3]), 0.0]
    through = torch.tensor([math.exp(-0.1 * thickness) for thickness in before])
    torch.testing.assert_close(light.cpu(), through, rtol=1e-4, atol=1e-30)


def test_the_number_of_threads_does_not_matter(set_threads: Callable[[int], None]) -> None:
    layout = hash_grid_layout(3, 8, 4, 10, 4, 64)
    counts = [int(count) for count in torch.randint(0, 30, (40 * LANES,))]
    points, deltas, info, table, layer, head = case(counts, layout, 3.0, torch.device("cpu"))
    results = []
    for threads in (1, 2):
        set_threads(threads)
        results.append(lit_densities(points, deltas, info, table, layout, layer, head, MOST, HIDDEN))
    assert all(torch.equal(one, two) for one, two in zip(*results, strict=True))


@pytest.mark.parametrize("counts", [[], [0], [0, 0, 3], [1] * (LANES + 1)])
def test_any_number_of_rays(counts: list[int], device: torch.device) -> None:
    layout = hash_grid_layout(3, 2, 2, 8, 2, 16)
    points, deltas, info, table, layer, head = case(counts, layout, 1.0, device)
    arguments = points, deltas, info, table, layout, layer, head, MOST, HIDDEN
    for mine, theirs in zip(lit_densities(*arguments), reference.lit_densities(*arguments), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=2e-4, atol=1e-6)


def test_what_the_kernel_cannot_read_is_refused() -> None:
    layout = hash_grid_layout(3, 2, 2, 8, 2, 16)
    points, deltas, info, table, layer, head = case([3, 2], layout, 1.0, torch.device("cpu"))
    with pytest.raises(ValueError, match=r"deltas must be .*float64"):
        lit_densities(points, deltas.double(), info, table, layout, layer, head, MOST, HIDDEN)
    with pytest.raises(ValueError, match="layer must be"):
        lit_densities(points, deltas, info, table, layout, layer[:, :-1].contiguous(), head, MOST, HIDDEN)
