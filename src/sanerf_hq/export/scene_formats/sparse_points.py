"""Sparse points: where a run's training rays end, for splat trainers, which start from such a cloud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from sanerf_hq.radiance import RadianceField, load_view_samples
from sanerf_hq.runs import Key, ProgressCallback, quiet
from sanerf_hq.runs.ply import ply_bytes
from sanerf_hq.scene import to_bytes

COUNT = 50_000
NAME = "sparse_points"
RAYS_A_PART = 1 << 14


@dataclass(frozen=True)
class SparsePoints:
    """Points on the surfaces of a scene, in its own coordinates.

    Attributes:
        positions: Where.
        colours: Red, green, blue, as the field shows them to the camera whose ray ended there.
    """

    positions: Float[np.ndarray, "n 3"]
    colours: UInt8[np.ndarray, "n 3"]

    def ply(self) -> bytes:
        """As a PLY file: x y z, red green blue."""
        columns = {axis: self.positions[:, i].astype(np.float32) for i, axis in enumerate("xyz")}
        columns |= {name: self.colours[:, i] for i, name in enumerate(("red", "green", "blue"))}
        return ply_bytes("vertex", columns)


def sparse_points(
    field: RadianceField, count: int = COUNT, progress: ProgressCallback = quiet
) -> SparsePoints:
    """At most so many points where rays of the training views end, drawn by lot, the same ones every time.

    Args:
        field: A field at home in its run.
        count: Points at most.
        progress: Told of the progress; may raise Cancelled.
    """
    home = field.at_home()
    pool = load_view_samples(field, progress)
    ended = pool.points.isfinite().all(-1).nonzero()[:, 0]
    lot = torch.randperm(len(ended), generator=Key(home.run.seed, NAME, 0).generator())
    chosen = ended[lot[:count]].sort().values
    colours = [torch.zeros(0, 3)]
    for part in chosen.split(RAYS_A_PART):
        surfaces = pool.surfaces.take(part)
        rgb, _ = field.shade(surfaces, surfaces.weights, home.pixel_rays.rays(pool.pixels[part]).directions)
        colours.append(rgb.cpu())
    return SparsePoints(pool.points[chosen].double().numpy(), to_bytes(torch.cat(colours)).numpy())
