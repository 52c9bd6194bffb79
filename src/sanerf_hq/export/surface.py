"""Surface: voxels to triangles, without crumbs, and fewer of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

CRUMB = 0.01  # of the largest part's area, below which a part that stands apart is left out
LARGE = 0.2  # of that area, from which it is kept even if no ray is known to end on it
ROOM = 0.99  # share of the faces that are asked for, since mending adds a few
RELAXING = 0.1  # of the way from a vertex to the middle of its neighbours
TOUCHING = 3.0  # voxels between a part and where a ray ends on it


@dataclass(frozen=True)
class Triangles:
    """A triangle mesh; seen from outside, corners run anticlockwise.

    Attributes:
        vertices: Places.
        faces: Vertex numbers.
    """

    vertices: Float[np.ndarray, "n_vertices 3"]
    faces: Int64[np.ndarray, "n_faces 3"]

    @property
    def middles(self) -> Float[np.ndarray, "n_faces 3"]:
        return self.vertices[self.faces].mean(1)

    @property
    def areas(self) -> Float[np.ndarray, "n_faces 3"]:
        """Outward normals, as long as the faces are large."""
        a, b, c = (self.vertices[self.faces[:, corner]] for corner in range(3))
        return np.cross(b - a, c - a) / 2

    @property
    def normals(self) -> Float[np.ndarray, "n_vertices 3"]:
        """Unit normals of the vertices: the mean of their faces' by area."""
        sums = np.zeros_like(self.vertices)
        areas = self.areas
        for corner in range(3):
            np.add.at(sums, self.faces[:, corner], areas)
        return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)

    def keep(self, wanted: Bool[np.ndarray, "n_faces"]) -> Triangles:
        """Some of the faces, and the vertices they need."""
        faces = self.faces[wanted]
        used, numbers = np.unique(faces, return_inverse=True)
        return Triangles(self.vertices[used], numbers.reshape(faces.shape).astype(np.int64))


def level_set(values: Float[np.ndarray, "nx ny nz"]) -> Triangles:
    """The surface where values cross 0.5, closed also at the grid's border; in units of voxels."""
    from skimage.measure import marching_cubes

    padded = np.pad(values, 1)
    if not (padded > 0.5).any():
        return Triangles(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    vertices, faces, _, _ = marching_cubes(padded, 0.5, gradient_direction="ascent")
    return Triangles(vertices.astype(np.float64) - 1, faces.astype(np.int64))


def without_crumbs(mesh: Triangles, known: Float[np.ndarray, "n 3"] | None = None) -> Triangles:
    """The mesh without small parts that stand apart.

    Args:
        mesh: The mesh.
        known: Places on the object; parts of medium size that none of them is near are crumbs too.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(mesh.faces):
        return mesh
    edges = mesh.faces[:, [0, 1, 1, 2]].reshape(-1, 2)
    n = len(mesh.vertices)
    graph = coo_array((np.ones(len(edges), np.int8), tuple(edges.T)), (n, n))
    n_parts, numbers = connected_components(graph, directed=False)
    part = numbers.astype(np.int64)
    area = np.bincount(part[mesh.faces[:, 0]], np.linalg.norm(mesh.areas, axis=1), n_parts)
    kept = area >= CRUMB * area.max()
    if known is not None:
        kept &= (area >= LARGE * area.max()) | _touched(mesh, part, known)
    return mesh.keep(kept[part[mesh.faces[:, 0]]])


def _touched(
    mesh: Triangles, part: Int64[np.ndarray, "n_vertices"], known: Float[np.ndarray, "n 3"]
) -> Bool[np.ndarray, "n_parts"]:
    """Which parts have a known place near them."""
    from scipy.spatial import KDTree

    distance, nearest = KDTree(mesh.vertices).query(known, distance_upper_bound=TOUCHING)
    near = np.asarray(nearest)[np.isfinite(distance)]
    return np.bincount(part[near], minlength=int(part.max()) + 1) > 0


def decimated(mesh: Triangles, n_faces: int) -> Triangles:
    """The mesh with at most so many faces, by quadric error (Garland and Heckbert 1997); 0 keeps all."""
    if n_faces < 1 or len(mesh.faces) <= n_faces:
        return mesh
    import fast_simplification

    points, faces = fast_simplification.simplify(
        _relaxed(mesh), mesh.faces.astype(np.int32), target_count=int(ROOM * n_faces)
    )[:2]
    return without_pinches(Triangles(np.asarray(points, np.float64), np.asarray(faces, np.int64)))


def _relaxed(mesh: Triangles) -> Float[np.ndarray, "n_vertices 3"]:
    """Vertices a little nearer to their neighbours: slivers would stop the decimation."""
    ends = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    sums = np.zeros_like(mesh.vertices)
    np.add.at(sums, ends[:, 0], mesh.vertices[ends[:, 1]])
    counts = np.bincount(ends[:, 0], minlength=len(sums))[:, None]
    return mesh.vertices + RELAXING * (sums / np.maximum(counts, 1) - mesh.vertices)


def without_pinches(mesh: Triangles) -> Triangles:
    """The mesh with two faces at every edge where there were four: sheets that touch, as after decimation.

    Faces that lie back to back are left out. Of the faces round an edge those of opposite sense are paired,
    and each pair is divided at a midpoint of its own.
    """
    _, place, times = np.unique(np.sort(mesh.faces, 1), axis=0, return_inverse=True, return_counts=True)
    faces = mesh.faces[times[place] == 1]
    vertices = list(mesh.vertices)
    while pinches := _pinches(faces):
        touched: set[int] = set()
        divided: list[tuple[int, int, int]] = []
        for pairs in pinches:
            if touched & {face for pair in pairs for face, _ in pair}:
                continue  # in the next round
            for pair in pairs:
                middle = len(vertices)
                for face, corner in pair:
                    a, b, c = np.roll(faces[face], -corner).tolist()
                    divided += [(a, middle, c), (middle, b, c)]
                    touched.add(face)
                face, corner = pair[0]
                vertices.append((vertices[faces[face, corner]] + vertices[faces[face, (corner + 1) % 3]]) / 2)
        rest = np.delete(faces, sorted(touched), 0)
        faces = np.concatenate([rest, np.array(divided, np.int64).reshape(-1, 3)])
    return Triangles(np.array(vertices).reshape(-1, 3), faces)


def _pinches(faces: Int64[np.ndarray, "n_faces 3"]) -> list[list[tuple[tuple[int, int], tuple[int, int]]]]:
    """For every edge of more than two faces: pairs of opposite sense, each a face and its first corner."""
    sides = np.stack([faces, np.roll(faces, -1, 1)], -1).reshape(-1, 2)
    _, edge, count = np.unique(np.sort(sides, 1), axis=0, return_inverse=True, return_counts=True)
    found = []
    for number in np.flatnonzero(count > 2):
        here = np.flatnonzero(edge == number)
        upwards = sides[here, 0] < sides[here, 1]
        both = zip(here[upwards].tolist(), here[~upwards].tolist(), strict=False)
        found.append([(divmod(one, 3), divmod(other, 3)) for one, other in both])
    return [pairs for pairs in found if pairs]
