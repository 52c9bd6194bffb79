"""An object known exactly, in a field that is marched: the balls of :mod:`support.balls` as a network.

Where :class:`support.balls.BallField` answers rays by intersection, here densities are asked, so that a field
whose densities are changed is rendered as changed. The object is the red ball.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from sanerf_hq.export import Target
from sanerf_hq.geometry import WorldTransform, from_unit, uncontract
from sanerf_hq.objects import ObjectConfig, ObjectField
from sanerf_hq.objects.network import ObjectNetwork
from sanerf_hq.objects.region import Region
from sanerf_hq.radiance import GridConfig, RadianceConfig, RadianceField
from sanerf_hq.radiance.clearance import Clearance
from sanerf_hq.radiance.occupancy import Occupancy
from sanerf_hq.radiance.rounds import NetworkInRounds
from support.balls import CENTERS, COLOURS, RADIUS, SHELL, ball_field

SIDE = 32
DENSE = 1000.0
SURE = 12.0
SCALE = 2 / 3
CONFIG = RadianceConfig(
    grid=GridConfig(n_levels=2, n_features=2, log2_table=8, finest=32), hidden=8, march_step=0.04
)
OBJECT_CONFIG = ObjectConfig(grid=GridConfig(n_levels=2, n_features=2, log2_table=8, finest=32), hidden=4)


def label_of(unit_points: Tensor) -> Tensor:
    """Whose each point of [0, 1]³ is: 0 nobody's, 1 the red ball's, 2 the green one's, 3 the shell's."""
    points = uncontract(from_unit(unit_points)) / SCALE
    label = torch.where(points.norm(dim=-1) > SHELL, 3, 0)
    for number, center in enumerate(CENTERS, 1):
        label[(points - center).norm(dim=-1) < RADIUS] = number
    return label


class BallNetwork(NetworkInRounds):
    """Dense within the balls and beyond the shell; features say whose a point is."""

    def encode(self, unit_points: Tensor, times: Tensor | None = None) -> Tensor:
        return unit_points

    def geometry(self, encoding: Tensor) -> tuple[Tensor, Tensor]:
        label = label_of(encoding)
        features = torch.nn.functional.one_hot(label, self.n_geometry).float()
        return torch.where(label > 0, DENSE, 0.0), features

    def shade(self, geometry: Tensor, directions: Tensor) -> Tensor:
        return geometry[:, [3, 1, 2]].float() @ (COLOURS.float() / 255)


class RedNetwork(ObjectNetwork):
    """The red ball's identity, by the features of :class:`BallNetwork`."""

    def identities(self, encoding: Tensor, geometry: Tensor) -> Tensor:
        red = SURE * (2 * geometry[:, 1] - 1)
        return torch.stack([torch.zeros_like(red), red], -1)


def exact_target(folder: Path) -> Target:
    """The red ball as an object of a field at home in a new run below ``folder``."""
    home = ball_field(folder).at_home()
    steps = (torch.arange(SIDE) + 0.5) / SIDE
    label = label_of(torch.cartesian_prod(steps, steps, steps)).view(SIDE, SIDE, SIDE)
    near = torch.nn.functional.max_pool3d((label == 1)[None, None].float(), 3, 1, 1)[0, 0] > 0
    full = torch.nn.functional.max_pool3d((label > 0)[None, None].float(), 3, 1, 1)[0, 0].to(torch.uint8)
    occupancy = Occupancy(full.float(), full, torch.zeros_like(full, dtype=torch.bool))
    world = WorldTransform((0.0, 0.0, 0.0), SCALE)
    network = BallNetwork(CONFIG).eval().requires_grad_(False)
    field = RadianceField(network, occupancy, world, CONFIG, 1.0, Clearance.unknown(), True, home)
    identities = RedNetwork(OBJECT_CONFIG, network.n_geometry, 1).eval().requires_grad_(False)
    return Target.whole(ObjectField(field, identities, Region.of(near), ("red",), OBJECT_CONFIG), "red")
