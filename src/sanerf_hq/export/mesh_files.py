"""Mesh files: triangles with colours as GLB, PLY or OBJ, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64, UInt8

from sanerf_hq.errors import InputError
from sanerf_hq.export.glb import glb_bytes
from sanerf_hq.runs import check_writable, write_bytes

SUFFIXES = (".glb", ".ply", ".obj")


def check_mesh_path(path: Path) -> None:
    """Refuse a path that no mesh can be written to.

    Raises:
        InputError: It has another suffix, is a folder, or cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path} is no mesh file's name; let it end with .glb, .ply or .obj")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file's name")
    check_writable(path)


def write_mesh(
    vertices: Float[np.ndarray, "n_vertices 3"],
    faces: Int64[np.ndarray, "n_faces 3"],
    normals: Float[np.ndarray, "n_vertices 3"],
    colours: UInt8[np.ndarray, "n_vertices 3"],
    path: Path,
) -> None:
    """Write a mesh; coordinates, axes and units stay as they are.

    Raises:
        InputError: The path ends otherwise than in .glb, .ply or .obj, or cannot be written.
    """
    check_mesh_path(path)
    write_bytes(path, _content(vertices, faces, normals, colours, path.suffix.lower()))


def _content(
    vertices: Float[np.ndarray, "n_vertices 3"],
    faces: Int64[np.ndarray, "n_faces 3"],
    normals: Float[np.ndarray, "n_vertices 3"],
    colours: UInt8[np.ndarray, "n_vertices 3"],
    suffix: str,
) -> bytes:
    if suffix == ".glb":
        return glb_bytes(vertices, faces, normals, colours)
    import trimesh

    opaque = np.concatenate([colours, np.full((len(colours), 1), 255, np.uint8)], 1)
    mesh = trimesh.Trimesh(vertices, faces, vertex_normals=normals, vertex_colors=opaque, process=False)
    if suffix == ".ply":
        content = mesh.export(file_type="ply", vertex_normal=True)
    else:
        content = mesh.export(file_type="obj", include_normals=True, digits=9)
    return content if isinstance(content, bytes) else str(content).encode()
