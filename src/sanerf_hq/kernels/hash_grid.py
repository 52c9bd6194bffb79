"""Multi-resolution hash grid (Müller et al. 2022): its layout and the differentiable op.

Positions lie in [0, 1]^d, d = 3, or 4 where the last is time. Level l is a grid of ``resolutions[l]`` cells a
side (and ``moments[l]`` along time) whose corners own ``n_features`` numbers each; a point's output is the
d-linear interpolation of its cell's 2^d corners. Levels whose corners fit into the table are stored densely,
the others share entries by a hash.
:mod:`sanerf_hq.kernels.reference` is the specification.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any

import torch
import warp as wp
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.kernels import runtime
from sanerf_hq.kernels.hash_grid_kernels import cell_counts, hash_grid_kernels
from sanerf_hq.kernels.threads import run_jobs, thread_count

# Points that a CPU work item takes at one level: few enough to stay in a core's cache till the next level,
# many enough for the level's table to be worth bringing there.
BLOCK = 16_384
MIN_BLOCK = 512
BACKWARD_BLOCK = 2048  # the table's gradient is read and written: less of it stays in the cache


@dataclass(frozen=True)
class HashGridLayout:
    """Where each level's entries lie in the table.

    Attributes:
        n_dims: 3, or 4 for space and time.
        n_features: Numbers an entry holds.
        resolutions: Cells a side of space, a level each.
        moments: Cells along time, a level each: 0 where a level knows no time.
        offsets: First table entry of each level, and the total as the last.
        dense: Whether a level's corners are stored one by one (else hashed).
    """

    n_dims: int
    n_features: int
    resolutions: tuple[int, ...]
    moments: tuple[int, ...]
    offsets: tuple[int, ...]
    dense: tuple[bool, ...]

    @property
    def cells(self) -> tuple[tuple[int, ...], ...]:
        """Cells along each axis, a level each."""
        counts = zip(self.resolutions, self.moments, strict=True)
        return tuple((side, side, side, along)[: self.n_dims] for side, along in counts)

    @property
    def n_levels(self) -> int:
        return len(self.resolutions)

    @property
    def n_entries(self) -> int:
        return self.offsets[-1]

    @property
    def n_outputs(self) -> int:
        return self.n_levels * self.n_features


def hash_grid_layout(
    n_dims: int, n_levels: int, n_features: int, log2_table: int, coarsest: int, finest: int, moments: int = 1
) -> HashGridLayout:
    """Lay out a grid whose resolutions grow geometrically from ``coarsest`` to ``finest``.

    Of four dimensions the last is time. Most of a scene stands still, and is learnt from photos of all times:
    so there are ``n_levels`` that know no time, and then as many again with ``moments`` cells along it.
    Whether a level is dense is decided here, in Python's integers: in 32 bits (r + 1)³ overflows at r ≥ 1290.
    """
    if n_dims not in (3, 4) or not 1 <= n_features <= 16 or n_levels < 1 or not 1 <= log2_table <= 26:
        raise ValueError(
            f"no hash grid of {n_dims} dimensions, {n_levels} levels of {n_features} features "
            f"and 2^{log2_table} entries"
        )
    if moments < 1:
        raise ValueError(f"no time in {moments} cells")
    growth = math.exp(math.log(finest / coarsest) / max(n_levels - 1, 1))
    resolutions = tuple(round(coarsest * growth**level) for level in range(n_levels))
    along = (0,) * n_levels
    if n_dims == 4:
        resolutions, along = resolutions * 2, along + (moments,) * n_levels
    table = 2**log2_table
    sizes = [(side + 1) ** 3 * (cells + 1) for side, cells in zip(resolutions, along, strict=True)]
    dense = tuple(size <= table for size in sizes)
    offsets = [0]
    for size in sizes:
        offsets.append(offsets[-1] + min(size, table))
    return HashGridLayout(n_dims, n_features, resolutions, along, tuple(offsets), dense)


@functools.cache
def _level_arrays(layout: HashGridLayout, device: str) -> tuple[wp.array, wp.array, wp.array]:
    runtime.start()
    return (
        wp.array(layout.cells, dtype=cell_counts(layout.n_dims), device=device),
        wp.array(layout.offsets[:-1], dtype=wp.int32, device=device),
        wp.array([int(flag) for flag in layout.dense], dtype=wp.int32, device=device),
    )


def grid_constants(layout: HashGridLayout, device: torch.device) -> tuple[Any, ...]:
    """What the grid's kernels are told of a layout."""
    hashed = [
        b - a for a, b, d in zip(layout.offsets, layout.offsets[1:], layout.dense, strict=False) if not d
    ]
    mask = wp.uint32((hashed[0] if hashed else 1) - 1)
    return (*_level_arrays(layout, str(device)), mask)


def _types(layout: HashGridLayout) -> tuple[Any, Any]:
    coord = wp.types.vector(length=layout.n_dims, dtype=wp.float32)
    return coord, wp.types.vector(length=layout.n_features, dtype=wp.float32)


def _blocks(x: Tensor) -> tuple[int, int]:
    """Points of a work item, and how many such blocks there are: on the CPU one a thread at least."""
    n_points = x.shape[0]
    block = 1
    if x.device.type == "cpu":
        block = min(BLOCK, max(MIN_BLOCK, -(-n_points // thread_count())))
    return block, -(-n_points // block)


class _HashGrid(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, layout: HashGridLayout) -> Tensor:
        n_points = x.shape[0]
        out = torch.empty(n_points, layout.n_outputs, device=x.device)
        kernel = hash_grid_kernels(layout.n_dims, layout.n_features).forward
        coord, vec = _types(layout)
        block, blocks = _blocks(x)
        shaped = out.view(n_points, layout.n_levels, layout.n_features)
        if n_points:
            arguments = [
                block,
                runtime.as_warp(x, coord),
                runtime.as_warp(table, vec),
                *grid_constants(layout, x.device),
                runtime.as_warp(shaped, vec),
            ]
            runtime.launch(kernel, blocks * layout.n_levels, arguments, x.device, -(-BLOCK // block))
        ctx.save_for_backward(x, table)
        ctx.layout = layout
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, table = ctx.saved_tensors
        layout: HashGridLayout = ctx.layout
        grad_out = grads[0].contiguous().float()
        grad_x = torch.zeros_like(x) if ctx.needs_input_grad[0] else None
        grad_table = torch.zeros_like(table) if ctx.needs_input_grad[1] else None
        if grad_table is not None:
            accumulate_table_gradient(x, grad_out, layout, grad_table)
        if grad_x is not None and x.shape[0]:
            coord, vec = _types(layout)
            block, blocks = _blocks(x)
            arguments = [
                block,
                runtime.as_warp(x, coord),
                runtime.as_warp(grad_out.view(-1, layout.n_levels, layout.n_features), vec),
                runtime.as_warp(table, vec),
                *grid_constants(layout, x.device),
                runtime.as_warp(grad_x, coord),
            ]
            kernel = hash_grid_kernels(layout.n_dims, layout.n_features).backward_position
            runtime.launch(kernel, blocks, arguments, x.device, grain=1)
        return grad_x, grad_table, None


def accumulate_table_gradient(
    x: Float[Tensor, "n_points n_dims"],
    grad_out: Float[Tensor, "n_points n_outputs"],
    layout: HashGridLayout,
    grad_table: Float[Tensor, "n_entries n_features"],
) -> None:
    """Add the gradient of a loss to ``grad_table``, given its gradient ``grad_out`` at the grid's output.

    On the CPU each thread owns every n-th level (coarse ones are cheap, so levels are dealt out in turn) and
    so no two threads ever add to one address.
    """
    n_points = x.shape[0]
    runtime.check("x", x, (None, layout.n_dims), torch.float32)
    runtime.check("grad_out", grad_out, (n_points, layout.n_outputs), torch.float32, x.device)
    runtime.check("grad_table", grad_table, (layout.n_entries, layout.n_features), torch.float32, x.device)
    if n_points == 0:
        return
    coord, vec = _types(layout)
    kernel = hash_grid_kernels(layout.n_dims, layout.n_features).backward_table
    arguments = [
        runtime.as_warp(x, coord),
        runtime.as_warp(grad_out.view(n_points, layout.n_levels, layout.n_features), vec),
        *grid_constants(layout, x.device),
        runtime.as_warp(grad_table, vec),
    ]
    if x.device.type == "cuda":
        runtime.launch(kernel, n_points * layout.n_levels, [1, 0, layout.n_levels, 1, *arguments], x.device)
        return
    runtime.load(kernel, "cpu")
    blocks = -(-n_points // BACKWARD_BLOCK)
    threads = min(thread_count(), layout.n_levels)

    def job(first: int) -> None:
        levels = -(-(layout.n_levels - first) // threads)
        items = blocks * levels
        inputs = [0, items, BACKWARD_BLOCK, first, levels, threads, *arguments]
        wp.launch(kernel, dim=items, inputs=inputs, device="cpu")

    run_jobs([functools.partial(job, first) for first in range(threads)])


def hash_grid(
    x: Float[Tensor, "n_points n_dims"],
    table: Float[Tensor, "n_entries n_features"],
    layout: HashGridLayout,
) -> Float[Tensor, "n_points n_outputs"]:
    """Interpolate the grid at ``x``; differentiable in ``x`` and ``table`` (once).

    Args:
        x: Points in [0, 1]^d; outside the nearest cell is extrapolated.
        table: All levels' entries.
        layout: The grid's shape.
    """
    runtime.check("x", x, (None, layout.n_dims), torch.float32)
    runtime.check("table", table, (layout.n_entries, layout.n_features), torch.float32, x.device)
    return _HashGrid.apply(x, table, layout)  # pyright: ignore[reportReturnType]
