"""RadianceField: a trained scene, asked in the scene's own coordinates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera, Rays, WorldTransform
from sanerf_hq.kernels import accumulate
from sanerf_hq.radiance.clearance import Clearance
from sanerf_hq.radiance.config import FINER, GridConfig, RadianceConfig
from sanerf_hq.radiance.gaps import fill_gaps
from sanerf_hq.radiance.home import Home
from sanerf_hq.radiance.moments import checked_time, nearest_moment
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.occupancy import Occupancy
from sanerf_hq.radiance.render import OPAQUE, shade
from sanerf_hq.radiance.surfaces import SurfaceSamples, strongest
from sanerf_hq.radiance.trace import Traced, trace
from sanerf_hq.runs import (
    DamagedFile,
    Progress,
    ProgressCallback,
    quiet,
    read_tensors,
    under_prefix,
    with_prefix,
    write_tensors,
)

RAYS_A_CHUNK = 8192
FORMAT = "5"


@dataclass(frozen=True)
class RenderedView:
    """A picture of the field.

    Attributes:
        rgb: Colour in [0, 1] on the chosen background.
        depth: z-depth in scene units (Eq. 5); NaN where the opacity is below 0.5.
        opacity: Share of light that the field stops, in [0, 1].
    """

    rgb: Float[Tensor, "h w 3"]
    depth: Float[Tensor, "h w"]
    opacity: Float[Tensor, "h w"]


@dataclass(frozen=True)
class RadianceField:
    """Density and colour everywhere, frozen.

    Attributes:
        network: Its parameters.
        occupancy: Where it is not empty.
        world: From the scene's coordinates to the field's.
        config: What it was trained with.
        spacing: Spacing of candidates at the end of training, in units of ``config.march_step``.
        clearance: Where space is known to be empty.
        closed: Whether every ray ends in the scene: its photos have no transparency.
        home: The run and scene it belongs to; None for a field that was read from a file alone.
        moments: Times in [0, 1] that it was trained on, ascending; () if the scene stands still.
        moment: The time of all rays that have none of their own, in a scene that moves.
    """

    network: RadianceNetwork
    occupancy: Occupancy
    world: WorldTransform
    config: RadianceConfig
    spacing: float
    clearance: Clearance
    closed: bool
    home: Home | None = None
    moments: tuple[float, ...] = ()
    moment: float | None = None

    def at(self, time: float) -> RadianceField:
        """The same scene standing still at the trained moment nearest to ``time``, with that moment's views.

        Raises:
            InputError: The scene does not move, or the time is not in [0, 1].
        """
        moment = nearest_moment(self.moments, checked_time(self.moments, time))
        home = None if self.home is None else self.home.at(moment)
        return replace(self, home=home, moment=moment)

    def whole(self) -> RadianceField:
        """The same scene at no moment, with the views of all; a scene that stands still as it is."""
        return replace(self, home=None if self.home is None else self.home.whole(), moment=None)

    def is_at(self, time: float | None) -> bool:
        """Whether what it shows is so at a time; always where the scene stands still or is left moving."""
        return self.moment is None or time is None or nearest_moment(self.moments, time) == self.moment

    def encode(self, unit_points: Float[Tensor, "n 3"]) -> Float[Tensor, "n n_encoding"]:
        """The hash grid's features of contracted points in [0, 1]³, at its moment if the scene moves.

        Raises:
            InputError: The scene moves, and the field is at no moment.
        """
        return self.network.encode(unit_points, self._moments_of(len(unit_points)))

    def at_home(self) -> Home:
        """The run and scene it belongs to.

        Raises:
            InputError: It belongs to none.
        """
        if self.home is None:
            raise InputError("this field belongs to no run; train it, or open it with load_radiance_field")
        return self.home

    @property
    def device(self) -> torch.device:
        return self.network.table.device

    @torch.no_grad()
    def render(
        self,
        camera: Camera,
        background: tuple[float, float, float] = (1.0, 1.0, 1.0),
        progress: ProgressCallback = quiet,
    ) -> RenderedView:
        """Colour, depth and opacity as seen by ``camera``; the field's size does not limit the picture's.

        Args:
            camera: Where from, in the scene's coordinates; its size is the picture's.
            background: Colour in [0, 1] of what no surface stops. In a closed scene, where every ray ends
                somewhere, what no photo shows has the colour of what is nearest in the picture instead.
            progress: Told after each part of the picture; may raise Cancelled.
        """
        rows = [rows for rows, _ in self._parts(camera, background, progress)]
        return self._picture(camera, rows, background)

    @torch.no_grad()
    def render_surfaces(
        self,
        camera: Camera,
        background: tuple[float, float, float] = (1.0, 1.0, 1.0),
        progress: ProgressCallback = quiet,
    ) -> tuple[RenderedView, SurfaceSamples]:
        """A picture, and the surface samples of its rays, row by row; arguments as for :meth:`render`."""
        rows, surfaces = [], [SurfaceSamples.none(self.network.n_geometry, self.device)]
        for part, traced in self._parts(camera, background, progress):
            rows.append(part)
            surfaces.append(strongest(traced, OPAQUE))
        return self._picture(camera, rows, background), SurfaceSamples.join(surfaces)

    @torch.no_grad()
    def surfaces(self, rays: Rays) -> SurfaceSamples:
        """The few samples with weight of rays in the scene's coordinates."""
        parts = [strongest(self._trace(rays[chunk])[0], OPAQUE) for chunk in chunks(len(rays))]
        return (
            SurfaceSamples.join(parts) if parts else SurfaceSamples.none(self.network.n_geometry, self.device)
        )

    def depth_at(self, camera: Camera, xy: Float[Tensor, "n 2"]) -> Float[Tensor, "n"]:
        """z-depth (Eq. 5) in scene units at pixel coordinates of a camera; NaN where there is no surface."""
        rays = camera.rays(xy)
        distance = self.surfaces(rays).distance
        return self.world.length_to_scene(distance).cpu() * rays.cosines

    @torch.no_grad()
    def shade(
        self,
        surfaces: SurfaceSamples,
        weights: Float[Tensor, "n_samples"],
        directions: Float[Tensor, "n_rays 3"],
    ) -> tuple[Float[Tensor, "n_rays 3"], Float[Tensor, "n_rays"]]:
        """Colour in [0, 1], not multiplied by opacity, and opacity of surface samples under other weights."""
        device = self.device
        along = directions.to(device)
        geometry = surfaces.geometry.float()
        if self.config.shading == "sample":
            geometry = self.network.shade(geometry, along[surfaces.ray_indices])
        ones = torch.ones_like(weights)[:, None]
        sums = accumulate(weights, torch.cat([geometry, ones], -1), surfaces.packed_info)
        mean = sums[:, :-1] / sums[:, -1:].clamp_min(1e-6)
        rgb = mean if self.config.shading == "sample" else self.network.shade(mean, along)
        return rgb, sums[:, -1]

    def _trace(self, rays: Rays) -> tuple[Traced, Rays]:
        """What rays meet, and the rays in the field's coordinates."""
        inside = self.world.rays_to_field(rays).to(self.device)
        if not self.network.moves or inside.times is None or self.moment is not None:
            inside = replace(inside, times=self._moments_of(len(rays)))
        starts = self.clearance.starts(inside)
        moved = replace(inside, origins=inside.origins + starts[:, None] * inside.directions)
        step = self.config.march_step * self.spacing * FINER
        traced = trace(self.network, self.occupancy, moved, step, self.config.samples_a_ray, self.closed)
        return replace(traced, samples=traced.samples.moved(starts)), inside

    def _parts(
        self, camera: Camera, background: tuple[float, float, float], progress: ProgressCallback
    ) -> Iterator[tuple[Tensor, Traced]]:
        """Rows of a picture (see :meth:`_rows`) and what their rays meet, a part of the picture at a time."""
        rays = camera.rays(camera.pixel_grid())
        for chunk in chunks(len(rays)):
            traced, inside = self._trace(rays[chunk])
            yield self._rows(traced, inside, (0.0, 0.0, 0.0) if self.closed else background), traced
            progress(Progress("render", min(chunk.stop, len(rays)), len(rays)))

    def _picture(
        self, camera: Camera, rows: list[Tensor], background: tuple[float, float, float]
    ) -> RenderedView:
        picture = torch.cat(rows).view(camera.height, camera.width, 5).cpu()
        rgb, depth, opacity = picture[..., :3], picture[..., 3], picture[..., 4]
        if self.closed:
            rgb = fill_gaps(rgb, opacity, background).clamp(0, 1)
        return RenderedView(rgb, depth, opacity)

    def _moments_of(self, n: int) -> Float[Tensor, "n"] | None:
        """The time of things that have none of their own."""
        if not self.network.moves:
            return None
        if self.moment is None:
            raise InputError("this scene moves, and no time was given; say when, from 0 to 1")
        return torch.full((n,), self.moment, device=self.device)

    def _rows(self, traced: Traced, inside: Rays, background: tuple[float, float, float]) -> Tensor:
        """Red, green, blue, depth, opacity of each ray."""
        seen = shade(
            self.network,
            traced.samples,
            traced.geometry,
            traced.weights,
            inside.directions,
            self.config.shading,
        )
        opacity = seen.opacity[:, None]
        rgb = seen.rgb + (1 - opacity) * torch.tensor(background, device=self.device)
        distance = self.world.length_to_scene(seen.distance / seen.opacity.clamp_min(1e-6))
        depth = torch.where(
            seen.opacity >= OPAQUE, distance * inside.cosines, torch.full_like(distance, torch.nan)
        )
        return torch.cat([rgb.clamp(0, 1), depth[:, None], opacity], -1)


def chunks(n_rays: int) -> list[slice]:
    """Parts of a batch of rays that fit into the cache."""
    return [slice(first, first + RAYS_A_CHUNK) for first in range(0, n_rays, RAYS_A_CHUNK)]


def save_field(field: RadianceField, path: Path) -> None:
    """Write a field as one safetensors file that :func:`load_field` reads."""
    tensors = {f"network.{name}": value for name, value in field.network.state_dict().items()}
    stated = {name: value for name, value in vars(field.clearance).items() if name != "times"}  # the scene's
    tensors |= with_prefix("clearance", stated)
    tensors |= with_prefix("occupancy", vars(field.occupancy))
    about = {
        "format": FORMAT,
        "config": json.dumps(asdict(field.config)),
        "world": json.dumps([*field.world.center, field.world.scale]),
        "spacing": repr(field.spacing),
        "closed": json.dumps(field.closed),
        "moments": json.dumps(field.moments),
        "time_cells": json.dumps(field.network.layout.moments[-1]),
        "matte": json.dumps(field.network.matte),
    }
    write_tensors(path, tensors, about)


def load_field(path: Path, device: str = "cpu") -> RadianceField:
    """Read a field.

    Raises:
        InputError: The file is missing, damaged or of another version.
    """
    file = read_tensors(path, device)
    try:
        if file.metadata["format"] != FORMAT:
            raise ValueError(f"format {file.metadata['format']}")
        settings = json.loads(file.metadata["config"])
        config = RadianceConfig(**(settings | {"grid": GridConfig(**settings["grid"])}))
        *center, scale = json.loads(file.metadata["world"])
        time_cells = json.loads(file.metadata["time_cells"])
        matte = json.loads(file.metadata["matte"]) is True
        network = RadianceNetwork(config, time_cells, matte).to(device)
        prefix = "network."
        network.load_state_dict(
            {name[len(prefix) :]: value for name, value in file.tensors.items() if name.startswith(prefix)}
        )
        occupancy = Occupancy(**under_prefix("occupancy", file.tensors))
        spacing = float(file.metadata["spacing"])
        closed = json.loads(file.metadata["closed"]) is True
        clearance = Clearance(**under_prefix("clearance", file.tensors))
        world = WorldTransform((center[0], center[1], center[2]), scale)
        moments = tuple(map(float, json.loads(file.metadata["moments"])))
    except (KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
        raise DamagedFile(f"{path} is no radiance field of this version; train the scene again") from error
    return RadianceField(
        network.eval().requires_grad_(False),
        occupancy,
        world,
        config,
        spacing,
        clearance,
        closed,
        moments=moments,
    )
