"""What views leave standing of a thin thing at depth 2, before a wall or another part of it at depth 3."""

from __future__ import annotations

import pytest
import torch

from sanerf_hq.export.carve import Carved, carve
from sanerf_hq.export.sights import Sight
from sanerf_hq.export.voxels import Voxels
from sanerf_hq.geometry import Camera

HERE = Voxels((-0.06, -0.06, 1.94), 0.02, (7, 7, 7))
MIDDLE = (3, 3, 3)


def view(covered: bool, meets: float, own: bool) -> Sight:
    """A view whose mask covers the thing or not, and whose rays meet the object or something else."""
    camera = Camera(torch.tensor([[8.0, 0, 4], [0, 8, 4], [0, 0, 1]]), torch.eye(4), 8, 8)
    share, depth = torch.full((8, 8), float(covered)), torch.full((8, 8), meets)
    none = torch.zeros(0)
    return Sight(camera, share, depth * own, depth, torch.zeros(0, 2), none, none)


def middle(carved: Carved) -> tuple[float, float, float]:
    return float(carved.outlined[MIDDLE]), float(carved.unseen[MIDDLE]), float(carved.support[MIDDLE])


@pytest.mark.parametrize(
    ("views", "left"),
    [
        ([view(True, 2.0, True)] * 6, (1.0, 0.5, 1.0)),  # its surface
        ([view(True, 3.0, True)] * 6, (1.0, 0.0, 1.0)),  # light passes: the object lies behind
        ([view(False, 3.0, False)] * 6, (0.0, 0.0, 0.0)),  # it is beside the object
        ([view(False, 1.0, False)] * 6, (1.0, 1.0, 0.0)),  # nobody knows: it is hidden
        # The masks show it, the field lacks it, and some rays go on to another part of the object.
        ([view(True, 3.0, False)] * 4 + [view(True, 3.0, True)] * 2, (1.0, 1.0, 1.0)),
        # One mask that shows it is no proof.
        ([view(True, 3.0, False)] + [view(True, 3.0, True)] * 5, (1.0, 0.0, 1.0)),
    ],
)
def test_a_voxel_stands_unless_views_that_know_show_it_empty(
    views: list[Sight], left: tuple[float, float, float]
):
    assert middle(carve(views, HERE)) == pytest.approx(left, abs=0.02)
