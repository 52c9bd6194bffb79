from __future__ import annotations

import pytest
import torch

from sanerf_hq.kernels import adam_rows
from sanerf_hq.kernels.adam import BLOCK, GRAIN


@pytest.mark.parametrize("n_features", [1, 2, 4])
def test_dense_gradients_equal_torch(n_features: int, device: torch.device):
    table = torch.randn(300, n_features, device=device)
    theirs = table.clone().requires_grad_()
    optimiser = torch.optim.Adam([theirs], lr=0.02, betas=(0.8, 0.95), eps=1e-8)
    first, second = torch.zeros_like(table), torch.zeros_like(table)
    for step in range(1, 6):
        gradient = torch.randn_like(table)
        theirs.grad = gradient.clone()
        optimiser.step()
        adam_rows(table, gradient, first, second, step, lr=0.02, betas=(0.8, 0.95), eps=1e-8)
        assert not gradient.any()
        torch.testing.assert_close(table, theirs.detach(), rtol=1e-5, atol=1e-6)


def test_rows_without_gradient_stay_as_they_are(device: torch.device):
    table, first, second = (torch.rand(200, 2, device=device) for _ in range(3))
    before = [part.clone() for part in (table, first, second)]
    gradient = torch.zeros_like(table)
    gradient[::3, 1] = -1.0  # one number of the row is enough
    gradient[1] = 1e-30  # its square is not a number of 32 bits
    moved = gradient.any(-1)
    adam_rows(table, gradient, first, second, step=7, lr=0.1)
    for now, then in zip((table, first, second), before, strict=True):
        assert torch.equal(now[~moved], then[~moved])
        assert bool((now[moved] != then[moved]).any(-1).all())
    assert not gradient.any()


def test_a_first_step_is_of_the_learning_rate(device: torch.device):
    table = torch.zeros(2, 2, device=device)
    gradient = torch.tensor([[1e-6, -3.0], [0.0, 1e6]], device=device)
    adam_rows(table, gradient, torch.zeros_like(table), torch.zeros_like(table), step=1, lr=0.1)
    torch.testing.assert_close(table, torch.tensor([[-0.1, 0.1], [0.0, -0.1]], device=device))


def test_a_gradient_that_is_not_a_number_shows(device: torch.device):
    table, gradient = torch.zeros(3, 2, device=device), torch.ones(3, 2, device=device)
    gradient[1, 0] = float("nan")
    adam_rows(table, gradient, torch.zeros_like(table), torch.zeros_like(table), step=1, lr=0.1)
    assert table.isnan().tolist() == [[False, False], [True, False], [False, False]]


def test_an_empty_table(device: torch.device):
    empty = torch.zeros(0, 2, device=device)
    adam_rows(empty, empty.clone(), empty.clone(), empty.clone(), step=1, lr=0.1)


def test_threads_change_no_bit(set_threads):
    rows = 2 * BLOCK * GRAIN + 5
    start, gradient = torch.randn(rows, 2), torch.randn(rows, 2) * (torch.rand(rows, 1) < 0.5)
    results = []
    for threads in (1, 2):
        set_threads(threads)
        table, first, second = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
        adam_rows(table, gradient.clone(), first, second, step=1, lr=0.1)
        results.append(torch.stack([table, first, second]))
    assert torch.equal(*results)


def test_what_the_kernel_cannot_read_is_refused():
    table = torch.zeros(4, 2)
    with pytest.raises(ValueError, match=r"second must be .*float32.*got .*float64"):
        adam_rows(table, table.clone(), table.clone(), table.double(), step=1, lr=0.1)
