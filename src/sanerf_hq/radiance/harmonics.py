"""Real spherical harmonics up to degree 3 (four bands, 16 numbers) of unit directions."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

SH_CHANNELS = 16


def spherical_harmonics(directions: Float[Tensor, "n 3"]) -> Float[Tensor, "n 16"]:
    """Orthonormal real harmonics Y_l^m, l = 0..3, m = -l..l."""
    x, y, z = directions.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    c1 = math.sqrt(3 / (4 * math.pi))
    c2 = math.sqrt(15 / (4 * math.pi))
    c3 = math.sqrt(35 / (32 * math.pi))
    c4 = math.sqrt(105 / (4 * math.pi))
    c5 = math.sqrt(21 / (32 * math.pi))
    return torch.stack(
        [
            torch.full_like(x, math.sqrt(1 / (4 * math.pi))),
            c1 * y,
            c1 * z,
            c1 * x,
            c2 * x * y,
            c2 * y * z,
            math.sqrt(5 / (16 * math.pi)) * (3 * zz - 1),
            c2 * x * z,
            c2 / 2 * (xx - yy),
            c3 * y * (3 * xx - yy),
            c4 * x * y * z,
            c5 * y * (5 * zz - 1),
            math.sqrt(7 / (16 * math.pi)) * z * (5 * zz - 3),
            c5 * x * (5 * zz - 1),
            c4 / 2 * z * (xx - yy),
            c3 * x * (xx - 3 * yy),
        ],
        -1,
    )
