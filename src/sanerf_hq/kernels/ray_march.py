"""Occupancy ray march in contracted space: packed samples by count, scan and fill.

A ray is cut into intervals [t, t + dt] from ``near`` to ``far``, dt = max(cone · t, step · m²) with
m = max(1, |x(t)|∞): constant in the contracted cube, where radial lengths shrink by m², and never finer
than a pixel's cone. An interval becomes a sample if the grid cell at its middle is occupied. The order of
samples is the order of rays and of t, whatever the number of threads.
:mod:`sanerf_hq.kernels.reference` is the specification.
"""

import functools
import math
import typing
from dataclasses import dataclass
from typing import Any

import torch
import warp as wp
from jaxtyping import Float, Int32, UInt8
from torch import Tensor

from sanerf_hq.kernels import runtime
from sanerf_hq.kernels.contraction import contract_to_unit, larger, magnitude, smaller

MAX_STEPS = 4096
MAX_SIDE = 1024  # of the grid: its cells are numbered in 32 bits
LANES = 32  # rays that a CPU work item marches side by side, so that a step is a few vector instructions
GRAIN = 4  # work items worth a thread


@dataclass(frozen=True)
class MarchConfig:
    """Where and how finely rays are sampled, in field units (cameras lie about 2 from the origin).

    Attributes:
        near: Distance at which sampling starts.
        far: Distance at which it ends.
        step: Interval length inside the uncontracted cube.
        cone: Interval length per distance, where that is longer.
    """

    near: float = 0.1
    far: float = 200.0
    step: float = 4.0 / 768.0
    cone: float = 0.0


@dataclass(frozen=True)
class RaySamples:
    """Samples of a batch of rays, packed one ray after the other (nerfacc's words).

    Attributes:
        ray_indices: Ray of each sample.
        t_starts: Start of each interval, distance along the ray.
        t_ends: End of each interval.
        unit_points: Contracted middle of each interval, in the hash grid's [0, 1]³.
        packed_info: First sample and number of samples of each ray.
        n_samples: Their number, on the device.
        n_dropped: Rays left without samples because the capacity was reached, on the device.
    """

    ray_indices: Int32[Tensor, "n_samples"]
    t_starts: Float[Tensor, "n_samples"]
    t_ends: Float[Tensor, "n_samples"]
    unit_points: Float[Tensor, "n_samples 3"]
    packed_info: Int32[Tensor, "n_rays 2"]
    n_samples: Int32[Tensor, ""]
    n_dropped: Int32[Tensor, ""]


@functools.cache
def _kernels(lanes: int) -> Any:
    """Count and fill for work items of ``lanes`` rays, compiled when first launched.

    Both step along the ray with the same rounding, or else fill would not find what count has counted: hence
    no contraction of a · b + c. They differ only in what they do with an occupied cell.
    """
    runtime.start()
    row = wp.types.vector(length=lanes, dtype=wp.float32)
    int_row = wp.types.vector(length=lanes, dtype=wp.int32)
    point_row = wp.types.matrix(shape=(3, lanes), dtype=wp.float32)
    n_lanes = wp.constant(lanes)

    @typing.no_type_check
    @wp.func
    def interval(x: wp.vec3f, t: float, step: float, cone: float):
        m = magnitude(x)
        return larger(cone * t, step * m * m)

    @typing.no_type_check
    @wp.func
    def along(unit: float, side: int):
        # Bounded before it is made an integer: so NaN, too, is in the grid.
        return int(smaller(larger(unit * float(side), 0.0), float(side - 1)))

    @typing.no_type_check
    @wp.func
    def cell_of(unit: wp.vec3f, side: int):
        return (along(unit[0], side) * side + along(unit[1], side)) * side + along(unit[2], side)

    @typing.no_type_check
    @wp.func
    def load(points: wp.array(dtype=wp.vec3f), first: int):
        result = point_row()
        for lane in range(n_lanes):
            point = points[wp.min(first + lane, points.shape[0] - 1)]
            for d in range(3):
                result[d, lane] = point[d]
        return result

    @typing.no_type_check
    @wp.func
    def first_starts(
        o: point_row,
        d: point_row,
        jitter: wp.array(dtype=wp.float32),
        first: int,
        near: float,
        step: float,
        cone: float,
    ):
        result = row()
        for lane in range(n_lanes):
            x = wp.vec3f(
                o[0, lane] + near * d[0, lane], o[1, lane] + near * d[1, lane], o[2, lane] + near * d[2, lane]
            )
            shift = jitter[wp.min(first + lane, jitter.shape[0] - 1)]
            result[lane] = near + shift * interval(x, near, step, cone)
        return result

    @typing.no_type_check
    @wp.func
    def advance(o: wp.vec3f, d: wp.vec3f, t: float, step: float, cone: float):
        # The interval's length and its middle in the unit cube.
        dt = interval(o + t * d, t, step, cone)
        unit = contract_to_unit(o + (t + 0.5 * dt) * d)
        return wp.vec4f(unit[0], unit[1], unit[2], dt)

    # The first loop over lanes is a while: in this form the compiler makes vector instructions of it.

    @typing.no_type_check
    @wp.kernel(module="unique", module_options=runtime.EXACT_MODULE_OPTIONS)
    def count(
        begin: int,
        end: int,
        rays_o: wp.array(dtype=wp.vec3f),
        rays_d: wp.array(dtype=wp.vec3f),
        jitter: wp.array(dtype=wp.float32),
        grid: wp.array(dtype=wp.uint8),
        side: int,
        near: float,
        far: float,
        step: float,
        cone: float,
        max_steps: int,
        counts: wp.array(dtype=wp.int32),
    ):
        first = (begin + wp.tid()) * n_lanes
        o = load(rays_o, first)
        d = load(rays_d, first)
        t = first_starts(o, d, jitter, first, near, step, cone)
        cell = int_row()
        total = int_row()
        busy = int(1)
        steps = int(0)
        while busy != 0 and steps < max_steps:
            lane = int(0)
            while lane < n_lanes:
                start = t[lane]
                ray_o = wp.vec3f(o[0, lane], o[1, lane], o[2, lane])
                ray_d = wp.vec3f(d[0, lane], d[1, lane], d[2, lane])
                sample = advance(ray_o, ray_d, start, step, cone)
                unit = wp.vec3f(sample[0], sample[1], sample[2])
                cell[lane] = wp.where(start < far, cell_of(unit, side), -1)
                t[lane] = smaller(start + sample[3], far)
                lane += 1
            busy = int(0)
            for lane in range(n_lanes):
                if cell[lane] >= 0:
                    busy = int(1)
                    total[lane] = total[lane] + wp.where(grid[cell[lane]] != wp.uint8(0), 1, 0)
            steps += 1
        for lane in range(n_lanes):
            if first + lane < counts.shape[0]:
                counts[first + lane] = total[lane]

    @typing.no_type_check
    @wp.kernel(module="unique", module_options=runtime.EXACT_MODULE_OPTIONS)
    def fill(
        begin: int,
        end: int,
        rays_o: wp.array(dtype=wp.vec3f),
        rays_d: wp.array(dtype=wp.vec3f),
        jitter: wp.array(dtype=wp.float32),
        grid: wp.array(dtype=wp.uint8),
        side: int,
        near: float,
        far: float,
        step: float,
        cone: float,
        max_steps: int,
        packed_info: wp.array2d(dtype=wp.int32),
        ray_indices: wp.array(dtype=wp.int32),
        t_starts: wp.array(dtype=wp.float32),
        t_ends: wp.array(dtype=wp.float32),
        unit_points: wp.array(dtype=wp.vec3f),
    ):
        first = (begin + wp.tid()) * n_lanes
        o = load(rays_o, first)
        d = load(rays_d, first)
        t = first_starts(o, d, jitter, first, near, step, cone)
        start = row()
        length = row()
        units = point_row()
        cell = int_row()
        index = int_row()
        last = int_row()
        for lane in range(n_lanes):
            if first + lane < packed_info.shape[0]:
                index[lane] = packed_info[first + lane, 0]
                last[lane] = index[lane] + packed_info[first + lane, 1]
        busy = int(1)
        steps = int(0)
        while busy != 0 and steps < max_steps:
            lane = int(0)
            while lane < n_lanes:
                start[lane] = t[lane]
                ray_o = wp.vec3f(o[0, lane], o[1, lane], o[2, lane])
                ray_d = wp.vec3f(d[0, lane], d[1, lane], d[2, lane])
                sample = advance(ray_o, ray_d, t[lane], step, cone)
                unit = wp.vec3f(sample[0], sample[1], sample[2])
                cell[lane] = wp.where(index[lane] < last[lane], cell_of(unit, side), -1)
                units[0, lane] = unit[0]
                units[1, lane] = unit[1]
                units[2, lane] = unit[2]
                length[lane] = sample[3]
                t[lane] = smaller(t[lane] + sample[3], far)
                lane += 1
            busy = int(0)
            for lane in range(n_lanes):
                if cell[lane] >= 0:
                    busy = int(1)
                    if grid[cell[lane]] != wp.uint8(0):
                        k = index[lane]
                        ray_indices[k] = first + lane
                        t_starts[k] = start[lane]
                        t_ends[k] = start[lane] + length[lane]
                        unit_points[k] = wp.vec3f(units[0, lane], units[1, lane], units[2, lane])
                        index[lane] = k + 1
            steps += 1

    return count, fill


def pack(counts: Int32[Tensor, "n_rays"], capacity: int) -> tuple[Tensor, Tensor, Tensor]:
    """The scan: each ray's first sample and count, rays past ``capacity`` empty; totals on the device."""
    ends = counts.cumsum(0, dtype=torch.int64)
    fits = ends <= capacity
    kept = torch.where(fits, counts, torch.zeros_like(counts))
    starts = torch.where(fits, ends - counts, torch.zeros_like(ends)).to(torch.int32)
    packed_info = torch.stack([starts, kept], -1)
    n_samples = kept.sum(dtype=torch.int32)
    return packed_info, n_samples, (~fits).sum(dtype=torch.int32)


def ray_march(
    rays_o: Float[Tensor, "n_rays 3"],
    rays_d: Float[Tensor, "n_rays 3"],
    jitter: Float[Tensor, "n_rays"],
    occupied: UInt8[Tensor, "side side side"],
    config: MarchConfig,
    capacity: int,
) -> RaySamples:
    """Sample rays where the grid is occupied.

    Args:
        rays_o: Origins, field units.
        rays_d: Unit directions.
        jitter: Shift of each ray's first interval in interval lengths, [0, 1).
        occupied: Non-zero cells of the contracted cube are sampled.
        config: Near, far and step sizes.
        capacity: Samples at most; rays that would pass it get none and are counted.
    """
    n_rays = rays_o.shape[0]
    side = occupied.shape[0]
    device = rays_o.device
    runtime.check("rays_o", rays_o, (None, 3), torch.float32)
    runtime.check("rays_d", rays_d, (n_rays, 3), torch.float32, device)
    runtime.check("jitter", jitter, (n_rays,), torch.float32, device)
    runtime.check("occupied", occupied, (side, side, side), torch.uint8, device)
    if not 1 <= side <= MAX_SIDE:
        raise ValueError(f"the grid must have 1 to {MAX_SIDE} cells a side, got {side}")
    lengths = 0 < config.near < config.far < math.inf and config.step > 0 and config.cone >= 0
    if not lengths or capacity < 0:
        raise ValueError(f"no rays can be marched with {config} and capacity {capacity}")
    lanes = LANES if device.type == "cpu" else 1
    count, fill = _kernels(lanes)
    items = -(-n_rays // lanes)
    counts = torch.empty(n_rays, dtype=torch.int32, device=device)
    common = [
        runtime.as_warp(rays_o, wp.vec3f),
        runtime.as_warp(rays_d, wp.vec3f),
        runtime.as_warp(jitter, wp.float32),
        runtime.as_warp(occupied.view(-1), wp.uint8),
        side,
        config.near,
        config.far,
        config.step,
        config.cone,
        MAX_STEPS,
    ]
    runtime.launch(count, items, [*common, runtime.as_warp(counts, wp.int32)], device, GRAIN)
    packed_info, n_samples, n_dropped = pack(counts, capacity)
    # The one wait for a GPU: rows up to the capacity would cost what is asked of each of them afterwards.
    rows = int(n_samples)
    ray_indices = torch.empty(rows, dtype=torch.int32, device=device)
    t_starts, t_ends = torch.empty(rows, device=device), torch.empty(rows, device=device)
    unit_points = torch.empty(rows, 3, device=device)
    outputs = [
        runtime.as_warp(packed_info, wp.int32),
        runtime.as_warp(ray_indices, wp.int32),
        runtime.as_warp(t_starts, wp.float32),
        runtime.as_warp(t_ends, wp.float32),
        runtime.as_warp(unit_points, wp.vec3f),
    ]
    if rows:
        runtime.launch(fill, items, [*common, *outputs], device, GRAIN)
    return RaySamples(ray_indices, t_starts, t_ends, unit_points, packed_info, n_samples, n_dropped)
