"""Compositing along packed rays: weights from densities, and sums of anything by weight.

    α_k = 1 - exp(-σ_k δ_k),   T_k = Π_{j<k} (1 - α_j),   w_k = T_k α_k,   V(r) = Σ_k w_k v_k

Work is cut by rays, so results do not depend on the number of threads.
:mod:`sanerf_hq.kernels.reference` is the specification.
"""

import functools
import typing
from typing import Any

import torch
import warp as wp
from jaxtyping import Float, Int32
from torch import Tensor

from sanerf_hq.kernels import runtime
from sanerf_hq.kernels.runtime import NOT_NEGATIVE, flat

THREAD_NUMBERS = 2**19  # to multiply and add: some 0.2 ms, worth waking a thread

# Beyond these, numbers are too small for a CPU to be quick with them.
OPAQUE = wp.constant(80.0)  # thickness that nothing passes
DARK = wp.constant(1e-30)  # transmittance that is none

wp.set_module_options(runtime.MODULE_OPTIONS)


@typing.no_type_check
@wp.kernel
def _weights_forward(
    begin: int,
    end: int,
    sigmas: wp.array(dtype=wp.float32),
    deltas: wp.array(dtype=wp.float32),
    packed_info: wp.array2d(dtype=wp.int32),
    weights: wp.array(dtype=wp.float32),
    transmittances: wp.array(dtype=wp.float32),
):
    ray = begin + wp.tid()
    sigma = flat(sigmas)
    delta = flat(deltas)
    weight = flat(weights)
    transmittance = flat(transmittances)
    k = packed_info[ray, 0]
    last = k + packed_info[ray, 1]
    trans = float(1.0)
    while k < last:
        i = k & NOT_NEGATIVE
        thickness = sigma[i] * delta[i]
        passed = wp.exp(-wp.where(thickness > OPAQUE, OPAQUE, thickness))
        # Where little is stopped, the difference 1 - passed would lose its digits: there, by its series.
        series = thickness * (1.0 - thickness * (0.5 - thickness * 0.16666667))
        weight[i] = trans * wp.where(thickness < 0.01, series, 1.0 - passed)
        trans = trans * passed
        trans = wp.where(trans < DARK, 0.0, trans)
        transmittance[i] = trans
        k += 1


@typing.no_type_check
@wp.kernel
def _weights_backward(
    begin: int,
    end: int,
    weights: wp.array(dtype=wp.float32),
    transmittances: wp.array(dtype=wp.float32),
    deltas: wp.array(dtype=wp.float32),
    grad_weights: wp.array(dtype=wp.float32),
    packed_info: wp.array2d(dtype=wp.int32),
    grad_sigmas: wp.array(dtype=wp.float32),
):
    # dL/dσ_k = δ_k (T_{k+1} g_k - Σ_{j>k} w_j g_j): from the back, no division by T
    ray = begin + wp.tid()
    weight = flat(weights)
    transmittance = flat(transmittances)
    delta = flat(deltas)
    grad_weight = flat(grad_weights)
    grad_sigma = flat(grad_sigmas)
    first = packed_info[ray, 0]
    k = first + packed_info[ray, 1] - 1
    behind = float(0.0)
    while k >= first:
        i = k & NOT_NEGATIVE
        g = grad_weight[i]
        grad_sigma[i] = delta[i] * (transmittance[i] * g - behind)
        behind = behind + weight[i] * g
        k -= 1


@functools.cache
def _sum_kernels(channels: int) -> Any:
    """Kernels that sum rows of ``channels`` numbers, compiled when first launched."""
    runtime.start()
    row = wp.types.vector(length=channels, dtype=wp.float32)

    @typing.no_type_check
    @wp.func
    def flat_rows(values: wp.array(dtype=row)):
        return wp.array(ptr=values.ptr, shape=(values.shape[0],), dtype=row)

    @typing.no_type_check
    @wp.kernel(module="unique", module_options=runtime.MODULE_OPTIONS)
    def forward(
        begin: int,
        end: int,
        weights: wp.array(dtype=wp.float32),
        values: wp.array(dtype=row),
        packed_info: wp.array2d(dtype=wp.int32),
        out: wp.array(dtype=row),
    ):
        ray = begin + wp.tid()
        weight = flat(weights)
        value = flat_rows(values)
        k = packed_info[ray, 0]
        last = k + packed_info[ray, 1]
        total = row()
        while k < last:
            i = k & NOT_NEGATIVE
            total = total + weight[i] * value[i]
            k += 1
        out[ray] = total

    @typing.no_type_check
    @wp.kernel(module="unique", module_options=runtime.MODULE_OPTIONS)
    def backward(
        begin: int,
        end: int,
        weights: wp.array(dtype=wp.float32),
        values: wp.array(dtype=row),
        grad_out: wp.array(dtype=row),
        packed_info: wp.array2d(dtype=wp.int32),
        grad_weights: wp.array(dtype=wp.float32),
        grad_values: wp.array(dtype=row),
    ):
        ray = begin + wp.tid()
        weight = flat(weights)
        value = flat_rows(values)
        grad_weight = flat(grad_weights)
        grad_value = flat_rows(grad_values)
        g = grad_out[ray]
        k = packed_info[ray, 0]
        last = k + packed_info[ray, 1]
        while k < last:
            i = k & NOT_NEGATIVE
            grad_weight[i] = wp.dot(g, value[i])
            grad_value[i] = weight[i] * g
            k += 1

    return forward, backward, row


def _is_full(packed_info: Tensor, n_samples: int) -> bool:
    """Whether each sample is of a ray, so that the kernels write each; on a GPU, to look would be to wait."""
    return packed_info.device.type == "cpu" and int(packed_info[:, 1].sum()) == n_samples


def _new(like: Tensor, full: bool) -> Tensor:
    """For values a sample: zero for samples of no ray."""
    return torch.empty_like(like) if full else torch.zeros_like(like)


def _grain(n_rays: int, n_products: int) -> int:
    """Rays worth a thread, when all of them together take so many multiplications."""
    return max(1, n_rays * THREAD_NUMBERS // max(n_products, 1))


class _RenderWeights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sigmas: Tensor, deltas: Tensor, packed_info: Tensor) -> Tensor:
        runtime.start()
        full = _is_full(packed_info, sigmas.shape[0])
        weights, transmittances = _new(sigmas, full), _new(sigmas, full)
        arguments = [
            runtime.as_warp(sigmas, wp.float32),
            runtime.as_warp(deltas, wp.float32),
            runtime.as_warp(packed_info, wp.int32),
            runtime.as_warp(weights, wp.float32),
            runtime.as_warp(transmittances, wp.float32),
        ]
        n_rays, n_samples = packed_info.shape[0], sigmas.shape[0]
        runtime.launch(_weights_forward, n_rays, arguments, sigmas.device, _grain(n_rays, 10 * n_samples))
        ctx.save_for_backward(weights, transmittances, deltas, packed_info)
        ctx.full = full
        return weights

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        weights, transmittances, deltas, packed_info = ctx.saved_tensors
        grad_sigmas = _new(weights, ctx.full)
        arguments = [
            runtime.as_warp(weights, wp.float32),
            runtime.as_warp(transmittances, wp.float32),
            runtime.as_warp(deltas, wp.float32),
            runtime.as_warp(grads[0].contiguous(), wp.float32),
            runtime.as_warp(packed_info, wp.int32),
            runtime.as_warp(grad_sigmas, wp.float32),
        ]
        n_rays, n_samples = packed_info.shape[0], weights.shape[0]
        runtime.launch(_weights_backward, n_rays, arguments, weights.device, _grain(n_rays, 3 * n_samples))
        return grad_sigmas, None, None


class _Accumulate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, values: Tensor, packed_info: Tensor) -> Tensor:
        kernel, _, row = _sum_kernels(values.shape[1])
        out = torch.empty(packed_info.shape[0], values.shape[1], device=values.device)
        arguments = [
            runtime.as_warp(weights, wp.float32),
            runtime.as_warp(values, row),
            runtime.as_warp(packed_info, wp.int32),
            runtime.as_warp(out, row),
        ]
        n_rays = packed_info.shape[0]
        runtime.launch(kernel, n_rays, arguments, values.device, _grain(n_rays, values.numel()))
        ctx.save_for_backward(weights, values, packed_info)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        weights, values, packed_info = ctx.saved_tensors
        _, kernel, row = _sum_kernels(values.shape[1])
        full = _is_full(packed_info, weights.shape[0])
        grad_weights, grad_values = _new(weights, full), _new(values, full)
        arguments = [
            runtime.as_warp(weights, wp.float32),
            runtime.as_warp(values, row),
            runtime.as_warp(grads[0].contiguous(), row),
            runtime.as_warp(packed_info, wp.int32),
            runtime.as_warp(grad_weights, wp.float32),
            runtime.as_warp(grad_values, row),
        ]
        n_rays = packed_info.shape[0]
        runtime.launch(kernel, n_rays, arguments, values.device, _grain(n_rays, 2 * values.numel()))
        return grad_weights, grad_values, None


def render_weights(
    sigmas: Float[Tensor, "n_samples"],
    deltas: Float[Tensor, "n_samples"],
    packed_info: Int32[Tensor, "n_rays 2"],
) -> Float[Tensor, "n_samples"]:
    """Volume rendering weights (Eq. 1); differentiable in ``sigmas``.

    Args:
        sigmas: Densities, ≥ 0, per unit length.
        deltas: Interval lengths, ≥ 0.
        packed_info: First sample and number of samples of each ray; samples of no ray get weight 0.
    """
    n_samples = sigmas.shape[0]
    runtime.check("sigmas", sigmas, (None,), torch.float32)
    runtime.check("deltas", deltas, (n_samples,), torch.float32, sigmas.device)
    runtime.check("packed_info", packed_info, (None, 2), torch.int32, sigmas.device)
    return _RenderWeights.apply(sigmas, deltas, packed_info)  # pyright: ignore[reportReturnType]


def accumulate(
    weights: Float[Tensor, "n_samples"],
    values: Float[Tensor, "n_samples channels"],
    packed_info: Int32[Tensor, "n_rays 2"],
) -> Float[Tensor, "n_rays channels"]:
    """Sum ``values`` along each ray by weight (Eq. 2, 7); differentiable in both. An empty ray sums to 0."""
    runtime.check("weights", weights, (None,), torch.float32)
    runtime.check("values", values, (weights.shape[0], None), torch.float32, weights.device)
    runtime.check("packed_info", packed_info, (None, 2), torch.int32, weights.device)
    return _Accumulate.apply(weights, values, packed_info)  # pyright: ignore[reportReturnType]
