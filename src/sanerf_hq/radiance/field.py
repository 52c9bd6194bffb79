"""RadianceField: a trained scene, asked in the scene's own coordinates."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.geometry import Camera, Rays, WorldTransform
from sanerf_hq.kernels import MarchConfig, ray_march
from sanerf_hq.radiance.config import GridConfig, RadianceConfig
from sanerf_hq.radiance.network import RadianceNetwork
from sanerf_hq.radiance.occupancy import Occupancy
from sanerf_hq.radiance.render import PackedSamples, composite
from sanerf_hq.runs import DamagedFile, read_tensors, write_tensors

RAYS_A_CHUNK = 4096
CAPACITY = 1 << 24
OPAQUE = 0.5
FORMAT = "1"


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
        spacing: Sample spacing it is rendered with, in units of ``config.march_step``.
    """

    network: RadianceNetwork
    occupancy: Occupancy
    world: WorldTransform
    config: RadianceConfig
    spacing: float

    @property
    def device(self) -> torch.device:
        return self.network.table.device

    @torch.no_grad()
    def render(
        self, camera: Camera, background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ) -> RenderedView:
        """Colour, depth and opacity as seen by ``camera``; the field's size does not limit the picture's."""
        rays = camera.rays(camera.pixel_grid())
        parts = [
            self._render_rays(rays[slice(first, first + RAYS_A_CHUNK)], background)
            for first in range(0, len(rays), RAYS_A_CHUNK)
        ]
        picture = torch.cat(parts).view(camera.height, camera.width, 5).cpu()
        return RenderedView(picture[..., :3], picture[..., 3], picture[..., 4])

    def _render_rays(self, rays: Rays, background: tuple[float, float, float]) -> Tensor:
        """Rows of red, green, blue, depth, opacity."""
        inside = self.world.rays_to_field(rays).to(self.device)
        march = MarchConfig(step=self.config.march_step * self.spacing)
        jitter = torch.full((len(rays),), 0.5, device=self.device)
        marched = ray_march(
            inside.origins, inside.directions, jitter, self.occupancy.occupied, march, CAPACITY
        )
        samples = PackedSamples.of(marched)
        encoding = self.network.encode(samples.unit_points)
        seen = composite(self.network, encoding, samples, inside.directions, self.config.shading)
        opacity = seen.opacity[:, None]
        rgb = seen.rgb + (1 - opacity) * torch.tensor(background, device=self.device)
        distance = self.world.length_to_scene(seen.distance / seen.opacity.clamp_min(1e-6))
        depth = torch.where(
            seen.opacity >= OPAQUE, distance * inside.cosines, torch.full_like(distance, torch.nan)
        )
        return torch.cat([rgb.clamp(0, 1), depth[:, None], opacity], -1)


def save_field(field: RadianceField, path: Path) -> None:
    """Write a field as one safetensors file that :func:`load_field` reads."""
    tensors = {f"network.{name}": value for name, value in field.network.state_dict().items()}
    tensors["occupancy.levels"] = field.occupancy.levels
    tensors["occupancy.occupied"] = field.occupancy.occupied
    about = {
        "format": FORMAT,
        "config": json.dumps(asdict(field.config)),
        "world": json.dumps([*field.world.center, field.world.scale]),
        "spacing": repr(field.spacing),
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
        network = RadianceNetwork(config).to(device)
        prefix = "network."
        network.load_state_dict(
            {name[len(prefix) :]: value for name, value in file.tensors.items() if name.startswith(prefix)}
        )
        occupancy = Occupancy(file.tensors["occupancy.levels"], file.tensors["occupancy.occupied"])
        spacing = float(file.metadata["spacing"])
        world = WorldTransform((center[0], center[1], center[2]), scale)
    except (KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
        raise DamagedFile(f"{path} is no radiance field of this version; train the scene again") from error
    return RadianceField(network.eval().requires_grad_(False), occupancy, world, config, spacing)
