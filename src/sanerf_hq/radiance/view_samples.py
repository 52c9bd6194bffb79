"""View samples: surface samples of one pixel in every block of every training view, once a scene.

They are the pool that object fields are trained on, the views' depth at a quarter of their size, and the
pixels of error maps. Where in its block a pixel lies is drawn by lot, so that all columns and rows take part.
"""

from __future__ import annotations

import logging
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sanerf_hq.geometry import PixelRays
from sanerf_hq.radiance.field import RadianceField
from sanerf_hq.radiance.home import Home
from sanerf_hq.radiance.surfaces import SurfaceSamples
from sanerf_hq.runs import (
    DamagedFile,
    Key,
    Progress,
    ProgressCallback,
    config_digest,
    quiet,
    read_tensors,
    write_tensors,
)

FILE = "surfaces.safetensors"
STAGE = "surfaces"
BLOCK = 4
MOST_RAYS = 1 << 20  # some 300 MB
RAYS_BETWEEN_REPORTS = 1 << 16
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ViewSamples:
    """Surface samples of a pixel in each block of each training view.

    Attributes:
        pixels: Their numbers, as :class:`~sanerf_hq.geometry.PixelRays` numbers the training views' pixels.
        offsets: Rays of view i are ``offsets[i]:offsets[i + 1]``.
        block: Pixels on a side of a block; those at the right and lower border may be smaller.
        surfaces: What they meet.
        points: Where in the scene they meet it (Eq. 6); NaN where the opacity is below 0.5.
    """

    pixels: Int64[Tensor, "n_rays"]
    offsets: Int64[Tensor, "n_views_plus_1"]
    block: int
    surfaces: SurfaceSamples
    points: Float[Tensor, "n_rays 3"]

    def of_moment(self, home: Home) -> ViewSamples:
        """The samples of one moment's views, out of those of all; ``home`` has these views alone."""
        rays, pixels, counts = [], [], [0]
        first, first_here = 0, 0  # pixels of a view among those of all, and of this moment
        for number, camera in enumerate(home.whole().cameras):
            if camera.time == home.moment:
                here = self.of_view(number)
                rays.append(torch.arange(here.start, here.stop))
                pixels.append(self.pixels[here] + (first_here - first))
                counts.append(here.stop - here.start)
                first_here += camera.n_pixels
            first += camera.n_pixels
        chosen = torch.cat(rays)
        surfaces = self.surfaces.take(chosen.to(self.surfaces.weights.device))
        points = self.points[chosen.to(self.points.device)]
        offsets = torch.tensor(counts).cumsum(0)
        return ViewSamples(torch.cat(pixels), offsets, self.block, surfaces, points)

    def of_view(self, index: int) -> slice:
        """The rays of a view."""
        return slice(int(self.offsets[index]), int(self.offsets[index + 1]))

    def blocks_of(self, width: int, height: int) -> tuple[int, int]:
        """Rows and columns of blocks of a view of that size."""
        return -(-height // self.block), -(-width // self.block)


def load_view_samples(field: RadianceField, progress: ProgressCallback = quiet) -> ViewSamples:
    """The samples of a field's training views: read from its run, or else computed and written there.

    Those of all moments are kept in one file.

    Args:
        field: A field at home.
        progress: Told of the progress; may raise Cancelled.
    """
    home = field.at_home()
    if home.moment is not None:
        return load_view_samples(field.whole(), progress).of_moment(home)
    path = home.run.views / FILE
    digest = config_digest(
        [
            asdict(field.config),
            field.spacing,
            *home.size.settings().values(),
            home.run.seed,
            home.run.fingerprint,
            field.network.digest(),
        ]
    )
    block = max(BLOCK, math.ceil(math.sqrt(home.pixel_rays.n_pixels / MOST_RAYS)))
    kept = _read(path, digest, field.device)
    if kept is None:
        pixels, offsets = _draw(home, block)
        parts = []
        for first in range(0, len(pixels), RAYS_BETWEEN_REPORTS):
            progress(Progress(STAGE, first, len(pixels)))
            part = pixels[first : first + RAYS_BETWEEN_REPORTS]
            parts.append(field.surfaces(home.pixel_rays.rays(part)))
        progress(Progress(STAGE, len(pixels), len(pixels)))
        kept = pixels, offsets, SurfaceSamples.join(parts)
        _write(path, digest, *kept)
    pixels, offsets, surfaces = kept
    return ViewSamples(pixels, offsets, block, surfaces, _points(field, home.pixel_rays, pixels, surfaces))


def _draw(home: Home, block: int) -> tuple[Tensor, Tensor]:
    generator = Key(home.run.seed, STAGE, 0).generator()
    pixels, counts = [], [0]
    for first, camera in zip(home.pixel_rays.offsets.tolist(), home.cameras, strict=False):
        rows, columns = -(-camera.height // block), -(-camera.width // block)
        lot = torch.rand(2, rows, columns, generator=generator)
        top, left = torch.arange(rows)[:, None] * block, torch.arange(columns)[None] * block
        y = top + (lot[0] * (camera.height - top).clamp(max=block)).long()
        x = left + (lot[1] * (camera.width - left).clamp(max=block)).long()
        pixels.append((first + y * camera.width + x).flatten())
        counts.append(rows * columns)
    return torch.cat(pixels), torch.tensor(counts).cumsum(0)


def _points(
    field: RadianceField, pixel_rays: PixelRays, pixels: Int64[Tensor, "n"], surfaces: SurfaceSamples
) -> Float[Tensor, "n 3"]:
    rays = pixel_rays.rays(pixels)
    distance = field.world.length_to_scene(surfaces.distance.cpu())
    return rays.origins + rays.directions * distance[:, None]


def _write(path: Path, digest: str, pixels: Tensor, offsets: Tensor, surfaces: SurfaceSamples) -> None:
    tensors = {"pixels": pixels, "offsets": offsets, **vars(surfaces)}
    write_tensors(path, tensors, {"digest": digest})


def _read(path: Path, digest: str, device: torch.device) -> tuple[Tensor, Tensor, SurfaceSamples] | None:
    if not path.exists():
        return None
    try:
        file = read_tensors(path)
    except DamagedFile:
        LOG.warning("%s is damaged: the surface samples are computed again", path)
        return None
    if file.metadata.get("digest") != digest:
        return None
    pixels, offsets = file.tensors.pop("pixels"), file.tensors.pop("offsets")
    return pixels, offsets, SurfaceSamples(**{name: t.to(device) for name, t in file.tensors.items()})
