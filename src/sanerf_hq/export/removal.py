"""Removal: a scene without an object, and an object without its scene, as radiance fields of their own.

With P(x) the object's probability, density σ(x) becomes σ(x)·S(P(x)) or σ(x)·(1 - S(P(x))). So a picture of
the one shows all of the object, also what things before it hide from that camera; a picture of the other
shows what stands behind the object, as far as any photo saw it.

S makes a decision of P, with a ramp between two limits: a surface is so dense that a twentieth of it would
still be seen as a film. What is left of a removed object is seen at once, so there the ramp lies low.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from sanerf_hq.export.target import Target
from sanerf_hq.objects.region import Region
from sanerf_hq.radiance import RadianceField, SurfaceSamples
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.rounds import NetworkInRounds

Keep = Literal["object", "rest"]
LIMITS: dict[Keep, tuple[float, float]] = {"object": (0.4, 0.6), "rest": (0.05, 0.2)}


def isolated(target: Target) -> RadianceField:
    """The object alone: rays that miss it meet nothing."""
    field = target.radiance
    near = _near(field.occupancy.occupied, target.field.region)
    return replace(
        field,
        network=EditedNetwork(field.network, target, "object"),
        occupancy=replace(field.occupancy, occupied=near),
        closed=False,
    )


def without(target: Target) -> RadianceField:
    """Everything but the object."""
    return replace(target.radiance, network=EditedNetwork(target.radiance.network, target, "rest"))


class EditedNetwork(NetworkInRounds):
    """A radiance network whose densities are cut to an object, or to the rest.

    Its encodings carry their points along, in three more columns, since the object is asked by position.
    """

    def __init__(self, base: RadianceNetwork, target: Target, keep: Keep) -> None:
        nn.Module.__init__(self)  # every parameter is the base's
        self.base = base
        self.table, self.layout, self.n_geometry = base.table, base.layout, base.n_geometry
        self.target = target
        self.keep: Keep = keep

    def encode(
        self, unit_points: Float[Tensor, "n 3"], times: Float[Tensor, "n"] | None = None
    ) -> Float[Tensor, "n n_encoding"]:
        """The base's features, then the point."""
        return torch.cat([self.base.encode(unit_points, times).float(), unit_points], -1)

    def geometry(
        self, encoding: Float[Tensor, "n_points n_encoding"]
    ) -> tuple[Float[Tensor, "n_points"], Float[Tensor, "n_points n_geometry"]]:
        """What is left of the density, and the base's geometry features."""
        unit_points = encoding[:, -3:]
        sigmas, geometry = self.base.geometry(encoding[:, :-3])
        share = self._share(unit_points, geometry)
        return sigmas * (share if self.keep == "object" else 1 - share), geometry

    def shade(
        self, geometry: Float[Tensor, "n geometry"], directions: Float[Tensor, "n 3"]
    ) -> Float[Tensor, "n 3"]:
        """The base's colours."""
        return self.base.shade(geometry, directions)

    def _share(self, unit_points: Tensor, geometry: Tensor) -> Float[Tensor, "n_points"]:
        """S(P): each point asked as a ray that ends there."""
        n_points = len(unit_points)
        ones = unit_points.new_ones(n_points)
        each = torch.arange(n_points, device=unit_points.device)
        info = torch.stack([each, torch.ones_like(each)], -1).int()
        ends = SurfaceSamples(unit_points, geometry.half(), ones, info, ones, ones)
        with torch.autocast(unit_points.device.type, enabled=False):
            share = self.target.share_of(self.target.field.logits_of(ends))
        low, high = LIMITS[self.keep]
        return ((share - low) / (high - low)).clamp(0, 1)


def _near(occupied: UInt8[Tensor, "side side side"], region: Region) -> UInt8[Tensor, "side side side"]:
    """The occupied cells that a region reaches into."""
    cells = region.cells.float()[None, None].to(occupied.device)
    side, finer = occupied.shape[0], region.cells.shape[0]
    reached = (
        torch.nn.functional.adaptive_max_pool3d(cells, side)
        if finer >= side
        else torch.nn.functional.interpolate(cells, size=(side, side, side), mode="nearest")
    )
    return occupied * (reached[0, 0] > 0)
