"""Points: an object's surface as a cloud, from the rays of the training cameras that end on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.export.sights import first_light, shares
from sanerf_hq.export.target import Target
from sanerf_hq.export.voxels import main_clump
from sanerf_hq.geometry import Rays
from sanerf_hq.radiance import RadianceField, SurfaceSamples, load_view_samples
from sanerf_hq.runs import Key, Progress, ProgressCallback, check_writable, quiet, write_bytes
from sanerf_hq.runs.ply import ply_bytes
from sanerf_hq.scene import to_bytes

STAGE = "points"
RAYS_A_PART = 1 << 13
NEIGHBOURS = 16  # that a normal is fitted to
SPARE = 1.25  # times the points asked for: some will stand alone
LEAST_FITTED = 2000  # points that normals are fitted among, however few are asked for
ALONE = 3.0  # times the median distance to neighbours, beyond which a point is left out


@dataclass(frozen=True)
class ObjectPoints:
    """Points on an object's surface, in the scene's coordinates.

    Attributes:
        positions: Where.
        normals: Outward, of length 1.
        colours: Red, green, blue, as the camera saw it whose ray ended there.
        probability: The object's share of that ray, in [0, 1].
    """

    positions: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]
    colours: UInt8[np.ndarray, "n 3"]
    probability: Float[np.ndarray, "n"]


@dataclass(frozen=True)
class _Hits:
    """Where rays end on the object."""

    points: Float[Tensor, "n 3"]
    eyes: Float[Tensor, "n 3"]
    rgb: Float[Tensor, "n 3"]
    share: Float[Tensor, "n"]

    def take(self, index: Tensor) -> _Hits:
        return _Hits(self.points[index], self.eyes[index], self.rgb[index], self.share[index])

    @staticmethod
    def join(parts: list[_Hits]) -> _Hits:
        none = torch.zeros(0, 3)
        parts = [_Hits(none, none, none, none[:, 0]), *parts]
        return _Hits(
            torch.cat([part.points for part in parts]),
            torch.cat([part.eyes for part in parts]),
            torch.cat([part.rgb for part in parts]),
            torch.cat([part.share for part in parts]),
        )


def export_points(
    target: Target, path: Path, count: int = 100_000, progress: ProgressCallback = quiet
) -> ObjectPoints:
    """Write an object's points as PLY: x y z, nx ny nz, red green blue, probability.

    Raises:
        InputError: The path does not end in .ply or cannot be written, or no training view shows the object.
        Cancelled: The callback asked for it; nothing is written.
    """
    if path.suffix.lower() != ".ply":
        raise InputError(f"{path} is no PLY file's name; let it end with .ply")
    check_writable(path)
    cloud = make_points(target, count, progress)
    columns = {axis: cloud.positions[:, i].astype(np.float32) for i, axis in enumerate("xyz")}
    columns |= {f"n{axis}": cloud.normals[:, i].astype(np.float32) for i, axis in enumerate("xyz")}
    columns |= {colour: cloud.colours[:, i] for i, colour in enumerate(("red", "green", "blue"))}
    columns["probability"] = cloud.probability.astype(np.float32)
    write_bytes(path, ply_bytes("vertex", columns))
    return cloud


def make_points(target: Target, count: int = 100_000, progress: ProgressCallback = quiet) -> ObjectPoints:
    """So many points of an object, evenly spread.

    Args:
        target: The object; its field is at home in its run.
        count: How many; fewer where the photos show the object small.
        progress: Told of the progress; may raise Cancelled.

    Raises:
        InputError: ``count`` is less than 1, or no training view shows the object.
        Cancelled: The callback asked for it.
    """
    if count < 1:
        raise InputError(f"count is {count}; give 1 or more")
    wanted = max(math.ceil(SPARE * count), LEAST_FITTED)
    hits = _hits(target, wanted, progress)
    if len(hits.points) <= NEIGHBOURS:
        raise InputError(f"no training view shows {target.name!r}; segment it again, with other prompts")
    body = main_clump(hits.points)
    inside = ((hits.points >= body.amin(0)) & (hits.points <= body.amax(0))).all(-1)
    hits = hits.take(inside.nonzero()[:, 0])
    hits = hits.take(_even(hits.points, wanted))
    normals, alone = _normals(hits.points, hits.eyes)
    kept = (~alone).nonzero()[:, 0]
    kept = kept[_even(hits.points[kept], count)]
    hits, normals = hits.take(kept), normals[kept]
    return ObjectPoints(
        hits.points.double().numpy(), normals.double().numpy(), to_bytes(hits.rgb).numpy(), hits.share.numpy()
    )


def _hits(target: Target, count: int, progress: ProgressCallback) -> _Hits:
    """Where rays end on the object: those of the view samples and, if they are too few, of further pixels."""
    field = target.radiance
    home = field.at_home()
    pool = load_view_samples(field, progress)
    share = shares(target, pool.surfaces)
    parts = []
    for index in (share > 0.5).nonzero()[:, 0].split(RAYS_A_PART):
        rays = home.pixel_rays.rays(pool.pixels[index])
        parts.append(_ends(field, rays, pool.surfaces.take(index), share[index]))
    missing = count - sum(len(part.points) for part in parts)
    if missing > 0:
        pixels = _masked_pixels(target)
        lot = torch.randperm(len(pixels), generator=Key(home.run.seed, STAGE, 0).generator())
        for part in pixels[lot].split(RAYS_A_PART):
            progress(Progress(STAGE, count - missing, count))
            rays = home.pixel_rays.rays(part)
            surfaces = field.surfaces(rays)
            parts.append(_ends(field, rays, surfaces, shares(target, surfaces)))
            missing -= len(parts[-1].points)
            if missing <= 0:
                break
    progress(Progress(STAGE, 1, 1))
    return _Hits.join(parts)


def _ends(
    field: RadianceField, rays: Rays, surfaces: SurfaceSamples, share: Float[Tensor, "n_rays"]
) -> _Hits:
    """Where rays first meet something, of those that are the object's."""
    distance = first_light(field, surfaces, rays.origins)
    rgb, _ = field.shade(surfaces, surfaces.weights, rays.directions)
    on = (share > 0.5) & distance.isfinite()
    points = rays.origins[on] + rays.directions[on] * distance[on, None]
    return _Hits(points, rays.origins[on], rgb.cpu()[on], share[on])


def _masked_pixels(target: Target) -> Int64[Tensor, "n"]:
    """Numbers of all pixels that masks of training views give to the object."""
    home = target.radiance.at_home()
    offsets = home.pixel_rays.offsets.tolist()
    masks = target.masks()
    parts = [torch.zeros(0, dtype=torch.int64)]
    for number, view in enumerate(home.views):
        if view.name in masks:
            parts.append(masks[view.name].flatten().nonzero()[:, 0] + offsets[number])
    return torch.cat(parts)


def _even(points: Float[Tensor, "n 3"], count: int) -> Int64[Tensor, "m"]:
    """So many of the points: of a grid about as fine as that allows one in each cell, and further ones."""
    order = torch.arange(len(points))
    if len(points) <= count:
        return order
    low, size = points.amin(0), float((points.amax(0) - points.amin(0)).max())
    cells = float(len(points))
    while True:
        _, number = torch.unique(((points - low) / size * cells).long(), dim=0, return_inverse=True)
        n_cells = int(number.max()) + 1
        if n_cells <= count:
            break
        cells *= min(0.9, (count / n_cells) ** 0.5)  # surfaces: cells grow with the square
    firsts = torch.full((n_cells,), len(points)).scatter_reduce(0, number, order, "amin")
    further = torch.ones(len(points), dtype=torch.bool)
    further[firsts] = False
    others = order[further]
    filling = torch.linspace(0, len(others) - 1, count - n_cells).round().long()
    return torch.cat([firsts, others[filling]]).sort().values


def _normals(
    points: Float[Tensor, "n 3"], eyes: Float[Tensor, "n 3"]
) -> tuple[Float[Tensor, "n 3"], Bool[Tensor, "n"]]:
    """Of planes through each point's neighbours, towards the eye that saw it; and which stand alone."""
    from scipy.spatial import KDTree

    distance, index = KDTree(points.numpy()).query(points.numpy(), min(NEIGHBOURS, len(points)))
    near = points.double()[torch.from_numpy(index)]
    centred = near - near.mean(1, keepdim=True)
    _, vectors = torch.linalg.eigh(centred.transpose(1, 2) @ centred)
    normals = vectors[..., 0]
    outward = ((eyes.double() - points.double()) * normals).sum(-1, keepdim=True)
    mean = torch.from_numpy(distance).mean(1)
    return (normals * torch.where(outward < 0, -1.0, 1.0)).float(), mean > ALONE * mean.median()
