"""Densities along packed rays as far as light gets: hash grid and density network in one pass.

    σ_k = exp(min(v · relu(U grid(x_k)), most)),   T_k = exp(-Σ_{j<k} σ_j δ_j)

Samples are looked at front to back, and those behind an optical thickness of ``hidden`` not at all. Asked one
by one, layer by layer, most of the time went into moving features to and fro. There is no gradient: this
tells where samples are worth their cost. :mod:`sanerf_hq.kernels.reference` is the specification.
"""

import functools
import typing
from typing import Any

import torch
import warp as wp
from jaxtyping import Float, Int32
from torch import Tensor

from sanerf_hq.kernels import runtime
from sanerf_hq.kernels.hash_grid import HashGridLayout, grid_constants
from sanerf_hq.kernels.hash_grid_kernels import cell_counts, hash_grid_functions

LANES = 16  # rays that a CPU work item follows side by side: one vector of the network's numbers
GRAIN = 4  # work items worth a thread


@functools.cache
def _kernel(lanes: int, n_dims: int, n_features: int, n_levels: int) -> Any:
    """The kernel for one shape of grid, compiled when first launched."""
    runtime.start()
    functions = hash_grid_functions(n_dims, n_features)
    gather, strides, flat_entries = functions.gather, functions.strides, functions.flat_entries
    coord = wp.types.vector(length=n_dims, dtype=wp.float32)
    vec = wp.types.vector(length=n_features, dtype=wp.float32)
    row = wp.types.vector(length=lanes, dtype=wp.float32)
    int_row = wp.types.vector(length=lanes, dtype=wp.int32)
    feature_rows = wp.types.matrix(shape=(n_features * n_levels, lanes), dtype=wp.float32)
    cells = cell_counts(n_dims)
    n_lanes = wp.constant(lanes)
    n_encoded = wp.constant(n_features * n_levels)
    features = wp.constant(n_features)

    @typing.no_type_check
    @wp.kernel(module="unique", module_options=runtime.MODULE_OPTIONS)
    def follow(
        begin: int,
        end: int,
        points: wp.array(dtype=coord),
        deltas: wp.array(dtype=wp.float32),
        packed_info: wp.array2d(dtype=wp.int32),
        table: wp.array(dtype=vec),
        resolutions: wp.array(dtype=cells),
        offsets: wp.array(dtype=wp.int32),
        dense: wp.array(dtype=wp.int32),
        mask: wp.uint32,
        layer: wp.array(dtype=wp.float32),
        head: wp.array(dtype=wp.float32),
        most: float,
        hidden: float,
        sigmas: wp.array(dtype=wp.float32),
        light: wp.array(dtype=wp.float32),
    ):
        first = (begin + wp.tid()) * n_lanes
        index = int_row()
        last = int_row()
        thickness = row()
        encoded = feature_rows()
        for lane in range(n_lanes):
            if first + lane < packed_info.shape[0]:
                index[lane] = packed_info[first + lane, 0]
                last[lane] = index[lane] + packed_info[first + lane, 1]
        busy = int(1)
        while busy != 0:
            busy = int(0)
            level = int(0)
            while level < resolutions.shape[0]:
                resolution = resolutions[level]
                entries = flat_entries(table, offsets[level])
                stride = strides(resolution, dense[level] != 0)
                lane = int(0)
                while lane < n_lanes:
                    if index[lane] < last[lane]:
                        busy = int(1)
                        value = gather(
                            points[index[lane]], entries, resolution, stride, dense[level] != 0, mask
                        )
                        for f in range(features):
                            encoded[level * features + f, lane] = value[f]
                    lane += 1
                level += 1
            if busy != 0:
                logs = row()
                unit = int(0)
                while unit < head.shape[0]:
                    total = row()
                    e = int(0)
                    while e < n_encoded:
                        total = total + layer[unit * n_encoded + e] * encoded[e]
                        e += 1
                    logs = logs + head[unit] * wp.max(total, row())
                    unit += 1
                for lane in range(n_lanes):
                    if index[lane] < last[lane]:
                        k = index[lane]
                        sigma = wp.exp(wp.min(logs[lane], most))
                        sigmas[k] = sigma
                        light[k] = wp.exp(-thickness[lane])
                        thickness[lane] = thickness[lane] + sigma * deltas[k]
                        k += 1
                        if thickness[lane] >= hidden:
                            while k < last[lane]:
                                sigmas[k] = 0.0
                                light[k] = wp.exp(-thickness[lane])
                                k += 1
                        index[lane] = k

    return follow, coord, vec


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
    """Densities of samples as far as light gets, and the light that gets to each.

    Args:
        unit_points: Positions in [0, 1]^d.
        deltas: Lengths that samples stand for.
        packed_info: First sample and number of samples of each ray, together all samples.
        table: All levels' entries.
        layout: The grid's shape.
        layer: The network's first layer, U.
        head: Its second, as far as density goes, v.
        most: Largest logarithm of a density.
        hidden: Optical thickness behind which samples are not looked at: their density is 0.
    """
    n_samples, device = unit_points.shape[0], unit_points.device
    runtime.check("unit_points", unit_points, (None, layout.n_dims), torch.float32)
    runtime.check("deltas", deltas, (n_samples,), torch.float32, device)
    runtime.check("packed_info", packed_info, (None, 2), torch.int32, device)
    runtime.check("table", table, (layout.n_entries, layout.n_features), torch.float32, device)
    runtime.check("layer", layer, (None, layout.n_outputs), torch.float32, device)
    runtime.check("head", head, (layer.shape[0],), torch.float32, device)
    lanes = LANES if device.type == "cpu" else 1
    kernel, coord, vec = _kernel(lanes, layout.n_dims, layout.n_features, layout.n_levels)
    sigmas, light = torch.zeros_like(deltas), torch.zeros_like(deltas)
    arguments = [
        runtime.as_warp(unit_points, coord),
        runtime.as_warp(deltas, wp.float32),
        runtime.as_warp(packed_info, wp.int32),
        runtime.as_warp(table, vec),
        *grid_constants(layout, device),
        runtime.as_warp(layer.view(-1), wp.float32),
        runtime.as_warp(head, wp.float32),
        most,
        hidden,
        runtime.as_warp(sigmas, wp.float32),
        runtime.as_warp(light, wp.float32),
    ]
    runtime.launch(kernel, -(-packed_info.shape[0] // lanes), arguments, device, GRAIN)
    return sigmas, light
