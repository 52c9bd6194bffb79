"""Rays for the ray-pair loss: drawn where the field is in error, marched, and coloured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from sanerf_hq.geometry import Rays
from sanerf_hq.objects.composite import restricted
from sanerf_hq.objects.config import RayPairConfig
from sanerf_hq.objects.error_maps import ErrorMaps
from sanerf_hq.objects.region import Region
from sanerf_hq.objects.reprojection import RaySets, reproject
from sanerf_hq.radiance import RadianceField, SurfaceSamples
from sanerf_hq.runs import Key
from sanerf_hq.scene import load_training_pixels

Colours = Callable[[Int64[Tensor, "n"], SurfaceSamples], Float[Tensor, "n 3"]]


@dataclass(frozen=True)
class PairRays:
    """Rays of several sets, set by set.

    Attributes:
        surfaces: Their samples that lie in the objects' region.
        colours: C of each ray, in [0, 1].
        places: Where each ends, in units of ``reach`` patches at its set's point, NaN for no surface; None
            where colour alone counts.
    """

    surfaces: SurfaceSamples
    colours: Float[Tensor, "n_rays 3"]
    places: Float[Tensor, "n_rays 3"] | None


@dataclass(frozen=True)
class PairSource:
    """Where sets of rays come from.

    Attributes:
        field: A field at home.
        region: Where the objects may lie.
        maps: The error maps' pixels.
        config: How many rays, where.
        colours: The colours of pixels of the training views, whose surface samples are given too.
    """

    field: RadianceField
    region: Region
    maps: ErrorMaps
    config: RayPairConfig
    colours: Colours

    @staticmethod
    def of(field: RadianceField, region: Region, maps: ErrorMaps, config: RayPairConfig) -> PairSource:
        """The source that ``config`` asks for."""
        colours = _photographed(field) if config.colours == "photo" else _rendered(field)
        return PairSource(field, region, maps, config, colours)

    def draw(self, errors: Float[Tensor, "n_rays"], key: Key) -> RaySets:
        """Sets round points in error, by the maps' present state."""
        config = self.config
        generator = key.fold("pairs").generator()
        chosen = self.maps.draw(errors.cpu(), config.maps, generator)
        points, owners = self.maps.points[chosen], self.maps.views[chosen]
        if not len(chosen):
            return RaySets.none()
        views = self.maps.numbers
        most = config.views if config.across else 1
        return reproject(self.field, views, points, owners, config.rays, config.patch, most, generator)

    def march(self, sets: RaySets) -> PairRays:
        """What the rays of sets meet."""
        rays = self.field.at_home().pixel_rays.rays(sets.pixels)
        surfaces = self.field.surfaces(rays)
        colours = self.colours(sets.pixels, surfaces)
        places = self._places(sets, rays, surfaces) if self.config.reach else None
        return PairRays(restricted(surfaces, self.region), colours, places)

    def _places(self, sets: RaySets, rays: Rays, surfaces: SurfaceSamples) -> Float[Tensor, "n_rays 3"]:
        distance = self.field.world.length_to_scene(surfaces.distance.cpu())
        points = rays.origins + rays.directions * distance[:, None]
        width = sets.widths.repeat_interleave(sets.counts)
        return (points / (self.config.reach * width)[:, None]).to(surfaces.weights.device)


def _rendered(field: RadianceField) -> Colours:
    def colours(pixels: Int64[Tensor, "n"], surfaces: SurfaceSamples) -> Float[Tensor, "n 3"]:
        directions = field.at_home().pixel_rays.rays(pixels).directions
        rgb, opacity = field.shade(surfaces, surfaces.weights, directions)
        return (rgb * opacity[:, None] + 1 - opacity[:, None]).clamp(0, 1)

    return colours


def _photographed(field: RadianceField) -> Colours:
    home = field.at_home()
    photos = load_training_pixels(home.scene, home.size).rgb

    def colours(pixels: Int64[Tensor, "n"], surfaces: SurfaceSamples) -> Float[Tensor, "n 3"]:
        return (photos[pixels.cpu()].float() / 255).to(surfaces.weights.device)

    return colours
