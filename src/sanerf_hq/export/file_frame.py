"""File frame: between the scene's coordinates and those of a file that another program wrote in its own.

nerfstudio trains in a turned and scaled frame and writes it to ``dataparser_transforms.json`` as
``transform`` (3x4) and ``scale``: file point = scale · transform · scene point.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.runs import read_json


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


def read_file_frame(path: Path) -> FileFrame:
    """Read nerfstudio's ``dataparser_transforms.json``.

    Raises:
        InputError: The file is missing or damaged, or holds no invertible transform and positive scale.
    """
    content = read_json(path, "give nerfstudio's dataparser_transforms.json")
    try:
        matrix = torch.tensor(content["transform"], dtype=torch.float64)
        scale = float(content["scale"])
        good = matrix.shape in ((3, 4), (4, 4)) and bool(matrix.isfinite().all()) and 0 < scale < float("inf")
        if not good or float(torch.linalg.det(matrix[:3, :3]).abs()) < 1e-12:
            raise ValueError("no transform")
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{path} holds no transform (3x4) and scale; give nerfstudio's dataparser_transforms.json"
        ) from error
    return FileFrame(matrix[:3, :3], matrix[:3, 3], scale)
