"""The hash grid's Warp kernels, for any number of dimensions and features.

A work item is a block of points at one level, so that the level's constants are read once. A level is dense
or hashed: each kernel has two loops with that written in, which the compiler unrolls without a branch.
"""

import functools
import typing
from dataclasses import dataclass
from typing import Any

import warp as wp

from sanerf_hq.kernels import runtime

MOMENTARY = wp.constant(1e-5)  # of a time cell: what lies no farther from a moment is at it
HASH_PRIMES = wp.types.vector(length=4, dtype=wp.uint32)(1, 2654435761, 805459861, 3674653429)


@functools.cache
def cell_counts(n_dims: int) -> Any:
    """The type of a level's cells along each axis."""
    return wp.types.vector(length=n_dims, dtype=wp.int32)


@dataclass(frozen=True)
class HashGridKernels:
    """The kernels of one number of dimensions and features.

    Attributes:
        forward: Features at points.
        backward_table: Adds to the gradient of the table; work items of one level share addresses.
        backward_position: Adds to the gradient of the points.
    """

    forward: Any
    backward_table: Any
    backward_position: Any


@dataclass(frozen=True)
class HashGridFunctions:
    """What kernels that look into the grid are made of, for one number of dimensions and features.

    Attributes:
        strides: What a step along each axis does to a corner's key, at a level.
        gather: A point's features at a level.
        scatter: Adds to the entries of a level.
        slopes: A level's gradient in the point, from that in its features.
        flat_entries: The entries of a level.
    """

    strides: Any
    gather: Any
    scatter: Any
    slopes: Any
    flat_entries: Any


@functools.cache
def hash_grid_functions(n_dims: int, n_features: int) -> HashGridFunctions:
    """Functions for one number of dimensions and features, compiled with the kernels that call them."""
    runtime.start()
    coord = wp.types.vector(length=n_dims, dtype=wp.float32)
    vec = wp.types.vector(length=n_features, dtype=wp.float32)
    key = wp.types.vector(length=n_dims, dtype=wp.uint32)
    cells = cell_counts(n_dims)
    corners = wp.constant(2**n_dims)
    nearer = wp.constant(2 ** min(n_dims, 3))  # corners at the earlier moment, which come first
    dims = wp.constant(n_dims)
    features = wp.constant(n_features)
    entry_bytes = wp.constant(4 * n_features)

    @typing.no_type_check
    @wp.func
    def strides(resolution: cells, dense: bool):
        # What one step along each axis adds to (dense) or is multiplied by in (hashed) a corner's key.
        result = key()
        step = wp.uint32(1)
        for d in range(dims):
            if dense:
                result[d] = step
                step = step * wp.uint32(resolution[d] + 1)
            else:
                result[d] = wp.static(HASH_PRIMES)[d]
        return result

    @typing.no_type_check
    @wp.func
    def cell_of(x: coord, resolution: cells):
        # Along an axis without cells it is 0.
        base = coord()
        for d in range(dims):
            base[d] = wp.max(wp.min(wp.floor(x[d] * float(resolution[d])), float(resolution[d] - 1)), 0.0)
        return base

    @typing.no_type_check
    @wp.func
    def place_in(x: coord, resolution: cells, base: coord):
        frac = coord()
        for d in range(dims):
            frac[d] = x[d] * float(resolution[d]) - base[d]
        return frac

    @typing.no_type_check
    @wp.func
    def between(frac: coord):
        # Whether corners at the later moment weigh anything. On a level without moments there are none, and
        # a thread must not even add 0 to what another one owns.
        return dims == 4 and wp.abs(frac[dims - 1]) > MOMENTARY

    @typing.no_type_check
    @wp.func
    def keys_of(base: coord, stride: key):
        low = key()
        for d in range(dims):
            low[d] = wp.uint32(base[d]) * stride[d]
        return low

    @typing.no_type_check
    @wp.func
    def entry(c: int, low: key, high: key, dense: bool, mask: wp.uint32):
        # The corner's entry within its level.
        total = wp.uint32(0)
        for d in range(dims):
            part = low[d]
            if (c >> d) & 1:
                part = high[d]
            total = wp.where(dense, total + part, total ^ part)
        return int(wp.where(dense, total, total & mask) & wp.uint32(runtime.NOT_NEGATIVE))

    @typing.no_type_check
    @wp.func
    def weight_of(c: int, frac: coord):
        weight = float(1.0)
        for d in range(dims):
            if (c >> d) & 1:
                weight = weight * frac[d]
            else:
                weight = weight * (1.0 - frac[d])
        return weight

    @typing.no_type_check
    @wp.func
    def gather(
        p: coord, entries: wp.array(dtype=vec), resolution: cells, stride: key, dense: bool, mask: wp.uint32
    ):
        base = cell_of(p, resolution)
        frac = place_in(p, resolution, base)
        low = keys_of(base, stride)
        high = low + stride
        total = vec()
        for c in range(nearer):
            weight = weight_of(c, frac)
            value = entries[entry(c, low, high, dense, mask)]
            for f in range(features):
                total[f] = total[f] + weight * value[f]
        if between(frac):
            for c in range(nearer, corners):
                weight = weight_of(c, frac)
                value = entries[entry(c, low, high, dense, mask)]
                for f in range(features):
                    total[f] = total[f] + weight * value[f]
        return total

    @typing.no_type_check
    @wp.func
    def scatter(
        p: coord,
        g: vec,
        entries: wp.array(dtype=vec),
        resolution: cells,
        stride: key,
        dense: bool,
        mask: wp.uint32,
    ):
        base = cell_of(p, resolution)
        frac = place_in(p, resolution, base)
        low = keys_of(base, stride)
        high = low + stride
        for c in range(nearer):
            wp.atomic_add(entries, entry(c, low, high, dense, mask), weight_of(c, frac) * g)
        if between(frac):
            for c in range(nearer, corners):
                wp.atomic_add(entries, entry(c, low, high, dense, mask), weight_of(c, frac) * g)

    @typing.no_type_check
    @wp.func
    def slopes(
        p: coord,
        g: vec,
        entries: wp.array(dtype=vec),
        resolution: cells,
        stride: key,
        dense: bool,
        mask: wp.uint32,
    ):
        base = cell_of(p, resolution)
        frac = place_in(p, resolution, base)
        low = keys_of(base, stride)
        high = low + stride
        total = coord()
        for c in range(corners):
            if c < nearer or resolution[dims - 1] > 0:
                value = wp.dot(g, entries[entry(c, low, high, dense, mask)])
                for d in range(dims):
                    weight = float(1.0)
                    for e in range(dims):
                        if e != d:
                            if (c >> e) & 1:
                                weight = weight * frac[e]
                            else:
                                weight = weight * (1.0 - frac[e])
                    if (c >> d) & 1:
                        total[d] = total[d] + weight * value
                    else:
                        total[d] = total[d] - weight * value
        for d in range(dims):
            total[d] = total[d] * float(resolution[d])
        return total

    # Known to be contiguous, an array is read without a multiplication by its stride.

    @typing.no_type_check
    @wp.func
    def flat_entries(table: wp.array(dtype=vec), offset: int):
        start = table.ptr + wp.uint64(offset) * wp.uint64(entry_bytes)
        return wp.array(ptr=start, shape=(table.shape[0] - offset,), dtype=vec)

    return HashGridFunctions(strides, gather, scatter, slopes, flat_entries)


@functools.cache
def hash_grid_kernels(n_dims: int, n_features: int) -> HashGridKernels:
    """Kernels for one number of dimensions and features, compiled when first launched."""
    functions = hash_grid_functions(n_dims, n_features)
    strides, flat_entries = functions.strides, functions.flat_entries
    gather, scatter, slopes = functions.gather, functions.scatter, functions.slopes
    coord = wp.types.vector(length=n_dims, dtype=wp.float32)
    vec = wp.types.vector(length=n_features, dtype=wp.float32)
    cells = cell_counts(n_dims)

    @typing.no_type_check
    @wp.func
    def flat_points(x: wp.array(dtype=coord)):
        return wp.array(ptr=x.ptr, shape=(x.shape[0],), dtype=coord)

    @typing.no_type_check
    @wp.func
    def flat_rows(rows: wp.array2d(dtype=vec)):
        return wp.array(ptr=rows.ptr, shape=(rows.shape[0], rows.shape[1]), dtype=vec)

    @typing.no_type_check
    @wp.kernel(module="unique", module_options=runtime.MODULE_OPTIONS)
    def forward(
        begin: int,
        end: int,
        block: int,
        x: wp.array(dtype=coord),
        table: wp.array(dtype=vec),
        resolutions: wp.array(dtype=cells),
        offsets: wp.array(dtype=wp.int32),
        dense: wp.array(dtype=wp.int32),
        mask: wp.uint32,
        out: wp.array2d(dtype=vec),
    ):
        item = begin + wp.tid()
        n_levels = resolutions.shape[0]
        level = item % n_levels
        i = (item // n_levels) * block
        last = wp.min(i + block, x.shape[0])
        resolution = resolutions[level]
        points = flat_points(x)
        entries = flat_entries(table, offsets[level])
        values = flat_rows(out)
        stride = strides(resolution, dense[level] != 0)
        if dense[level] != 0:
            while i < last:
                k = i & runtime.NOT_NEGATIVE
                values[k, level] = gather(points[k], entries, resolution, stride, True, mask)
                i += 1
        else:
            while i < last:
                k = i & runtime.NOT_NEGATIVE
                values[k, level] = gather(points[k], entries, resolution, stride, False, mask)
                i += 1

    @typing.no_type_check
    @wp.kernel(module="unique", module_options=runtime.MODULE_OPTIONS)
    def backward_table(
        begin: int,
        end: int,
        block: int,
        level_first: int,
        level_count: int,
        level_stride: int,
        x: wp.array(dtype=coord),
        grad_out: wp.array2d(dtype=vec),
        resolutions: wp.array(dtype=cells),
        offsets: wp.array(dtype=wp.int32),
        dense: wp.array(dtype=wp.int32),
        mask: wp.uint32,
        grad_table: wp.array(dtype=vec),
    ):
        item = begin + wp.tid()
        level = level_first + (item % level_count) * level_stride
        i = (item // level_count) * block
        last = wp.min(i + block, x.shape[0])
        resolution = resolutions[level]
        points = flat_points(x)
        grads = flat_rows(grad_out)
        entries = flat_entries(grad_table, offsets[level])
        stride = strides(resolution, dense[level] != 0)
        if dense[level] != 0:
            while i < last:
                k = i & runtime.NOT_NEGATIVE
                scatter(points[k], grads[k, level], entries, resolution, stride, True, mask)
                i += 1
        else:
            while i < last:
                k = i & runtime.NOT_NEGATIVE
                scatter(points[k], grads[k, level], entries, resolution, stride, False, mask)
                i += 1

    @typing.no_type_check
    @wp.kernel(module="unique", module_options=runtime.MODULE_OPTIONS)
    def backward_position(
        begin: int,
        end: int,
        block: int,
        x: wp.array(dtype=coord),
        grad_out: wp.array2d(dtype=vec),
        table: wp.array(dtype=vec),
        resolutions: wp.array(dtype=cells),
        offsets: wp.array(dtype=wp.int32),
        dense: wp.array(dtype=wp.int32),
        mask: wp.uint32,
        grad_x: wp.array(dtype=coord),
    ):
        first = (begin + wp.tid()) * block
        last = wp.min(first + block, x.shape[0])
        points = flat_points(x)
        grads = flat_rows(grad_out)
        totals = flat_points(grad_x)
        for level in range(resolutions.shape[0]):
            resolution = resolutions[level]
            entries = flat_entries(table, offsets[level])
            stride = strides(resolution, dense[level] != 0)
            i = int(first)
            if dense[level] != 0:
                while i < last:
                    k = i & runtime.NOT_NEGATIVE
                    totals[k] = totals[k] + slopes(
                        points[k], grads[k, level], entries, resolution, stride, True, mask
                    )
                    i += 1
            else:
                while i < last:
                    k = i & runtime.NOT_NEGATIVE
                    totals[k] = totals[k] + slopes(
                        points[k], grads[k, level], entries, resolution, stride, False, mask
                    )
                    i += 1

    return HashGridKernels(forward, backward_table, backward_position)
