"""Pieces of surface that solids are put together from. Z is up; lengths are of the order of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class Mesh:
    """Triangles with what shading needs.

    Attributes:
        vertices: (n, 3).
        normals: (n, 3), of length 1, smooth where the surface is.
        uv: (n, 2), about one unit of texture a unit of length.
        faces: (m, 3) indices.
        parts: (m,) number of each face's part within the solid; a part has one material.
    """

    vertices: Floats
    normals: Floats
    uv: Floats
    faces: Floats
    parts: Floats

    def as_part(self, part: int) -> Mesh:
        return Mesh(self.vertices, self.normals, self.uv, self.faces, np.full(len(self.faces), part))

    def moved(self, matrix: Floats, shift: Sequence[float] | Floats = (0, 0, 0)) -> Mesh:
        """Vertices @ matrix.T + shift."""
        normals = self.normals @ np.linalg.inv(matrix)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
        return Mesh(self.vertices @ matrix.T + shift, normals, self.uv, self.faces, self.parts)


def joined(meshes: Sequence[Mesh]) -> Mesh:
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]),
        np.concatenate([mesh.parts for mesh in meshes]),
    )


def rotation(axis: Sequence[float] | Floats, angle: float) -> Floats:
    """About an axis, by Rodrigues' formula."""
    x, y, z = np.asarray(axis, float) / (np.linalg.norm(axis) + 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def random_rotation(rng: np.random.Generator) -> Floats:
    axis = rng.normal(size=3)
    return rotation(axis, rng.uniform(0, np.pi))


def grid(points: Floats, uv: Floats | None = None) -> Mesh:
    """A surface through (rows, columns, 3) points."""
    rows, columns, _ = points.shape
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    along, across = np.gradient(points, axis=1), np.gradient(points, axis=0)
    normals = np.cross(along, across)
    closed = np.allclose(points[:, 0], points[:, -1], atol=1e-6)
    if closed:
        seam = normals[:, 0] + normals[:, -1]
        normals[:, 0] = normals[:, -1] = seam
    normals = normals.reshape(-1, 3)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    if uv is None:
        u = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=1), axis=-1).max(0))])
        v = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=-1).max(1))])
        uv = np.stack(np.broadcast_arrays(u[None], v[:, None]), -1)
    return Mesh(points.reshape(-1, 3), normals, uv.reshape(-1, 2), faces, np.zeros(len(faces), int))


def lathe(radii: Sequence[float] | Floats, heights: Sequence[float] | Floats, around: int = 40) -> Mesh:
    """A profile turned about Z."""
    angles = np.linspace(0, 2 * np.pi, around + 1)
    r, z = np.asarray(radii, float), np.asarray(heights, float)
    points = np.stack(
        [
            r[:, None] * np.cos(angles),
            r[:, None] * np.sin(angles),
            np.broadcast_to(z[:, None], (len(z), len(angles))),
        ],
        -1,
    )
    return grid(points)


def superellipsoid(axes: Sequence[float] | Floats, square: tuple[float, float], n: int = 28) -> Mesh:
    """Ball (1, 1), rounded box (0.2, 0.2), cushion and all between, centred."""
    theta, phi = np.meshgrid(
        np.linspace(-np.pi, np.pi, n + 1), np.linspace(-np.pi / 2, np.pi / 2, n // 2 + 1)
    )

    def power(value: Floats, exponent: float) -> Floats:
        return np.sign(value) * np.abs(value) ** exponent

    flat, upright = square
    points = np.stack(
        [
            power(np.cos(phi), upright) * power(np.cos(theta), flat),
            power(np.cos(phi), upright) * power(np.sin(theta), flat),
            power(np.sin(phi), upright),
        ],
        -1,
    )
    return grid(points * np.asarray(axes, float))


def box(size: Sequence[float] | Floats, fitted: bool = False) -> Mesh:
    """A box on the floor, corners sharp; ``fitted``: each face shows the whole texture once."""
    meshes = []
    half = np.asarray(size, float) / 2
    for axis in range(3):
        for sign in (-1.0, 1.0):
            u, v = [(1, 2), (0, 2), (0, 1)][axis]
            corners = np.zeros((2, 2, 3))
            corners[..., axis] = sign * half[axis]
            corners[:, :, u] = np.array([-half[u], half[u]])[None] * (sign if axis != 1 else -sign)
            corners[:, :, v] = np.array([half[v], -half[v]])[:, None]
            uv = np.stack(np.meshgrid([0.0, 1.0], [0.0, 1.0]), -1)
            face = grid(corners, uv if fitted else uv * 2 * half[[u, v]])
            outward = np.zeros(3)
            outward[axis] = sign
            meshes.append(
                Mesh(
                    face.vertices,
                    np.tile(outward, (4, 1)),
                    face.uv,
                    face.faces,
                    np.full(2, 2 * axis + int(sign > 0)),
                )
            )
    return joined(meshes).moved(np.eye(3), (0, 0, half[2]))


def tube(path: Floats, radii: Sequence[float] | Floats | float, around: int = 12) -> Mesh:
    """A round rod along a path, its ends closed."""
    radii = np.broadcast_to(np.asarray(radii, float), (len(path),))
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-12
    start = np.eye(3)[np.argmin(np.abs(tangent[0]))]
    side = np.cross(tangent[0], start)
    rings = []
    angles = np.linspace(0, 2 * np.pi, around + 1)
    for point, ahead, radius in zip(path, tangent, radii, strict=True):
        side = side - ahead * (side @ ahead)
        side /= np.linalg.norm(side) + 1e-12
        other = np.cross(ahead, side)
        rings.append(point + radius * (np.cos(angles)[:, None] * side + np.sin(angles)[:, None] * other))
    ends = [np.broadcast_to(path[i], rings[0].shape) for i in (0, -1)]
    return grid(np.stack([ends[0], *rings, ends[1]]))


def prism(left: Floats, right: Floats, thick: float) -> Mesh:
    """A band between two plane curves (n, 2), as thick as said: stars, rings, letters, tools."""

    def lifted(curve: Floats, z: float) -> Floats:
        return np.concatenate([curve, np.full((len(curve), 1), z)], 1)

    low_left, low_right = lifted(left, 0), lifted(right, 0)
    high_left, high_right = lifted(left, thick), lifted(right, thick)
    pieces = [
        grid(np.stack([low_left, low_right])),
        grid(np.stack([high_right, high_left])),
        grid(np.stack([low_right, high_right])),
        grid(np.stack([high_left, low_left])),
    ]
    for end in (0, -1):
        pieces.append(
            grid(
                np.stack(
                    [np.stack([low_left[end], low_right[end]]), np.stack([high_left[end], high_right[end]])]
                )
            )
        )
    return joined(pieces)


def bumpy(mesh: Mesh, rng: np.random.Generator, strength: float, waves: int = 5) -> Mesh:
    """Displaced along its normals by a few smooth waves."""
    offset = np.zeros(len(mesh.vertices))
    for _ in range(waves):
        way = rng.normal(size=3) * rng.uniform(1, 5)
        offset += np.sin(mesh.vertices @ way + rng.uniform(0, 6.3))
    moved = mesh.vertices + mesh.normals * (strength * offset / waves)[:, None]
    a, b, c = (moved[mesh.faces[:, i]] for i in range(3))
    face_normals = np.cross(b - a, c - a)
    normals = np.zeros_like(moved)
    for i in range(3):
        np.add.at(normals, mesh.faces[:, i], face_normals)
    outward = np.sign((normals * mesh.normals).sum(1, keepdims=True)) + 1e-9
    normals = normals * outward / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)
    return Mesh(moved, normals, mesh.uv, mesh.faces, mesh.parts)
