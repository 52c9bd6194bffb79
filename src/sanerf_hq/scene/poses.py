"""Poses: the ``transform_matrix`` of each frame, checked and brought to OpenCV's axes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.geometry import opengl_to_opencv, rigid_defect
from sanerf_hq.scene.fields import Fields, as_number

SCALE_TOLERANCE = 1e-3


def read_poses(frames: list[Fields]) -> list[Float[Tensor, "4 4"]]:
    """OpenGL matrices, 4x4 or 3x4, as rigid OpenCV camera-to-world.

    A uniform scale within 1e-3 and rounding are taken out of the rotations.

    Raises:
        InputError: One is missing, no matrix of numbers, not finite, not rigid or a mirror image.
    """
    if not frames:
        return []
    # Through float32 first: what overflows there would be an infinity later.
    matrices = torch.tensor([_numbers(frame) for frame in frames], dtype=torch.float32).double()
    matrices = matrices.reshape(-1, 4, 4)
    scales = matrices[:, :3, :3].square().sum((1, 2), keepdim=True).div(3).sqrt()
    scales[(scales - 1).abs() > SCALE_TOLERANCE] = 1.0
    matrices[:, :3, :3] /= scales
    for frame, matrix in zip(frames, matrices, strict=True):
        defect = rigid_defect(matrix)
        if defect is not None:
            raise frame.error(f"transform_matrix {defect}; give a rigid camera-to-world matrix")
    left, _, right = torch.linalg.svd(matrices[:, :3, :3])
    matrices[:, :3, :3] = left @ right  # the nearest rotations
    return [opengl_to_opencv(matrix) for matrix in matrices.float()]


def _numbers(frame: Fields) -> list[float]:
    """The sixteen numbers of a frame's matrix, row by row; possibly NaN or infinite."""
    rows = frame.items("transform_matrix")
    if rows is None:
        raise frame.error("transform_matrix is missing; give the 4x4 camera-to-world matrix")
    numbers: list[float] = []
    for row in rows:
        values = [as_number(value) for value in row] if isinstance(row, list) else []
        numbers += [value for value in values if value is not None]
        if len(values) != 4 or None in values:
            raise frame.error("transform_matrix is no 4x4 list of numbers; give the camera-to-world matrix")
    if len(numbers) == 12:
        numbers += [0.0, 0.0, 0.0, 1.0]
    if len(numbers) != 16:
        raise frame.error(f"transform_matrix has {len(rows)} rows; give the 4x4 camera-to-world matrix")
    return numbers
