"""Crop: a radiance field of which only what lies in a box is seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.geometry import from_unit, uncontract
from sanerf_hq.radiance import RadianceField

OUTLIERS = 0.02  # share of the samples on each side that a scene's box leaves out
MARGIN = 0.05


@dataclass(frozen=True)
class CropBox:
    """A box along the scene's axes.

    Attributes:
        low: Its least corner, scene units.
        high: Its greatest corner.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @staticmethod
    def around(points: Float[Tensor, "n 3"]) -> CropBox:
        """A box that holds nearly all of some points; NaN are no points."""
        known = points[points.isfinite().all(-1)]
        if not len(known):
            return CropBox((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))
        known = known[:: 1 + len(known) // 100_000].sort(0).values
        last = len(known) - 1
        low, high = known[int(OUTLIERS * last)], known[int((1 - OUTLIERS) * last)]
        room = (high - low).clamp_min(1e-6) * MARGIN
        (a, b, c), (d, e, f) = (low - room).tolist(), (high + room).tolist()
        return CropBox((a, b, c), (d, e, f))


def cropped(field: RadianceField, box: CropBox) -> RadianceField:
    """The field with nothing outside the box, to the nearest cell: rays pass what lies before it."""
    occupancy = field.occupancy
    steps = (torch.arange(occupancy.side) + 0.5) / occupancy.side
    middles = field.world.to_scene(uncontract(from_unit(torch.cartesian_prod(steps, steps, steps))))
    inside = ((middles >= torch.tensor(box.low)) & (middles <= torch.tensor(box.high))).all(-1)
    kept = inside.view(occupancy.occupied.shape).to(occupancy.occupied)
    return replace(field, occupancy=replace(occupancy, occupied=occupancy.occupied * kept), closed=False)
