"""Fences: what a picture shows beside the user's box in it is not the object, from wherever it is seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from sanerf_hq.geometry import Camera
from sanerf_hq.prompts import Marks
from sanerf_hq.radiance import RadianceField

STEP = 4  # pixels between the rays that a picture's depth is known by, and
MOST_RAYS = 20_000  # of them, from which they stand farther apart
TOLERANCE = 0.02  # share of its depth by which a point may lie before or behind the surface
ROOM = 0.03  # of a box's longer side, and
LEAST_ROOM = 2.0  # pixels, by which boxes are taken to be too small


@dataclass(frozen=True)
class Fence:
    """A box in a picture.

    Attributes:
        camera: The picture's.
        low: Upper left corner of the box, with some room.
        high: Lower right corner.
        step: Pixels between the rays of ``depth``, along rows and columns.
        depth: z-depth at the middle of each block of so many pixels; NaN where there is no surface.
    """

    camera: Camera
    low: Float[Tensor, "2"]
    high: Float[Tensor, "2"]
    step: int
    depth: Float[Tensor, "rows columns"]

    @staticmethod
    def round(field: RadianceField, marks: Marks) -> Fence:
        """Of a prompt that has a box."""
        assert marks.box is not None
        camera = marks.camera
        step = max(STEP, math.ceil(math.sqrt(camera.width * camera.height / MOST_RAYS)))
        y = torch.arange(-(-camera.height // step)) * step + step / 2
        x = torch.arange(-(-camera.width // step)) * step + step / 2
        rows, columns = torch.meshgrid(y, x, indexing="ij")
        depth = field.depth_at(camera, torch.stack([columns, rows], -1).flatten(0, 1)).view(rows.shape)
        low, high = marks.box[:2], marks.box[2:]
        room = ROOM * (high - low).max() + LEAST_ROOM
        return Fence(camera, low - room, high + room, step, depth)

    def beside(self, points: Float[Tensor, "n 3"]) -> Bool[Tensor, "n"]:
        """Which points in the scene the picture shows outside the box."""
        seen = self.camera.project(points)
        outside = ((seen.xy < self.low) | (seen.xy > self.high)).any(-1) & seen.on_screen
        rows, columns = self.depth.shape
        at = seen.xy.nan_to_num(0) * (2 / self.step) / torch.tensor([columns, rows]) - 1
        between = F.grid_sample(
            self.depth[None, None], at[None, None], padding_mode="border", align_corners=False
        )
        shown = (seen.depth - between[0, 0, 0]).abs() <= TOLERANCE * seen.depth  # NaN: an edge, or no surface
        return outside & shown
