from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sanerf_hq.kernels import distortion, reference

PACKED = {
    "many": ([[0, 7], [7, 1], [8, 0], [8, 30], [38, 2]], 40),
    "samples of no ray": ([[0, 5], [8, 4]], 14),
    "one sample": ([[0, 1]], 1),
    "empty rays": ([[0, 0], [0, 0]], 0),
}


@pytest.fixture(params=PACKED)
def packed(request: pytest.FixtureRequest, device: torch.device) -> tuple[Tensor, int]:
    rows, n_samples = PACKED[request.param]
    return torch.tensor(rows, dtype=torch.int32, device=device), n_samples


def _places(n_samples: int, device: torch.device) -> Tensor:
    return 3 + torch.rand(n_samples, device=device).cumsum(0)


def test_loss_and_gradient_equal_the_twin(packed: tuple[Tensor, int], device: torch.device):
    packed_info, n = packed
    places = _places(n, device)
    weights, upstream = torch.rand(n, device=device), torch.randn(packed_info.shape[0], device=device)
    mine, theirs = (weights.clone().requires_grad_() for _ in range(2))
    losses = [op(w, places, packed_info) for op, w in ((distortion, mine), (reference.distortion, theirs))]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-5)
    for loss in losses:
        loss.backward(upstream)
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-4)


def test_gradient_equals_finite_differences(device: torch.device):
    rows, n = PACKED["many"]
    packed_info = torch.tensor(rows, dtype=torch.int32, device=device)
    places = _places(n, device)
    weights = torch.rand(n, device=device, requires_grad=True)
    distortion(weights, places, packed_info).sum().backward()
    assert weights.grad is not None
    for k in range(0, n, 7):
        push = torch.zeros(n, dtype=torch.float64, device=device)
        push[k] = 1e-4
        values = [
            reference.distortion(weights.detach().double() + sign * push, places.double(), packed_info)
            for sign in (1, -1)
        ]
        slope = (values[0] - values[1]).sum() / 2e-4
        torch.testing.assert_close(weights.grad[k].double(), slope, rtol=1e-4, atol=1e-4)


def test_two_samples(device: torch.device):
    # w = (1/4, 3/4), 2 apart: 2 · 3/16 · 2
    weights, places = torch.tensor([[0.25, 0.75], [1.5, 3.5]], device=device)
    loss = distortion(weights, places, torch.tensor([[0, 2]], dtype=torch.int32, device=device))
    torch.testing.assert_close(loss, torch.tensor([0.75], device=device))


def test_a_thin_surface_is_less_spread_than_fog_wherever_it_is(device: torch.device):
    n = 100
    places = 150 + torch.linspace(0, 1, n, device=device)
    packed_info = torch.tensor([[0, n]], dtype=torch.int32, device=device)
    fog, surface = torch.full((n,), 1 / n, device=device), torch.zeros(n, device=device)
    surface[60] = 1.0
    spread = [float(distortion(weights, places, packed_info)) for weights in (fog, surface)]
    assert spread[0] == pytest.approx(1 / 3, rel=1e-2)  # two uniform points of [0, 1] lie 1/3 apart
    assert spread[1] == 0.0


def test_threads_change_no_bit(set_threads):
    counts = torch.randint(0, 6, (5000,), dtype=torch.int32)
    last = counts.cumsum(0, dtype=torch.int32)
    packed_info = torch.stack([last - counts, counts], -1)
    n = int(last[-1])
    places = _places(n, torch.device("cpu"))
    weights = torch.rand(n)
    results = []
    for threads in (1, 2):
        set_threads(threads)
        leaf = weights.clone().requires_grad_()
        losses = distortion(leaf, places, packed_info)
        losses.sum().backward()
        results.append((losses.detach(), leaf.grad))
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


def test_what_the_kernel_cannot_read_is_refused():
    places = _places(3, torch.device("cpu"))
    with pytest.raises(ValueError, match=r"places must be .*float32.*got .*float64"):
        distortion(torch.rand(3), places.double(), torch.tensor([[0, 3]], dtype=torch.int32))
