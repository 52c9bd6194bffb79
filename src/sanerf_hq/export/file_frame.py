"""File frame: between the scene's coordinates and those of a file that another program wrote in its own.

nerfstudio trains in a turned and scaled frame and writes it to ``dataparser_transforms.json`` as
``transform`` (3x4) and ``scale``. They lead there from the coordinates of whatever made the scene, which its
``transforms.json`` may have turned and scaled before: ``applied_transform`` (3x4) and ``applied_scale``, both
multiplied in. Without them: file point = scale · transform · scene point.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.runs import read_json
from sanerf_hq.scene import Scene
from sanerf_hq.scene.fields import as_number, read_json_object

FROM_COLMAP = [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0]]  # nerfstudio's, of files that do not say it yet
COLMAP_FOLDER = "colmap/sparse/0"
LEAST_VOLUME = 1e-12  # of a unit cube that a transform leaves
REMEDY = "give nerfstudio's dataparser_transforms.json"


@dataclass(frozen=True)
class FileFrame:
    """file point = scale · (rotation · scene point + shift).

    Attributes:
        rotation: 3x3.
        shift: Before scaling.
        scale: File units per scene unit, > 0.
    """

    rotation: Float[Tensor, "3 3"]
    shift: Float[Tensor, "3"]
    scale: float

    @staticmethod
    def same() -> FileFrame:
        """That of a file in the scene's own coordinates."""
        return FileFrame(torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), 1.0)

    def to_scene(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Points of the file to the scene's coordinates."""
        return torch.linalg.solve(self.rotation, (points.double() / self.scale - self.shift).T).T.float()


def read_file_frame(path: Path, scene: Scene) -> FileFrame:
    """Read nerfstudio's ``dataparser_transforms.json``.

    Args:
        path: The file.
        scene: What nerfstudio was trained on.

    Raises:
        InputError: The file is missing or damaged, or holds no invertible transform and positive scale; or
            what the scene's file says was applied to it is none.
    """
    content = read_json(path, REMEDY)
    written, scale = _matrix(content.get("transform")), _positive(content.get("scale"))
    if written is None or scale is None:
        raise InputError(f"{path} holds no transform (3x4) and scale; {REMEDY}")
    applied, applied_scale = _applied(scene)
    matrix = written @ torch.linalg.inv(applied)
    return FileFrame(matrix[:3, :3], matrix[:3, 3], scale / applied_scale)


def _applied(scene: Scene) -> tuple[Float[Tensor, "4 4"], float]:
    """What leads to the scene's coordinates from those that nerfstudio's transform begins with; its scale."""
    content: dict[str, object] = {"applied_transform": torch.eye(4).tolist(), "applied_scale": 1.0}
    if scene.file is not None:  # of a COLMAP model and of LLFF nerfstudio has the same coordinates as we
        if (scene.file.parent / COLMAP_FOLDER).is_dir():
            content["applied_transform"] = FROM_COLMAP
        content |= read_json_object(scene.file).values
    matrix, scale = _matrix(content["applied_transform"]), _positive(content["applied_scale"])
    if matrix is None or scale is None:
        raise InputError(
            f"{scene.file} has an applied_transform that is no invertible 3x4 matrix or an applied_scale "
            "that is not above 0; process the photos again"
        )
    return matrix, scale


def _matrix(value: object) -> Float[Tensor, "4 4"] | None:
    """Rows as an affine map that can be inverted; None where they are none."""
    try:
        rows = torch.tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        return None
    if rows.shape not in ((3, 4), (4, 4)) or not rows.isfinite().all():
        return None
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3] = rows[:3]
    return matrix if float(torch.linalg.det(matrix).abs()) >= LEAST_VOLUME else None


def _positive(value: object) -> float | None:
    number = as_number(value)
    return number if number is not None and 0 < number < float("inf") else None
