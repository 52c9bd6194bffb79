"""L∞ contraction: all of space into the cube [-2, 2]³, [-1, 1]³ left as it is.

With m = max |x_i|:  contract(x) = x                  for m ≤ 1
                     contract(x) = x · (2 - 1/m) / m  otherwise.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

LIMIT = 2.0


def contract(points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """Space to the cube [-2, 2]³."""
    magnitude = points.abs().amax(-1, keepdim=True).clamp_min(1.0)
    return points * ((2.0 - 1.0 / magnitude) / magnitude)


def uncontract(points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """The inverse of :func:`contract`; the cube's faces (infinity) map to a very large, finite distance."""
    magnitude = points.abs().amax(-1, keepdim=True).clamp(1.0, LIMIT - 1e-6)
    return points / (magnitude * (2.0 - magnitude))


def to_unit(contracted: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """The cube [-2, 2]³ to the hash grid's [0, 1]³."""
    return ((contracted + LIMIT) / (2 * LIMIT)).clamp(0.0, 1.0)


def from_unit(unit: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """The inverse of :func:`to_unit`."""
    return torch.as_tensor(unit) * (2 * LIMIT) - LIMIT
