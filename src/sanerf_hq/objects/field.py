"""ObjectField: which of the prompted objects is where, asked in the scene's own coordinates."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera, Rays, contract, to_unit
from sanerf_hq.objects.composite import BACKGROUND_LOGIT, composite_identities, is_solid, restricted
from sanerf_hq.objects.config import ObjectConfig, RayPairConfig
from sanerf_hq.objects.holes import fill_holes
from sanerf_hq.objects.network import ObjectNetwork
from sanerf_hq.objects.passing import passing
from sanerf_hq.objects.region import Region
from sanerf_hq.objects.votes import VoteGrid
from sanerf_hq.radiance import GridConfig, RadianceField, SurfaceSamples
from sanerf_hq.runs import DamagedFile, read_tensors, under_prefix, with_prefix, write_tensors

FORMAT = "4"
REMEDY = "segment again with --replace; the segmentation's prompts.json will do for --prompts"
POINTS_A_CHUNK = 1 << 16
RAYS_A_CHUNK = 1 << 16


@dataclass(frozen=True)
class ObjectView:
    """Objects as a camera sees them.

    Attributes:
        logits: Composited identity vectors (Eq. 7 before the softmax); channel 0 is background.
        probabilities: M(r); where the field's opacity is below 0.5, certainly background.
    """

    logits: Float[Tensor, "h w n_logits"]
    probabilities: Float[Tensor, "h w n_logits"]

    @property
    def labels(self) -> Int64[Tensor, "h w"]:
        """The identity of each pixel, 0 = background; specks in an object's middle are the object's."""
        return fill_holes(self.probabilities.argmax(-1))

    @property
    def mask(self) -> Bool[Tensor, "h w"]:
        """The pixels of any of the objects; of the object, where there is one."""
        return self.labels > 0


@dataclass(frozen=True)
class ObjectField:
    """Identities everywhere, over a frozen radiance field.

    Attributes:
        radiance: What the objects are part of.
        network: Parameters.
        region: The box they lie in.
        names: Of the objects; identity i is ``names[i - 1]``.
        config: What it was trained with.
        votes: What it was started from, and goes on from everywhere; None: it began with nothing.
    """

    radiance: RadianceField
    network: ObjectNetwork
    region: Region
    names: tuple[str, ...]
    config: ObjectConfig
    votes: VoteGrid | None = None

    def render(self, camera: Camera) -> ObjectView:
        """The objects as seen by ``camera``."""
        rays = camera.rays(camera.pixel_grid())
        logits = torch.zeros(len(rays), len(self.names) + 1)
        logits[:, 0] = BACKGROUND_LOGIT
        for part in self._passing(rays):
            logits[part] = self.logits_of(self.radiance.surfaces(rays[part])).cpu()
        return object_view(logits, camera)

    def _passing(self, rays: Rays) -> tuple[Int64[Tensor, "_"], ...]:
        """Rays that can meet the objects, in parts."""
        return passing(self.radiance, self.region, rays).nonzero()[:, 0].split(RAYS_A_CHUNK)

    @torch.no_grad()
    def logits_of(self, surfaces: SurfaceSamples) -> Float[Tensor, "n_rays n_logits"]:
        """Composited identity vectors of rays; a ray of opacity below 0.5 has the background's."""
        rays = torch.arange(len(surfaces), device=surfaces.weights.device)
        return torch.cat([self._logits(surfaces.take(part)) for part in rays.split(RAYS_A_CHUNK)])

    def _logits(self, surfaces: SurfaceSamples) -> Float[Tensor, "n_rays n_logits"]:
        near = restricted(surfaces, self.region)
        logits = composite_identities(self._identities(near.unit_points, near.geometry), near)
        background = torch.zeros_like(logits)
        background[:, 0] = BACKGROUND_LOGIT
        return torch.where(is_solid(surfaces)[:, None], logits, background)

    @torch.no_grad()
    def probability(self, points: Float[Tensor, "n_points 3"]) -> Float[Tensor, "n_points n_logits"]:
        """M at points of the scene, whether or not there is a surface; channel 0 is background."""
        parts = [self._probability(part) for part in points.split(POINTS_A_CHUNK)]
        return torch.cat(parts) if parts else points.new_zeros(0, len(self.names) + 1)

    def _probability(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n n_logits"]:
        field = self.radiance
        unit = to_unit(contract(field.world.to_field(points.float()))).to(field.device)
        _, geometry = field.network.geometry(field.encode(unit))
        inside = self.region.inside(unit)
        probability = torch.zeros(len(unit), len(self.names) + 1, device=unit.device)
        probability[:, 0] = 1
        probability[inside] = self._identities(unit[inside], geometry[inside]).softmax(-1)
        return probability.to(points.device)

    def _identities(self, unit_points: Tensor, geometry: Tensor) -> Tensor:
        points = self.region.to_unit(unit_points)
        identities = self.network.identities(self.network.encode(points), geometry.float())
        return identities if self.votes is None else identities + self.votes.logits(unit_points)

    @torch.no_grad()
    def cutout(self, camera: Camera) -> Float[Tensor, "h w 4"]:
        """The objects alone as seen by ``camera``: red, green, blue and opacity in [0, 1].

        Colours are those of the objects' own samples, so no background bleeds in at the outline.
        """
        rays = camera.rays(camera.pixel_grid())
        rgba = torch.zeros(len(rays), 4)
        for part in self._passing(rays):
            rgba[part] = self._cut(rays[part]).cpu()
        return rgba.view(camera.height, camera.width, 4)

    def _cut(self, rays: Rays) -> Float[Tensor, "n_rays 4"]:
        surfaces = self.radiance.surfaces(rays)
        near = restricted(surfaces, self.region)
        share = 1 - self._identities(near.unit_points, near.geometry).softmax(-1)[:, 0]
        rgb, alpha = self.radiance.shade(near, near.weights * share, rays.directions)
        return torch.cat([rgb, alpha[:, None].clamp(0, 1)], -1)


def object_view(logits: Float[Tensor, "n_rays n_logits"], camera: Camera) -> ObjectView:
    """Logits of a camera's pixels, row by row, as its view."""
    shaped = logits.view(camera.height, camera.width, -1).cpu()
    return ObjectView(shaped, shaped.softmax(-1))


def save_object_field(field: ObjectField, path: Path) -> None:
    """Write a field (without the radiance field it belongs to) as one safetensors file."""
    about = {
        "format": FORMAT,
        "config": json.dumps(asdict(field.config)),
        "names": json.dumps(field.names),
        "radiance": field.radiance.network.digest(),
    }
    tensors = with_prefix("network", field.network.state_dict()) | {"cells": field.region.cells}
    if field.votes is not None:
        tensors |= with_prefix("votes", vars(field.votes))
    write_tensors(path, tensors, about)


def load_object_field_file(radiance: RadianceField, path: Path) -> ObjectField:
    """Read what :func:`save_object_field` wrote.

    Raises:
        InputError: The file is missing, damaged or of another version, or belongs to another radiance field.
    """
    file = read_tensors(path, radiance.device, REMEDY)
    try:
        if file.metadata["format"] != FORMAT:
            raise ValueError(f"format {file.metadata['format']}")
        settings = json.loads(file.metadata["config"])
        nested = {"grid": GridConfig(**settings["grid"]), "pairs": RayPairConfig(**settings["pairs"])}
        config = ObjectConfig(**(settings | nested))
        region = Region.of(file.tensors["cells"])
        names = tuple(json.loads(file.metadata["names"]))
        known = file.metadata["radiance"]
        network = ObjectNetwork(config, radiance.network.n_geometry, len(names)).to(radiance.device)
        network.load_state_dict(under_prefix("network", file.tensors))
        votes = VoteGrid(**under_prefix("votes", file.tensors)) if config.from_votes else None
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise DamagedFile(f"{path} is no object field of this version; {REMEDY}") from error
    if known != radiance.network.digest():
        raise InputError(
            f"{path} was cut out of another field than the one that is there, which was trained since: "
            f"{REMEDY}"
        )
    return ObjectField(radiance, network.eval().requires_grad_(False), region, names, config, votes)
