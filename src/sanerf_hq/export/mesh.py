"""Mesh: an object's surface as triangles with colours, in the scene's own coordinates.

The level set of density × probability alone would not do: inside things, where no photo looks, both are
arbitrary, and where the field is foggy a level lies deep. So a voxel is full unless the photos show it to be
empty, by the object's outlines or by light that passes it at low density; it is the object's by the
probability on visible surfaces and, where none is near, by how much of the surroundings the object's visible
surface fills.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8

from sanerf_hq.errors import InputError
from sanerf_hq.export.carve import BEHIND, SUPPORTED, Carved, carve, extent, passed
from sanerf_hq.export.closing import VisibleSurface, owned
from sanerf_hq.export.colours import surface_colours
from sanerf_hq.export.mesh_files import check_mesh_path, write_mesh
from sanerf_hq.export.sights import Sight, look
from sanerf_hq.export.solid import densities, fullness, met, surface_level
from sanerf_hq.export.surface import Triangles, decimated, level_set, without_crumbs
from sanerf_hq.export.target import Target
from sanerf_hq.export.voxels import Voxels, fitting_cells, surround
from sanerf_hq.export.witnesses import said_own
from sanerf_hq.runs import Progress, ProgressCallback, quiet
from sanerf_hq.scene import to_bytes

STAGE = "mesh"
THIN = 0.25  # of the level, below which a surface is none: only the limit of what the photos show
ON_OUTLINE = 0.8  # what the outlines leave of a voxel that lies on one
WITNESSES = 2  # views that see a surface, of which it is there however thin
SEEN = 2.0  # voxels from the object's visible surface within which the mesh shows it


@dataclass(frozen=True)
class MeshConfig:
    """How a mesh is made."""

    faces: int = 100_000
    """Triangles at most; 0 keeps all."""
    resolution: int = 192
    """Cells along the object's longest side at most; two a pixel of the photos if that is fewer."""
    closed: bool = False
    """Whether the mesh is closed also where no training photo shows it, as below what stands on a table."""

    def __post_init__(self) -> None:
        if self.faces < 0:
            raise InputError(f"faces is {self.faces}; give 0 (all) or more")
        if not 16 <= self.resolution <= 512:
            raise InputError(f"resolution is {self.resolution}; give 16 to 512")


@dataclass(frozen=True)
class ObjectMesh:
    """An object's surface in the scene's coordinates and units.

    Attributes:
        vertices: Places.
        faces: Vertex numbers, anticlockwise from outside.
        normals: Outward, of length 1.
        colours: Red, green, blue.
    """

    vertices: Float[np.ndarray, "n_vertices 3"]
    faces: Int64[np.ndarray, "n_faces 3"]
    normals: Float[np.ndarray, "n_vertices 3"]
    colours: UInt8[np.ndarray, "n_vertices 3"]


def export_mesh(
    target: Target, path: Path, config: MeshConfig | None = None, progress: ProgressCallback = quiet
) -> ObjectMesh:
    """Write an object's mesh as ``.glb``, ``.ply`` or ``.obj``; a file that is there is replaced.

    Raises:
        InputError: The path ends otherwise or cannot be written, no training view shows the object, or it
            cannot be made of so few triangles.
        Cancelled: The callback asked for it; nothing is written.
    """
    check_mesh_path(path)
    mesh = make_mesh(target, config, progress)
    write_mesh(mesh.vertices, mesh.faces, mesh.normals, mesh.colours, path)
    return mesh


def make_mesh(
    target: Target, config: MeshConfig | None = None, progress: ProgressCallback = quiet
) -> ObjectMesh:
    """An object's mesh.

    Args:
        target: The object; its field is at home in its run.
        config: Settings; the defaults if None.
        progress: Told of the progress; may raise Cancelled.

    Raises:
        InputError: No training view shows the object, or it cannot be made of so few triangles.
        Cancelled: The callback asked for it.
    """
    config = config or MeshConfig()
    field = target.radiance
    sights = look(target, progress)
    points = met(sights)
    body = extent(sights, points)
    voxels = surround(body, fitting_cells(sights, body, config.resolution))
    carved = carve(sights, voxels, progress)
    level = surface_level(field, points)
    full = fullness(field, voxels, carved, passed(sights, voxels), level, progress).numpy()
    surface = visible_surface(target, sights, voxels, carved, level_set(full), level)
    if not surface.own.any():
        raise InputError(
            f"{target.name!r} has no surface that can be told from its surroundings; segment it again"
        )
    progress(Progress(STAGE, 0, 3, message="closing"))
    own, away = owned(voxels.shape, surface)
    progress(Progress(STAGE, 1, 3, message="triangles"))
    known = voxels.to_cells(points.double().numpy())
    shell = without_crumbs(level_set(np.minimum(full, own)), known)
    if not len(shell.faces):
        raise InputError(f"nothing is left of {target.name!r} as a solid; segment it again")
    if not config.closed:
        index = np.clip(np.rint(shell.middles).astype(np.int64), 0, np.array(voxels.shape) - 1)
        shell = without_crumbs(shell.keep(away[tuple(index.T)] <= SEEN))
    progress(Progress(STAGE, 2, 3, message="fewer triangles"))
    shell = without_crumbs(decimated(shell, config.faces))
    if not len(shell.faces):
        raise InputError(
            f"no mesh of {target.name!r} has {config.faces} triangles or fewer; give more --faces, 0 for all"
        )
    progress(Progress(STAGE, 3, 3))
    placed = Triangles(voxels.to_scene(shell.vertices), shell.faces)
    vertices = torch.from_numpy(placed.vertices).float()
    normals = torch.from_numpy(placed.normals).float()
    colours = surface_colours(field, sights, vertices, normals, voxels.spacing, progress)
    return ObjectMesh(placed.vertices, placed.faces, placed.normals, to_bytes(colours).numpy())


def visible_surface(
    target: Target, sights: list[Sight], voxels: Voxels, carved: Carved, hull: Triangles, level: float
) -> VisibleSurface:
    """What of a surface is really there, and which part of that is the object's.

    A face where the density is low is there only if the object's masks end at it: the field lacks that part,
    as it does thin ones. Else it is where the photos' knowledge ends. What views see of it is whose most of
    them say; only the rest is whose the field says.
    """
    points = torch.from_numpy(voxels.to_scene(hull.middles)).float()
    dense = (densities(target.radiance, points) >= THIN * level).numpy()
    probable = (target.probability(points) > 0.5).numpy()
    index = np.clip(np.rint(hull.middles).astype(np.int64), 0, np.array(voxels.shape) - 1)
    outlined = carved.outlined.numpy()[tuple(index.T)]
    masked = (outlined < ON_OUTLINE) & (carved.support.numpy()[tuple(index.T)] >= SUPPORTED)
    seen, said = (counts.numpy() for counts in said_own(sights, points, BEHIND * voxels.size))
    there = dense | masked | (seen >= WITNESSES)
    own = np.where(seen > 0, said > SUPPORTED * seen, np.where(dense, probable, masked))
    return VisibleSurface(hull.middles[there], hull.areas[there], own[there])
