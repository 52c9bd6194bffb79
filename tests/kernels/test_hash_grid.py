from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from sanerf_hq.kernels import accumulate_table_gradient, hash_grid, hash_grid_layout, reference
from sanerf_hq.kernels.hash_grid import BLOCK, HashGridLayout

LAYOUTS = {
    "dense": hash_grid_layout(3, 2, 2, 14, coarsest=4, finest=8),
    "hashed": hash_grid_layout(3, 2, 2, 4, coarsest=8, finest=16),
    "dense and hashed": hash_grid_layout(3, 4, 2, 8, coarsest=4, finest=64),
    "one level": hash_grid_layout(3, 1, 2, 8, coarsest=5, finest=5),
    "one cell": hash_grid_layout(3, 1, 2, 3, coarsest=1, finest=1),
    "past 32 bits": hash_grid_layout(3, 3, 2, 10, coarsest=1289, finest=4096),
    "1 feature": hash_grid_layout(3, 3, 1, 8, coarsest=4, finest=32),
    "4 features": hash_grid_layout(3, 3, 4, 8, coarsest=4, finest=32),
    "8 features": hash_grid_layout(3, 2, 8, 8, coarsest=4, finest=32),
    "space and time": hash_grid_layout(4, 3, 2, 10, coarsest=3, finest=24, moments=7),
    "hardly any time": hash_grid_layout(4, 2, 2, 12, coarsest=3, finest=9),
}


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> HashGridLayout:
    return LAYOUTS[request.param]


def _points(layout: HashGridLayout) -> Tensor:
    """Points anywhere, at the cube's corners and centre, and on the cell borders of each level."""
    d = layout.n_dims
    corners = torch.tensor(list(itertools.product((0.0, 0.5, 1.0), repeat=d)))
    borders = [
        torch.rand(20, d).mul(torch.tensor(c) + 1).floor() / torch.tensor(c).clamp_min(1)
        for c in layout.cells
    ]
    return torch.cat([torch.rand(300, d), corners, *borders])


def _table(layout: HashGridLayout) -> Tensor:
    return torch.rand(layout.n_entries, layout.n_features) - 0.5


def _tolerance(layout: HashGridLayout) -> float:
    # A place within a cell is known as well as 32 bits hold resolution times position.
    return 1e-6 + 2 * max(layout.resolutions) * 2.0**-23


def _assert_same(mine: Tensor, theirs: Tensor, tolerance: float) -> None:
    scale = theirs.abs().max().clamp_min(1e-30)
    torch.testing.assert_close(mine / scale, theirs / scale, rtol=0.0, atol=tolerance)


def test_forward_and_gradients_equal_the_twin(layout: HashGridLayout, device: torch.device):
    x, table = _points(layout).to(device), _table(layout).to(device)
    upstream = torch.randn(x.shape[0], layout.n_outputs, device=device)
    results = []
    for op in (hash_grid, reference.hash_grid):
        leaves = x.clone().requires_grad_(), table.clone().requires_grad_()
        out = op(*leaves, layout)
        out.backward(upstream)
        results.append((out.detach(), leaves[0].grad, leaves[1].grad))
    for mine, theirs in zip(*results, strict=True):
        _assert_same(mine, theirs, _tolerance(layout))


def test_gradients_equal_finite_differences(layout: HashGridLayout, device: torch.device):
    cell = 1 / max(layout.resolutions)
    inside = torch.rand(50, layout.n_dims) * 0.8 + 0.1
    for r in layout.resolutions:  # a difference across a border is no derivative
        inside = ((inside * r).floor() + (inside * r).frac().clamp(0.2, 0.8)) / r
    x, table = inside.to(device), _table(layout).to(device)
    keep = torch.stack([((x * r).frac() - 0.5).abs().amax(-1) < 0.45 for r in layout.resolutions]).all(0)
    x = x[keep].contiguous().requires_grad_()
    assert x.shape[0] > 10
    table.requires_grad_()
    upstream = torch.randn(x.shape[0], layout.n_outputs, device=device)
    (hash_grid(x, table, layout) * upstream).sum().backward()
    assert x.grad is not None and table.grad is not None

    x64, table64 = x.detach().double(), table.detach().double()

    def value(points: Tensor, entries: Tensor) -> Tensor:
        return (reference.hash_grid(points, entries, layout) * upstream).sum(-1)

    step = 1e-3 * cell
    slopes = []
    for axis in torch.eye(layout.n_dims, dtype=torch.float64, device=device):
        difference = value(x64 + step * axis, table64) - value(x64 - step * axis, table64)
        slopes.append(difference / (2 * step))
    _assert_same(x.grad.double(), torch.stack(slopes, -1), 1e-5 + _tolerance(layout))

    direction = torch.randn_like(table64)
    rise = (value(x64, table64 + direction) - value(x64, table64 - direction)).sum() / 2
    torch.testing.assert_close((table.grad.double() * direction).sum(), rise, rtol=1e-4, atol=1e-3)


def test_a_linear_function_on_a_dense_level_is_interpolated_exactly(device: torch.device):
    layout = LAYOUTS["one level"]
    (r,) = layout.resolutions
    ticks = torch.arange(r + 1) / r
    z, y, x = torch.meshgrid(ticks, ticks, ticks, indexing="ij")  # the first axis varies fastest
    linear = torch.stack([1 + 2 * x - 3 * y + 0.5 * z, x - y - z], -1).view(-1, 2).to(device)
    points = _points(layout).to(device)
    a, b, c = points.unbind(-1)
    expected = torch.stack([1 + 2 * a - 3 * b + 0.5 * c, a - b - c], -1)
    torch.testing.assert_close(hash_grid(points, linear, layout), expected, rtol=0.0, atol=3e-6)
    points.requires_grad_()
    (slopes,) = torch.autograd.grad(hash_grid(points, linear, layout)[:, 0].sum(), points)
    torch.testing.assert_close(
        slopes, torch.tensor([2.0, -3.0, 0.5], device=device).expand_as(slopes), atol=1e-4, rtol=0
    )


def test_weights_of_a_point_sum_to_one(layout: HashGridLayout, device: torch.device):
    ones = torch.ones(layout.n_entries, layout.n_features, device=device)
    out = hash_grid(_points(layout).to(device), ones, layout)
    torch.testing.assert_close(out, torch.ones_like(out), rtol=0.0, atol=1e-6)


def test_no_points(layout: HashGridLayout, device: torch.device):
    x = torch.zeros(0, layout.n_dims, device=device, requires_grad=True)
    table = _table(layout).to(device).requires_grad_()
    out = hash_grid(x, table, layout)
    assert out.shape == (0, layout.n_outputs)
    out.sum().backward()
    assert x.grad is not None and x.grad.shape == x.shape
    assert table.grad is not None and not table.grad.any()


def test_one_point(layout: HashGridLayout, device: torch.device):
    x, table = torch.rand(1, layout.n_dims, device=device), _table(layout).to(device)
    _assert_same(hash_grid(x, table, layout), reference.hash_grid(x, table, layout), _tolerance(layout))


def test_a_point_that_is_not_a_number_harms_no_other(device: torch.device):
    layout = LAYOUTS["dense and hashed"]
    x, table = torch.rand(3, 3, device=device), _table(layout).to(device)
    alone = hash_grid(x, table, layout)
    x[1] = torch.tensor([float("nan"), float("inf"), -float("inf")])
    out = hash_grid(x, table, layout)
    assert out[1].isnan().all()
    assert torch.equal(out[::2], alone[::2])


def test_outside_the_nearest_cell_is_extrapolated(device: torch.device):
    layout, table = LAYOUTS["dense"], _table(LAYOUTS["dense"]).to(device)
    x = torch.rand(40, 3, device=device) * 1.4 - 0.2
    _assert_same(hash_grid(x, table, layout), reference.hash_grid(x, table, layout), _tolerance(layout))


@pytest.mark.parametrize("name", ["dense and hashed", "space and time"])
def test_threads_change_no_bit(name: str, set_threads):
    layout = LAYOUTS[name]
    x, table = torch.rand(BLOCK + 7, layout.n_dims), _table(layout)
    upstream = torch.randn(x.shape[0], layout.n_outputs)
    results = []
    for threads in (1, 2, 3):
        set_threads(threads)
        leaves = x.clone().requires_grad_(), table.clone().requires_grad_()
        out = hash_grid(*leaves, layout)
        out.backward(upstream)
        results.append((out.detach(), leaves[0].grad, leaves[1].grad))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert torch.equal(one, two)


def test_the_table_gradient_is_added_to_what_is_there(device: torch.device):
    layout = LAYOUTS["4 features"]
    x, upstream = torch.rand(100, 3, device=device), torch.randn(100, layout.n_outputs, device=device)
    once = torch.zeros(layout.n_entries, 4, device=device)
    accumulate_table_gradient(x, upstream, layout, once)
    twice = once.clone()
    accumulate_table_gradient(x, upstream, layout, twice)
    torch.testing.assert_close(twice, 2 * once, rtol=1e-5, atol=1e-5)
    # Weights of a point sum to one on each level, so nothing is lost on the way to the table.
    per_level = upstream.view(100, layout.n_levels, 4).sum(0)
    for level in range(layout.n_levels):
        begin, end = layout.offsets[level : level + 2]
        torch.testing.assert_close(once[begin:end].sum(0), per_level[level], rtol=1e-4, atol=1e-4)


def test_layout_of_levels():
    layout = hash_grid_layout(3, 3, 2, 15, coarsest=16, finest=64)
    assert layout.resolutions == (16, 32, 64)
    assert layout.dense == (True, False, False)  # 17³ = 4,913 and 33³ = 35,937 corners
    assert layout.offsets == (0, 4913, 4913 + 32768, 4913 + 2 * 32768)
    assert (layout.n_levels, layout.n_entries, layout.n_outputs) == (3, 4913 + 2 * 32768, 6)
    assert not any(LAYOUTS["past 32 bits"].dense)


@pytest.mark.parametrize(
    "wrong", [(2, 4, 2, 10), (3, 0, 2, 10), (3, 4, 0, 10), (3, 4, 17, 10), (3, 4, 2, 0), (3, 4, 2, 27)]
)
def test_a_layout_that_cannot_be(wrong: tuple[int, int, int, int]):
    with pytest.raises(ValueError, match="no hash grid of"):
        hash_grid_layout(*wrong, coarsest=4, finest=8)


def test_what_the_kernel_cannot_read_is_refused():
    layout = LAYOUTS["dense"]
    x, table = torch.rand(5, 3), _table(layout)
    upstream = torch.rand(5, layout.n_outputs)
    for arguments, message in (
        ((torch.rand(5, 4), table), r"x must be .*\(\?, 3\).*got .*\(5, 4\)"),
        ((x.double(), table), "float64"),
        ((torch.rand(3, 5).T, table), "strided"),
        ((x, table[:-1]), "table must be"),
    ):
        with pytest.raises(ValueError, match=message):
            hash_grid(*arguments, layout)
    with pytest.raises(ValueError, match="grad_out must be"):
        accumulate_table_gradient(x, upstream[:, :3].contiguous(), layout, torch.zeros_like(table))
    with pytest.raises(ValueError, match="grad_table must be"):
        accumulate_table_gradient(x, upstream, layout, torch.zeros(3, 2))
