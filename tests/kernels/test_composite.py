from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sanerf_hq.kernels import accumulate, reference, render_weights


def _pack(counts: list[int], gap: int = 0) -> Tensor:
    """Rays of these numbers of samples, ``gap`` samples of no ray behind each."""
    ends = (torch.tensor(counts, dtype=torch.int32) + gap).cumsum(0, dtype=torch.int32) - gap
    return torch.stack(
        [ends - torch.tensor(counts, dtype=torch.int32), torch.tensor(counts, dtype=torch.int32)], -1
    )


RAYS = {
    "many": (_pack([7, 1, 0, 32, 3, 0, 65]), 108),
    "samples of no ray": (_pack([7, 0, 5], gap=3), 23),
    "one sample": (_pack([1]), 1),
    "empty rays": (_pack([0, 0, 0]), 0),
    "no rays": (torch.zeros(0, 2, dtype=torch.int32), 0),
    "no rays, some samples": (torch.zeros(0, 2, dtype=torch.int32), 4),
}
DENSITIES = {
    "thin": lambda n: torch.rand(n),
    "thick": lambda n: 300 * torch.rand(n),
    "huge": lambda n: torch.full((n,), 1e30),
    "zero": lambda n: torch.zeros(n),
    "mixed": lambda n: torch.rand(n) * torch.tensor([0.0, 1.0, 50.0, 1e20])[torch.randint(0, 4, (n,))],
}


@pytest.fixture(params=RAYS)
def rays(request: pytest.FixtureRequest, device: torch.device) -> tuple[Tensor, int]:
    packed_info, n_samples = RAYS[request.param]
    return packed_info.to(device), n_samples


def _assert_gradient(leaf: Tensor, other: Tensor) -> None:
    assert leaf.grad is not None and other.grad is not None
    torch.testing.assert_close(leaf.grad, other.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("density", DENSITIES)
def test_weights_and_their_gradient_equal_the_twin(
    density: str, rays: tuple[Tensor, int], device: torch.device
):
    packed_info, n = rays
    deltas = torch.rand(n).mul(torch.randint(0, 2, (n,))).to(device)  # some of them zero
    upstream = torch.randn(n, device=device)
    leaves = [DENSITIES[density](n).to(device).requires_grad_() for _ in range(1)]
    leaves.append(leaves[0].detach().clone().requires_grad_())
    outs = [
        op(leaf, deltas, packed_info)
        for op, leaf in zip((render_weights, reference.render_weights), leaves, strict=True)
    ]
    torch.testing.assert_close(outs[0], outs[1], rtol=1e-5, atol=1e-6)
    for out in outs:
        out.backward(upstream)
    _assert_gradient(*leaves)


@pytest.mark.parametrize("channels", [1, 4, 16])
def test_sums_and_their_gradients_equal_the_twin(
    channels: int, rays: tuple[Tensor, int], device: torch.device
):
    packed_info, n = rays
    weights, values = torch.rand(n, device=device), torch.randn(n, channels, device=device)
    upstream = torch.randn(packed_info.shape[0], channels, device=device)
    results = []
    for op in (accumulate, reference.accumulate):
        leaves = weights.clone().requires_grad_(), values.clone().requires_grad_()
        out = op(*leaves, packed_info)
        out.backward(upstream)
        results.append((out.detach(), leaves))
    (mine, my_leaves), (theirs, their_leaves) = results
    assert mine.shape == (packed_info.shape[0], channels)
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
    for one, two in zip(my_leaves, their_leaves, strict=True):
        _assert_gradient(one, two)


def test_gradients_through_both_equal_finite_differences(device: torch.device):
    packed_info, n = RAYS["many"]
    packed_info = packed_info.to(device)
    sigmas = (3 * torch.rand(n, device=device)).requires_grad_()
    values = torch.randn(n, 4, device=device, requires_grad=True)
    deltas, upstream = torch.rand(n, device=device), torch.randn(packed_info.shape[0], 4, device=device)
    (accumulate(render_weights(sigmas, deltas, packed_info), values, packed_info) * upstream).sum().backward()
    assert sigmas.grad is not None and values.grad is not None

    def loss(s: Tensor, v: Tensor) -> Tensor:
        weights = reference.render_weights(s, deltas.double(), packed_info)
        return (reference.accumulate(weights, v, packed_info) * upstream).sum()

    s64, v64 = sigmas.detach().double(), values.detach().double()
    step = 1e-5
    for k in range(0, n, 9):
        push = torch.zeros_like(s64)
        push[k] = step
        slope = (loss(s64 + push, v64) - loss(s64 - push, v64)) / (2 * step)
        torch.testing.assert_close(sigmas.grad[k].double(), slope, rtol=1e-4, atol=1e-5)
    direction = torch.randn_like(v64)
    slope = (loss(s64, v64 + direction) - loss(s64, v64 - direction)) / 2
    torch.testing.assert_close((values.grad.double() * direction).sum(), slope, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("thickness", [0.0, 1e-4, 1.0, 80.0])
def test_constant_density(thickness: float, device: torch.device):
    n = 50
    sigmas, deltas = torch.full((n,), 2.0, device=device), torch.full((n,), thickness / 2 / n, device=device)
    packed_info = _pack([n]).to(device)
    weights = render_weights(sigmas, deltas, packed_info)
    opacity = 1 - torch.exp(torch.tensor([[-thickness]], device=device))
    torch.testing.assert_close(
        accumulate(weights, torch.ones(n, 1, device=device), packed_info), opacity, rtol=1e-4, atol=1e-6
    )
    if thickness:
        # Each interval lets the same part through, so weights fall by the same factor.
        expected = weights[0] * torch.exp(-thickness / n * torch.arange(n, device=device))
        torch.testing.assert_close(weights, expected, rtol=1e-3, atol=1e-7)


def test_a_wall_hides_what_is_behind_it(device: torch.device):
    sigmas = torch.tensor([0.0, 1e10, 5.0, 1e10], device=device)
    weights = render_weights(sigmas, torch.ones(4, device=device), _pack([4]).to(device))
    assert weights.tolist() == [0.0, 1.0, 0.0, 0.0]


def test_a_ray_that_is_not_a_number_harms_no_other(device: torch.device):
    sigmas = torch.tensor([1.0, float("nan"), 1.0], device=device)
    weights = render_weights(sigmas, torch.ones(3, device=device), _pack([1, 1, 1]).to(device))
    assert weights.isnan().tolist() == [False, True, False]


def test_threads_change_no_bit(set_threads):
    counts = torch.randint(0, 6, (9000,)).tolist()
    packed_info, n = _pack(counts), sum(counts)
    sigmas, deltas, values = 3 * torch.rand(n), torch.rand(n), torch.randn(n, 4)
    upstream = torch.randn(len(counts), 4)
    results = []
    for threads in (1, 2, 3):
        set_threads(threads)
        leaves = sigmas.clone().requires_grad_(), values.clone().requires_grad_()
        out = accumulate(render_weights(leaves[0], deltas, packed_info), leaves[1], packed_info)
        out.backward(upstream)
        results.append((out.detach(), leaves[0].grad, leaves[1].grad))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert torch.equal(one, two)


def test_what_the_kernels_cannot_read_is_refused():
    packed_info, n = RAYS["many"]
    sigmas, values = torch.rand(n), torch.rand(n, 4)
    with pytest.raises(ValueError, match=r"sigmas must be .*float32.*got .*float64"):
        render_weights(sigmas.double(), sigmas, packed_info)
    with pytest.raises(ValueError, match="strided"):
        render_weights(sigmas, torch.rand(n, 2)[:, 0], packed_info)
    with pytest.raises(ValueError, match="strided"):
        accumulate(sigmas, values.T.contiguous().T, packed_info)
