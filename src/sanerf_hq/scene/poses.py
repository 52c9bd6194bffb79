"""Poses: camera-to-world matrices as files give them, checked and made rigid."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import opengl_to_opencv, rigid_defect
from sanerf_hq.geometry.poses import RIGID_TOLERANCE
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

    def refuse(index: int, defect: str) -> InputError:
        return frames[index].error(f"transform_matrix {defect}; give a rigid camera-to-world matrix")

    return [opengl_to_opencv(matrix) for matrix in rigid_poses(matrices.reshape(-1, 4, 4), refuse)]


def rigid_poses(
    matrices: Float[Tensor, "n 4 4"], refuse: Callable[[int, str], InputError]
) -> Float[Tensor, "n 4 4"]:
    """Matrices whose rotations are the nearest to those given, in float32; axes are left as they are.

    Args:
        matrices: Camera-to-world, float64; a uniform scale within 1e-3 is taken out.
        refuse: Makes the error about one of them, out of its index and a few words.

    Raises:
        InputError: One is not finite, not rigid or a mirror image.
    """
    matrices = matrices.clone()
    scales = matrices[:, :3, :3].square().sum((1, 2), keepdim=True).div(3).sqrt()
    scales[(scales - 1).abs() > SCALE_TOLERANCE] = 1.0
    matrices[:, :3, :3] /= scales
    for index in _suspects(matrices).nonzero()[:, 0].tolist():
        defect = rigid_defect(matrices[index])
        if defect is not None:
            raise refuse(index, defect)
    left, _, right = torch.linalg.svd(matrices[:, :3, :3])
    matrices[:, :3, :3] = left @ right  # the nearest rotations
    return matrices.float()


def _suspects(matrices: Float[Tensor, "n 4 4"]) -> Bool[Tensor, "n"]:
    """Which may have a defect: all at once, since one by one ten thousand take seconds."""
    rotations = matrices[:, :3, :3]
    off = (rotations @ rotations.mT - torch.eye(3, dtype=matrices.dtype)).abs().amax((1, 2))
    last = (matrices[:, 3] - matrices.new_tensor([0.0, 0.0, 0.0, 1.0])).abs().amax(1)
    fine = (off <= RIGID_TOLERANCE) & (last <= 1e-7) & matrices.isfinite().all(2).all(1)
    return ~(fine & (torch.linalg.det(rotations.nan_to_num(0, 0, 0)) > 0))


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
