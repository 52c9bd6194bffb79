"""Quaternions: rotations as COLMAP writes them, w x y z in Hamilton's convention."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def rotations_of(quaternions: Float[Tensor, "n 4"]) -> Float[Tensor, "n 3 3"]:
    """Rotation matrices of quaternions of any length but 0."""
    w, x, y, z = torch.nn.functional.normalize(quaternions, dim=-1).unbind(-1)
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(rows, -1).reshape(-1, 3, 3)


def quaternions_of(rotations: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 4"]:
    """Unit quaternions with w ≥ 0: each the eigenvector of the largest eigenvalue of Bar-Itzhack's matrix.

    Of a matrix that is not quite a rotation it is the nearest one's (Bar-Itzhack, 2000, "New method for
    extracting the quaternion from a rotation matrix").
    """
    m = rotations.double()
    K = torch.zeros(len(m), 4, 4, dtype=torch.float64)
    trace = m.diagonal(dim1=1, dim2=2).sum(-1)
    K[:, 0, 0] = trace
    K[:, 0, 1:] = torch.stack([m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]], -1)
    K[:, 1:, 0] = K[:, 0, 1:]
    K[:, 1:, 1:] = m + m.mT - trace[:, None, None] * torch.eye(3, dtype=torch.float64)
    largest = torch.linalg.eigh(K / 3).eigenvectors[:, :, -1]
    return torch.where(largest[:, :1] < 0, -largest, largest)
