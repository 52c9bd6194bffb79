from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sanerf_hq.geometry import contract, to_unit
from sanerf_hq.kernels import MarchConfig, RaySamples, ray_march, reference
from sanerf_hq.kernels.ray_march import GRAIN, LANES, MAX_SIDE, MAX_STEPS

CONFIGS = {
    "default": MarchConfig(),
    "coarse": MarchConfig(near=0.2, far=20.0, step=1 / 16),
    "cone": MarchConfig(near=0.05, far=50.0, step=1 / 64, cone=1 / 32),
    "inside the cube": MarchConfig(near=0.01, far=0.3, step=1 / 100),
    "one interval": MarchConfig(near=1.0, far=1.001, step=0.5),
}
PLENTY = 10**6


def _rays(n_rays: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rays from inside and outside the uncontracted cube; some lie in a face or along an axis."""
    rays_o = torch.randn(n_rays, 3) * torch.tensor([0.3, 1.0, 3.0])[torch.randint(0, 3, (n_rays,)), None]
    rays_d = torch.nn.functional.normalize(torch.randn(n_rays, 3), dim=-1)
    axes = torch.cat([torch.eye(3), -torch.eye(3)])
    along = axes[: max(0, min(6, n_rays))]
    rays_d[: along.shape[0]] = along
    rays_o[: min(3, n_rays)] = 0.0
    rays_o[4:6] = torch.tensor([1.0, -1.0, 1.0])
    jitter = torch.rand(n_rays)
    jitter[1::7] = 0.0
    jitter[2::7] = 1 - 2**-24
    return rays_o, rays_d, jitter


def _grid(kind: str, side: int = 32) -> Tensor:
    grid = torch.zeros(side, side, side, dtype=torch.uint8)
    if kind == "full":
        grid[:] = 1
    elif kind == "random":
        grid[torch.rand(grid.shape) < 0.2] = 255
    elif kind == "far":
        grid[0] = 1
        grid[:, -1] = 1
    return grid


def _fields(samples: RaySamples) -> list[Tensor]:
    n = int(samples.n_samples)  # on a GPU the rows beyond mean nothing
    per_sample = [samples.ray_indices, samples.t_starts, samples.t_ends, samples.unit_points]
    return [*(values[:n] for values in per_sample), samples.packed_info, samples.n_samples, samples.n_dropped]


def _assert_same(mine: RaySamples, theirs: RaySamples) -> None:
    exact = mine.t_starts.device.type == "cpu"
    for one, two in zip(_fields(mine), _fields(theirs), strict=True):
        if exact:
            assert torch.equal(one, two)
        else:
            torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("grid", ["full", "empty", "random", "far"])
@pytest.mark.parametrize("config", CONFIGS)
def test_samples_equal_the_twin(config: str, grid: str, device: torch.device):
    arguments = [part.to(device) for part in (*_rays(150), _grid(grid))]
    mine = ray_march(*arguments, CONFIGS[config], PLENTY)
    _assert_same(mine, reference.ray_march(*arguments, CONFIGS[config], PLENTY))
    assert int(mine.n_dropped) == 0
    assert (int(mine.n_samples) == 0) == (grid == "empty" or (grid == "far" and config == "inside the cube"))


@pytest.mark.parametrize("n_rays", [0, 1, LANES - 1, LANES, LANES + 1])
@pytest.mark.parametrize("side", [1, 5])
def test_any_number_of_rays_and_cells(n_rays: int, side: int, device: torch.device):
    arguments = [part.to(device) for part in (*_rays(n_rays), _grid("full", side))]
    mine = ray_march(*arguments, CONFIGS["coarse"], PLENTY)
    _assert_same(mine, reference.ray_march(*arguments, CONFIGS["coarse"], PLENTY))
    assert mine.packed_info.shape == (n_rays, 2)
    assert bool((mine.packed_info[:, 1] > 0).all())


@pytest.mark.parametrize("config", CONFIGS)
def test_intervals_tile_each_ray_of_a_full_grid(config: str, device: torch.device):
    settings = CONFIGS[config]
    rays_o, rays_d, jitter = (part.to(device) for part in _rays(40))
    samples = ray_march(rays_o, rays_d, jitter, _grid("full").to(device), settings, PLENTY)
    at_near = rays_o + settings.near * rays_d
    m = at_near.abs().amax(-1).clamp_min(1.0)
    first_interval = (settings.step * m * m).clamp_min(settings.cone * settings.near)
    for ray, (begin, count) in enumerate(samples.packed_info.tolist()):
        starts, ends = samples.t_starts[begin : begin + count], samples.t_ends[begin : begin + count]
        expected = settings.near + jitter[ray] * first_interval[ray]
        if count == 0:
            assert expected >= settings.far
            continue
        torch.testing.assert_close(starts[0], expected, rtol=1e-6, atol=1e-6)
        assert torch.equal(starts[1:], ends[:-1])
        assert bool((ends > starts).all())
        assert starts[-1] < settings.far <= ends[-1]


def test_steps_are_constant_in_the_contracted_cube(device: torch.device):
    config = CONFIGS["coarse"]
    o, d = torch.zeros(1, 3, device=device), torch.tensor([[0.0, -1.0, 0.0]], device=device)
    samples = ray_march(o, d, torch.zeros(1, device=device), _grid("full").to(device), config, PLENTY)
    inside = samples.t_ends <= 1
    lengths = samples.t_ends - samples.t_starts
    torch.testing.assert_close(
        lengths[inside], torch.full_like(lengths[inside], config.step), rtol=1e-5, atol=0
    )
    # Outside, m is taken to 2 - 1/m: a step of step · m² there moves it by step / (1 + step · m).
    outside = samples.t_starts >= 1
    m = samples.t_starts[outside]
    moved = contract(samples.t_ends[outside, None] * d) - contract(m[:, None] * d)
    torch.testing.assert_close(moved.norm(dim=-1), config.step / (1 + config.step * m), rtol=1e-4, atol=1e-6)
    assert int(inside.sum()) > 5 and int(outside.sum()) > 5


def test_a_step_is_never_finer_than_the_cone(device: torch.device):
    config = CONFIGS["cone"]
    arguments = [part.to(device) for part in (*_rays(40), _grid("full"))]
    samples = ray_march(*arguments, config, PLENTY)
    lengths = samples.t_ends - samples.t_starts
    assert bool((lengths >= config.cone * samples.t_starts * (1 - 1e-4)).all())
    assert bool((lengths >= config.step * (1 - 1e-3)).all())


def test_samples_lie_in_occupied_cells_in_order(device: torch.device):
    grid = _grid("random").to(device)
    rays_o, rays_d, jitter = (part.to(device) for part in _rays(100))
    samples = ray_march(rays_o, rays_d, jitter, grid, CONFIGS["cone"], PLENTY)
    rays = samples.ray_indices.long()
    middles = rays_o[rays] + (0.5 * (samples.t_starts + samples.t_ends))[:, None] * rays_d[rays]
    torch.testing.assert_close(samples.unit_points, to_unit(contract(middles)), rtol=0.0, atol=1e-6)
    i, j, k = (samples.unit_points * 32).long().clamp(0, 31).unbind(-1)
    assert bool((grid[i, j, k] != 0).all())
    assert bool((rays.diff() >= 0).all())
    same_ray = rays.diff() == 0
    assert bool((samples.t_starts.diff()[same_ray] > 0).all())
    assert torch.equal(samples.packed_info[:, 1].long(), torch.bincount(rays, minlength=100))
    counts = samples.packed_info[:, 1]
    filled = counts > 0
    assert torch.equal(samples.packed_info[filled, 0], (counts.cumsum(0) - counts)[filled].int())


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_rays_past_the_capacity_are_dropped_and_counted(share: float, device: torch.device):
    arguments = [part.to(device) for part in (*_rays(80), _grid("random"))]
    free = ray_march(*arguments, CONFIGS["coarse"], PLENTY)
    capacity = int(share * int(free.n_samples))
    tight = ray_march(*arguments, CONFIGS["coarse"], capacity)
    _assert_same(tight, reference.ray_march(*arguments, CONFIGS["coarse"], capacity))
    fits = free.packed_info[:, 1].cumsum(0) <= capacity
    assert int(tight.n_dropped) == int((~fits).sum())
    assert int(tight.n_samples) == int(free.packed_info[fits, 1].sum()) <= capacity
    assert not tight.packed_info[~fits].any()
    for kept, whole in zip(_fields(tight)[:4], _fields(free)[:4], strict=True):
        assert torch.equal(kept, whole[: int(tight.n_samples)])


def test_a_ray_that_never_ends_stops(device: torch.device):
    config = MarchConfig(near=0.1, far=1e9, step=1e-5)
    o, d = torch.zeros(1, 3, device=device), torch.tensor([[0.0, 0.0, 1.0]], device=device)
    samples = ray_march(o, d, torch.zeros(1, device=device), _grid("full").to(device), config, PLENTY)
    assert int(samples.n_samples) == MAX_STEPS


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_ray_that_is_not_a_number_harms_no_other(bad: float, device: torch.device):
    rays_o, rays_d, jitter = (part.to(device) for part in _rays(40))
    grid = _grid("random").to(device)
    alone = ray_march(rays_o, rays_d, jitter, grid, CONFIGS["coarse"], PLENTY)
    broken = rays_o.clone()
    broken[10] = bad
    samples = ray_march(broken, rays_d, jitter, grid, CONFIGS["coarse"], PLENTY)
    for ray in (9, 11, 39):
        a, b = ((s, *s.packed_info[ray].tolist()) for s in (alone, samples))
        assert torch.equal(a[0].t_starts[a[1] : a[1] + a[2]], b[0].t_starts[b[1] : b[1] + b[2]])


def test_threads_change_no_bit(set_threads):
    arguments = (*_rays(3 * LANES * GRAIN + 5), _grid("random"))
    results = []
    for threads in (1, 2, 3):
        set_threads(threads)
        results.append(ray_march(*arguments, CONFIGS["default"], PLENTY))
    _assert_same(results[0], results[1])
    _assert_same(results[0], results[2])


@pytest.mark.parametrize(
    "wrong",
    [
        {"near": 0.0},
        {"near": 300.0},
        {"step": 0.0},
        {"cone": -1.0},
        {"near": float("nan")},
        {"step": float("nan")},
    ],
)
def test_a_march_that_cannot_be(wrong: dict[str, float]):
    with pytest.raises(ValueError, match="no rays can be marched"):
        ray_march(*_rays(4), _grid("full"), replace(MarchConfig(), **wrong), PLENTY)


def test_what_the_kernel_cannot_read_is_refused():
    rays_o, rays_d, jitter = _rays(4)
    grid = _grid("full")
    with pytest.raises(ValueError, match=r"rays_o must be .*float32.*got .*float64"):
        ray_march(rays_o.double(), rays_d, jitter, grid, MarchConfig(), PLENTY)
    with pytest.raises(ValueError, match="strided"):
        ray_march(rays_o, torch.rand(3, 4).T, jitter, grid, MarchConfig(), PLENTY)
    with pytest.raises(ValueError, match=f"1 to {MAX_SIDE} cells a side, got 0"):
        ray_march(rays_o, rays_d, jitter, torch.zeros(0, 0, 0, dtype=torch.uint8), MarchConfig(), PLENTY)
    with pytest.raises(ValueError, match="capacity -1"):
        ray_march(rays_o, rays_d, jitter, grid, MarchConfig(), -1)
