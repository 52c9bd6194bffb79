"""The two balls as a field with density: right on their surfaces, nonsense inside, where no camera looks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from sanerf_hq.export.target import Target
from sanerf_hq.geometry import WorldTransform, from_unit, uncontract
from sanerf_hq.kernels import accumulate
from sanerf_hq.objects import ObjectConfig, ObjectField
from sanerf_hq.objects.network import ObjectNetwork
from sanerf_hq.objects.region import Region
from sanerf_hq.radiance import GridConfig, SurfaceSamples
from sanerf_hq.radiance.rounds import NetworkInRounds
from sanerf_hq.scene import PhotoSize
from support.balls import CENTERS, COLOURS, CONFIG, RADIUS, SHELL, BallField, ball_field

WORLD = WorldTransform((0.3, -0.2, 0.1), 2 / 3)
DENSE = 400.0
SOFT = 0.01  # scene units over which the density rises
CRUST = 0.12  # below it the balls are empty
WIDTH = 192


class HollowNetwork(NetworkInRounds):
    """Densities of the balls and the shell, by distance."""

    def encode(self, unit_points: Tensor, times: Tensor | None = None) -> Tensor:
        return torch.nn.functional.pad(unit_points, (0, self.layout.n_outputs - 3))

    def geometry(self, encoding: Tensor) -> tuple[Tensor, Tensor]:
        points = WORLD.to_scene(uncontract(from_unit(encoding[:, :3])))
        below = RADIUS - torch.cdist(points, CENTERS).amin(-1)
        full = torch.sigmoid(below / SOFT) * (below < CRUST)
        full = full + torch.sigmoid((points.norm(dim=-1) - SHELL) / SOFT)
        return DENSE * full + 1e-3, torch.zeros(len(points), self.n_geometry)


@dataclass(frozen=True)
class HollowField(BallField):
    """The balls in their own colours, from a field whose origin is not the scene's."""

    def shade(self, surfaces: SurfaceSamples, weights: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        points = self.world.to_scene(uncontract(from_unit(surfaces.unit_points)))
        distance, nearest = torch.cdist(points, CENTERS).min(-1)
        colours = COLOURS[torch.where(distance < 1.0, nearest + 1, 0)] / 255
        sums = accumulate(
            weights, torch.cat([colours, torch.ones_like(weights)[:, None]], -1), surfaces.packed_info
        )
        return sums[:, :3] / sums[:, 3:].clamp_min(1e-6), sums[:, 3]


@dataclass(frozen=True)
class BallObjects(ObjectField):
    """Which ball is where, known exactly."""

    def _identities(self, unit_points: Tensor, geometry: Tensor) -> Tensor:
        points = self.radiance.world.to_scene(uncontract(from_unit(unit_points)))
        distance, nearest = torch.cdist(points, CENTERS).min(-1)
        owner = torch.where(distance < 1.5 * RADIUS, nearest + 1, 0)
        return 8.0 * torch.nn.functional.one_hot(owner, 3).float()


def hollow_field(folder: Path) -> HollowField:
    """The field at home in a new run, its views larger than the photos."""
    exact = ball_field(folder)
    network = HollowNetwork(CONFIG).eval().requires_grad_(False)
    home = replace(exact.at_home(), size=PhotoSize(WIDTH))
    return HollowField(
        network, exact.occupancy, WORLD, CONFIG, 1.0, exact.clearance, False, home, shell=exact.shell
    )


def ball_objects(field: BallField) -> BallObjects:
    """Both balls as identities 1 (red) and 2 (green)."""
    grid = GridConfig(n_levels=1, n_features=1, log2_table=4, finest=16)
    config = ObjectConfig(grid=grid, hidden=4, from_votes=False)
    network = ObjectNetwork(config, field.network.n_geometry, 2)
    return BallObjects(field, network, Region.everywhere(), ("red", "green"), config)


def ball_target(field: BallField, number: int) -> Target:
    """One of the balls."""
    return Target(ball_objects(field), (number,), ("red", "green")[number - 1])
