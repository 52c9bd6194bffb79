"""Adam for hash tables: rows that got no gradient in a step cost nothing but being looked at.

Most entries of a table are untouched by a batch. Their moments stay as they are until the next gradient
arrives, as in Müller et al. 2022; the gradient is cleared in the same pass.
"""

import functools
import typing
from typing import Any

import torch
import warp as wp
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.kernels import runtime

BLOCK = 1024  # rows of a CPU work item
GRAIN = 32  # work items worth a thread


@functools.cache
def _kernel(features: int) -> Any:
    runtime.start()
    row = wp.types.vector(length=features, dtype=wp.float32)

    @typing.no_type_check
    @wp.kernel(module="unique", module_options=runtime.MODULE_OPTIONS)
    def step(
        begin: int,
        end: int,
        block: int,
        grad: wp.array(dtype=row),
        beta1: float,
        beta2: float,
        rate: float,
        root_correction: float,
        eps: float,
        table: wp.array(dtype=row),
        first: wp.array(dtype=row),
        second: wp.array(dtype=row),
    ):
        i = (begin + wp.tid()) * block
        last = wp.min(i + block, grad.shape[0])
        while i < last:
            k = i & runtime.NOT_NEGATIVE
            g = grad[k]
            if not (g == row()):  # NaN is not zero either, nor is what would be if squared
                m = beta1 * first[k] + (1.0 - beta1) * g
                v = beta2 * second[k] + (1.0 - beta2) * wp.cw_mul(g, g)
                p = table[k]
                for c in range(features):
                    p[c] = p[c] - rate * m[c] / (wp.sqrt(v[c]) * root_correction + eps)
                table[k] = p
                first[k] = m
                second[k] = v
                grad[k] = row()
            i += 1

    return step, row


def adam_rows(
    table: Float[Tensor, "n_entries n_features"],
    grad: Float[Tensor, "n_entries n_features"],
    first: Float[Tensor, "n_entries n_features"],
    second: Float[Tensor, "n_entries n_features"],
    step: int,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.99),
    eps: float = 1e-15,
) -> None:
    """One step in place on the rows whose gradient is not zero; ``grad`` is zero afterwards.

    Args:
        table: Parameters.
        grad: Their gradient.
        first: Running mean of the gradient.
        second: Running mean of its square.
        step: Number of this step, from 1, for the bias correction.
        lr: Learning rate.
        betas: Decay of the two means.
        eps: Added to the denominator.
    """
    shape = (table.shape[0], table.shape[1])
    for name, tensor in (("table", table), ("grad", grad), ("first", first), ("second", second)):
        runtime.check(name, tensor, shape, torch.float32, table.device)
    kernel, row = _kernel(shape[1])
    block = BLOCK if table.device.type == "cpu" else 1
    beta1, beta2 = betas
    arguments = [
        block,
        runtime.as_warp(grad, row),
        beta1,
        beta2,
        lr / (1 - beta1**step),
        (1 - beta2**step) ** -0.5,
        eps,
        runtime.as_warp(table, row),
        runtime.as_warp(first, row),
        runtime.as_warp(second, row),
    ]
    runtime.launch(kernel, -(-shape[0] // block), arguments, table.device, GRAIN)
