"""Distortion of packed ray histograms (Barron et al. 2022), in one pass a ray.

    L(r) = Σ_ij w_i w_j |m_i - m_j| + 1/3 Σ_i w_i² (b_i - a_i),   m_i = (a_i + b_i) / 2

It is small when a ray's weight sits in one place: it clears fog. :mod:`.reference` is the specification.
"""

import typing
from typing import Any

import torch
import warp as wp
from jaxtyping import Float, Int32
from torch import Tensor

from sanerf_hq.kernels import runtime

wp.set_module_options(runtime.MODULE_OPTIONS)


@typing.no_type_check
@wp.kernel
def _distortion(
    begin: int,
    end: int,
    weights: wp.array(dtype=wp.float32),
    starts: wp.array(dtype=wp.float32),
    ends: wp.array(dtype=wp.float32),
    packed_info: wp.array2d(dtype=wp.int32),
    losses: wp.array(dtype=wp.float32),
    slopes: wp.array(dtype=wp.float32),
):
    ray = begin + wp.tid()
    first = packed_info[ray, 0]
    last = first + packed_info[ray, 1]
    total = float(0.0)
    moment = float(0.0)
    for k in range(first, last):
        total += weights[k]
        moment += weights[k] * 0.5 * (starts[k] + ends[k])
    loss = float(0.0)
    before = float(0.0)
    moment_before = float(0.0)
    for k in range(first, last):
        w = weights[k]
        m = 0.5 * (starts[k] + ends[k])
        own = w * (ends[k] - starts[k]) / 3.0
        others = (m * before - moment_before) + (moment - moment_before - w * m) - m * (total - before - w)
        loss += w * (others + own)
        slopes[k] = 2.0 * (others + own)
        before += w
        moment_before += w * m
    losses[ray] = loss


class _Distortion(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, starts: Tensor, ends: Tensor, packed_info: Tensor) -> Tensor:
        runtime.start()
        losses = torch.zeros(packed_info.shape[0], device=weights.device)
        slopes = torch.zeros_like(weights)
        arguments = [
            runtime.as_warp(weights, wp.float32),
            runtime.as_warp(starts, wp.float32),
            runtime.as_warp(ends, wp.float32),
            runtime.as_warp(packed_info, wp.int32),
            runtime.as_warp(losses, wp.float32),
            runtime.as_warp(slopes, wp.float32),
        ]
        runtime.launch(_distortion, packed_info.shape[0], arguments, weights.device)
        ctx.save_for_backward(slopes, packed_info)
        return losses

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        slopes, packed_info = ctx.saved_tensors
        per_sample = torch.repeat_interleave(grads[0], packed_info[:, 1].long(), output_size=slopes.shape[0])
        return slopes * per_sample, None, None, None


def distortion(
    weights: Float[Tensor, "n_samples"],
    starts: Float[Tensor, "n_samples"],
    ends: Float[Tensor, "n_samples"],
    packed_info: Int32[Tensor, "n_rays 2"],
) -> Float[Tensor, "n_rays"]:
    """How spread each ray's weights are; differentiable in ``weights``. Every sample must belong to a ray."""
    n_samples = weights.shape[0]
    for name, tensor in (("weights", weights), ("starts", starts), ("ends", ends)):
        runtime.check(name, tensor, (n_samples,), torch.float32)
    runtime.check("packed_info", packed_info, (None, 2), torch.int32)
    return _Distortion.apply(weights, starts, ends, packed_info)  # pyright: ignore[reportReturnType]
