"""Distortion of packed ray histograms (Barron et al. 2022), in one pass a ray.

    L(r) = Σ_ij w_i w_j |t_i - t_j|

It is small when a ray's weight sits in one place: it clears fog. The paper's second term is of intervals'
lengths; samples here are points. :mod:`.reference` is the specification.
"""

import typing
from typing import Any

import torch
import warp as wp
from jaxtyping import Float, Int32
from torch import Tensor

from sanerf_hq.kernels import runtime
from sanerf_hq.kernels.runtime import NOT_NEGATIVE, flat

wp.set_module_options(runtime.MODULE_OPTIONS)


@typing.no_type_check
@wp.kernel
def _forward(
    begin: int,
    end: int,
    weights: wp.array(dtype=wp.float32),
    places: wp.array(dtype=wp.float32),
    packed_info: wp.array2d(dtype=wp.int32),
    losses: wp.array(dtype=wp.float32),
    slopes: wp.array(dtype=wp.float32),
):
    ray = begin + wp.tid()
    weight = flat(weights)
    place = flat(places)
    slope = flat(slopes)
    first = packed_info[ray, 0]
    last = first + packed_info[ray, 1]
    loss = float(0.0)
    if first < last:
        origin = place[first & NOT_NEGATIVE]  # distances from the first sample keep more digits
        total = float(0.0)
        moment = float(0.0)
        k = int(first)
        while k < last:
            i = k & NOT_NEGATIVE
            total += weight[i]
            moment += weight[i] * (place[i] - origin)
            k += 1
        before = float(0.0)
        moment_before = float(0.0)
        k = int(first)
        while k < last:
            i = k & NOT_NEGATIVE
            w = weight[i]
            m = place[i] - origin
            others = (
                (m * before - moment_before) + (moment - moment_before - w * m) - m * (total - before - w)
            )
            loss += w * others
            slope[i] = 2.0 * others
            before += w
            moment_before += w * m
            k += 1
    losses[ray] = loss


@typing.no_type_check
@wp.kernel
def _backward(
    begin: int,
    end: int,
    slopes: wp.array(dtype=wp.float32),
    grad_losses: wp.array(dtype=wp.float32),
    packed_info: wp.array2d(dtype=wp.int32),
    grad_weights: wp.array(dtype=wp.float32),
):
    ray = begin + wp.tid()
    slope = flat(slopes)
    grad_weight = flat(grad_weights)
    grad = grad_losses[ray]
    k = packed_info[ray, 0]
    last = k + packed_info[ray, 1]
    while k < last:
        i = k & NOT_NEGATIVE
        grad_weight[i] = grad * slope[i]
        k += 1


class _Distortion(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, places: Tensor, packed_info: Tensor) -> Tensor:
        runtime.start()
        losses = torch.empty(packed_info.shape[0], device=weights.device)
        slopes = torch.empty_like(weights)
        arguments = [
            runtime.as_warp(weights, wp.float32),
            runtime.as_warp(places, wp.float32),
            runtime.as_warp(packed_info, wp.int32),
            runtime.as_warp(losses, wp.float32),
            runtime.as_warp(slopes, wp.float32),
        ]
        runtime.launch(_forward, packed_info.shape[0], arguments, weights.device)
        ctx.save_for_backward(slopes, packed_info)
        return losses

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        slopes, packed_info = ctx.saved_tensors
        grad_weights = torch.zeros_like(slopes)
        arguments = [
            runtime.as_warp(slopes, wp.float32),
            runtime.as_warp(grads[0].contiguous(), wp.float32),
            runtime.as_warp(packed_info, wp.int32),
            runtime.as_warp(grad_weights, wp.float32),
        ]
        runtime.launch(_backward, packed_info.shape[0], arguments, slopes.device)
        return grad_weights, None, None


def distortion(
    weights: Float[Tensor, "n_samples"],
    places: Float[Tensor, "n_samples"],
    packed_info: Int32[Tensor, "n_rays 2"],
) -> Float[Tensor, "n_rays"]:
    """How spread each ray's weights are; differentiable in ``weights``.

    Args:
        weights: Of the samples.
        places: Where they are, ascending along each ray.
        packed_info: First sample and number of samples of each ray; samples of no ray count for nothing.
    """
    n_samples = weights.shape[0]
    for name, tensor in (("weights", weights), ("places", places)):
        runtime.check(name, tensor, (n_samples,), torch.float32, weights.device)
    runtime.check("packed_info", packed_info, (None, 2), torch.int32, weights.device)
    return _Distortion.apply(weights, places, packed_info)  # pyright: ignore[reportReturnType]
