"""The kernels' specification: the same functions in plain, vectorised, differentiable PyTorch."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int32, UInt8
from torch import Tensor

from sanerf_hq.geometry import contract, to_unit
from sanerf_hq.kernels.choose_samples import BY_LENGTH, HIDDEN_LIGHT, LEAST, SLACK
from sanerf_hq.kernels.hash_grid import HashGridLayout
from sanerf_hq.kernels.ray_march import MAX_STEPS, MarchConfig, RaySamples, pack

HASH_PRIMES = (1, 2654435761, 805459861, 3674653429)
OPAQUE = 1e3  # lets exp(-1000) = 0 through; more would cost the running sum its digits


def hash_grid(
    x: Float[Tensor, "n_points n_dims"],
    table: Float[Tensor, "n_entries n_features"],
    layout: HashGridLayout,
) -> Float[Tensor, "n_points n_outputs"]:
    """See :func:`sanerf_hq.kernels.hash_grid.hash_grid`."""
    outputs = []
    bits = torch.arange(2**layout.n_dims, device=x.device)
    steps = (bits[:, None] >> torch.arange(layout.n_dims, device=x.device)) & 1  # corners, dims
    for level, cells in enumerate(layout.cells):
        begin, end = layout.offsets[level : level + 2]
        counts = torch.tensor(cells, device=x.device)
        base = torch.minimum((x.detach() * counts).floor(), counts - 1.0).clamp_min(0)
        frac = x * counts - base
        corner = base.long()[:, None] + torch.minimum(steps, counts)  # points, corners, dims
        if layout.dense[level]:
            sides = torch.tensor([1, *(count + 1 for count in cells[:-1])], device=x.device)
            index = (corner * sides.cumprod(0)).sum(-1)
        else:
            index = corner[..., 0] * HASH_PRIMES[0]
            for d in range(1, layout.n_dims):
                index = index ^ (corner[..., d] * HASH_PRIMES[d] & 0xFFFFFFFF)
            index = index & (end - begin - 1)
        weights = torch.where(steps.bool(), frac[:, None], 1 - frac[:, None]).prod(-1)
        outputs.append((weights[..., None] * table[begin + index]).sum(1))
    return torch.cat(outputs, -1)


def ray_march(
    rays_o: Float[Tensor, "n_rays 3"],
    rays_d: Float[Tensor, "n_rays 3"],
    jitter: Float[Tensor, "n_rays"],
    occupied: UInt8[Tensor, "side side side"],
    config: MarchConfig,
    capacity: int,
) -> RaySamples:
    """See :func:`sanerf_hq.kernels.ray_march.ray_march`; all rays take each step together."""
    n_rays, side = rays_o.shape[0], occupied.shape[0]

    def interval(t: Tensor) -> Tensor:
        m = (rays_o + t[:, None] * rays_d).abs().amax(-1).clamp_min(1.0)
        return torch.maximum(config.cone * t, config.step * m * m)

    near = torch.full((n_rays,), config.near, device=rays_o.device)
    t = near + jitter * interval(near)
    starts, lengths, hits, points = [], [], [], []
    for _ in range(MAX_STEPS):
        alive = t < config.far
        if not alive.any():
            break
        dt = interval(t)
        unit = to_unit(contract(rays_o + (t + 0.5 * dt)[:, None] * rays_d))
        i, j, k = (unit * side).long().clamp(0, side - 1).unbind(-1)
        starts.append(t)
        lengths.append(dt)
        points.append(unit)
        hits.append(alive & (occupied[i, j, k] != 0))
        t = torch.where(alive, t + dt, t)
    shape = (n_rays, len(starts))
    hit = torch.stack(hits, 1) if hits else torch.zeros(shape, dtype=torch.bool, device=t.device)
    packed_info, n_samples, n_dropped = pack(hit.sum(1, dtype=torch.int32), capacity)
    hit = hit & (packed_info[:, 1] > 0)[:, None]
    if not starts:
        empty = torch.zeros(0, device=t.device)
        return RaySamples(empty.int(), empty, empty, empty.view(0, 3), packed_info, n_samples, n_dropped)
    ray_indices = torch.arange(n_rays, device=t.device, dtype=torch.int32)[:, None].expand(shape)[hit]
    t_starts = torch.stack(starts, 1)[hit]
    t_ends = t_starts + torch.stack(lengths, 1)[hit]
    unit_points = torch.stack(points, 1)[hit]
    return RaySamples(ray_indices, t_starts, t_ends, unit_points, packed_info, n_samples, n_dropped)


def _segments(packed_info: Int32[Tensor, "n_rays 2"], n_samples: int) -> Tensor:
    """Ray of each sample, and ``n_rays`` for samples of no ray."""
    n_rays = packed_info.shape[0]
    owner = torch.full((n_samples,), n_rays, dtype=torch.int64, device=packed_info.device)
    rays = torch.repeat_interleave(torch.arange(n_rays, device=packed_info.device), packed_info[:, 1].long())
    within = torch.arange(rays.shape[0], device=packed_info.device)
    firsts = packed_info[:, 1].long().cumsum(0) - packed_info[:, 1]
    owner[packed_info[rays, 0].long() + within - firsts[rays]] = rays
    return owner


def render_weights(
    sigmas: Float[Tensor, "n_samples"],
    deltas: Float[Tensor, "n_samples"],
    packed_info: Int32[Tensor, "n_rays 2"],
) -> Float[Tensor, "n_samples"]:
    """See :func:`sanerf_hq.kernels.composite.render_weights`; transmittance by a running sum in float64."""
    owner = _segments(packed_info, sigmas.shape[0])
    thickness = (sigmas * deltas).double().clamp_max(OPAQUE)
    trans = torch.exp(-_before(thickness, owner, packed_info))
    inside = owner < packed_info.shape[0]
    return torch.where(inside, trans * -torch.expm1(-thickness), torch.zeros_like(trans)).to(sigmas.dtype)


@torch.no_grad()
def lit_densities(
    unit_points: Float[Tensor, "n_samples n_dims"],
    deltas: Float[Tensor, "n_samples"],
    packed_info: Int32[Tensor, "n_rays 2"],
    table: Float[Tensor, "n_entries n_features"],
    layout: HashGridLayout,
    layer: Float[Tensor, "n_units n_encoding"],
    head: Float[Tensor, "n_units"],
    most: float,
    hidden: float,
) -> tuple[Float[Tensor, "n_samples"], Float[Tensor, "n_samples"]]:
    """See :func:`sanerf_hq.kernels.lit_densities.lit_densities`; all are looked at, then some forgotten."""
    features = hash_grid(unit_points, table, layout)
    sigmas = ((features @ layer.T).clamp_min(0) @ head).clamp_max(most).exp()
    owner = _segments(packed_info, sigmas.shape[0])
    before = _before((sigmas * deltas).double(), owner, packed_info)
    lit = before < hidden
    light = torch.exp(-_before((sigmas * deltas * lit).double(), owner, packed_info))
    return torch.where(lit, sigmas, 0.0), light.float()


def _before(
    values: Float[Tensor, "n_samples"], owner: Tensor, packed_info: Int32[Tensor, "n_rays 2"]
) -> Float[Tensor, "n_samples"]:
    """Sum of the values before each on its ray."""
    before = values.cumsum(0) - values
    at_start = before.new_zeros(packed_info.shape[0] + 1)
    filled = packed_info[:, 1] > 0
    at_start[:-1][filled] = before[packed_info[filled, 0].long()]
    return before - at_start[owner]


@torch.no_grad()
def allot_samples(
    sigmas: Float[Tensor, "n_candidates"],
    light: Float[Tensor, "n_candidates"],
    deltas: Float[Tensor, "n_candidates"],
    packed_info: Int32[Tensor, "n_rays 2"],
    lots: Float[Tensor, "n_rays"],
    samples_a_ray: float,
    closed: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """See :func:`sanerf_hq.kernels.choose_samples.allot_samples`."""
    n_rays = packed_info.shape[0]
    owner = _segments(packed_info, sigmas.shape[0])

    def shares(values: Tensor) -> Tensor:
        sums = torch.zeros(n_rays, device=values.device).index_add_(0, owner, values)
        return values / sums.clamp_min(LEAST)[owner]

    weights = light * -torch.expm1(-sigmas * deltas)
    if closed:
        first, count = packed_info.long().unbind(-1)
        last = (first + count - 1)[count > 0]
        sums = torch.zeros(n_rays, device=weights.device).index_add_(0, owner, weights)
        weights[last] += (1 - sums[owner[last]]).clamp_min(0)
    reached = torch.where(light > HIDDEN_LIGHT, deltas, 0.0)
    wanted = samples_a_ray * shares((1 - BY_LENGTH) * shares(weights) + BY_LENGTH * shares(reached))
    before = _before(wanted.double(), owner, packed_info)
    lot = lots.double()[owner] + SLACK
    counts = ((before + wanted + lot).floor() - (before + lot).floor()).int()
    totals = torch.zeros(n_rays, dtype=torch.int32, device=counts.device).index_add_(0, owner, counts)
    return wanted, counts, totals


@torch.no_grad()
def place_samples(
    distances: Float[Tensor, "n_candidates"],
    lengths: Float[Tensor, "n_candidates"],
    candidate_info: Int32[Tensor, "n_rays 2"],
    wanted: Float[Tensor, "n_candidates"],
    counts: Int32[Tensor, "n_candidates"],
    rays_o: Float[Tensor, "n_rays 3"],
    rays_d: Float[Tensor, "n_rays 3"],
    packed_info: Int32[Tensor, "n_rays 2"],
    jitter: Float[Tensor, "n_samples"],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See :func:`sanerf_hq.kernels.choose_samples.place_samples`."""
    owner = _segments(candidate_info, len(distances))
    parents = torch.arange(len(counts), device=counts.device).repeat_interleave(counts.long())
    rank = torch.arange(len(parents), device=counts.device) - (counts.cumsum(0) - counts)[parents]
    along = (rank + jitter) / counts[parents] - 0.5
    placed = distances[parents] + along * lengths[parents]
    parts = torch.where(wanted[parents] < 1, wanted[parents], counts[parents].float())
    rays = owner[parents]
    points = to_unit(contract(rays_o[rays] + placed[:, None] * rays_d[rays]))
    return rays.int(), placed, lengths[parents] / parts, points


def accumulate(
    weights: Float[Tensor, "n_samples"],
    values: Float[Tensor, "n_samples channels"],
    packed_info: Int32[Tensor, "n_rays 2"],
) -> Float[Tensor, "n_rays channels"]:
    """See :func:`sanerf_hq.kernels.composite.accumulate`."""
    owner = _segments(packed_info, weights.shape[0])
    out = values.new_zeros(packed_info.shape[0] + 1, values.shape[1])
    return out.index_add(0, owner, weights[:, None] * values)[:-1]


def distortion(
    weights: Float[Tensor, "n_samples"],
    places: Float[Tensor, "n_samples"],
    packed_info: Int32[Tensor, "n_rays 2"],
) -> Float[Tensor, "n_rays"]:
    """See :func:`sanerf_hq.kernels.distortion.distortion`; over all pairs of samples of a ray."""
    owner = _segments(packed_info, weights.shape[0])
    firsts, counts = torch.cat([packed_info, packed_info.new_zeros(1, 2)]).long()[owner].unbind(-1)
    left = torch.repeat_interleave(torch.arange(weights.shape[0], device=weights.device), counts)
    pairs_before = counts.cumsum(0) - counts
    right = firsts[left] + torch.arange(left.shape[0], device=weights.device) - pairs_before[left]
    apart = weights[left] * weights[right] * (places[left] - places[right]).abs()
    out = weights.new_zeros(packed_info.shape[0] + 1)
    return out.index_add(0, owner[left], apart)[:-1]
