"""Plain solids: each function makes a random thing of its family, about one unit large, on z = 0."""

from __future__ import annotations

import numpy as np

from compact_data.surfaces import (
    Mesh,
    box,
    bumpy,
    grid,
    joined,
    lathe,
    prism,
    random_rotation,
    rotation,
    superellipsoid,
    tube,
)

Rng = np.random.Generator


def carton(rng: Rng) -> Mesh:
    """A box with printed faces: each pair of faces is printed on its own."""
    mesh = box(rng.uniform(0.25, 1.0, 3), fitted=True)
    return Mesh(mesh.vertices, mesh.normals, mesh.uv, mesh.faces, mesh.parts // 2)


def block(rng: Rng) -> Mesh:
    return box(rng.uniform(0.15, 1.0, 3)).as_part(0)


def rounded(rng: Rng) -> Mesh:
    axes = rng.uniform(0.2, 0.6, 3)
    square = rng.choice([0.15, 0.3, 0.6, 1.0, 1.0], 2)
    mesh = superellipsoid(axes, (float(square[0]), float(square[1]))).moved(np.eye(3), (0, 0, axes[2]))
    return bumpy(mesh, rng, rng.uniform(0, 0.08)) if rng.random() < 0.4 else mesh


def ball(rng: Rng) -> Mesh:
    return superellipsoid((0.5, 0.5, 0.5), (1, 1), 36).moved(np.eye(3), (0, 0, 0.5))


def stone(rng: Rng) -> Mesh:
    mesh = superellipsoid(rng.uniform(0.25, 0.55, 3), (1, 1), 40).moved(random_rotation(rng), (0, 0, 0.3))
    return bumpy(mesh, rng, rng.uniform(0.1, 0.35), 7)


def plate_shape(rng: Rng) -> Mesh:
    """A flat cut-out: star, ring, hook, letter-like bend or wavy band; may stand upright."""
    kind = rng.integers(3)
    if kind == 0:  # star, gear, flower: outline round a hole or a point
        t = np.linspace(0, 2 * np.pi, 73)
        n = int(rng.integers(3, 13))
        shape = 1 + rng.uniform(0, 0.45) * np.sign(np.sin(n * t)) * np.abs(np.sin(n * t)) ** rng.uniform(
            0.1, 1
        )
        outer = 0.35 * shape[:, None] * np.stack([np.cos(t), np.sin(t)], -1)
        inner = rng.choice([0.0, 0.5]) * 0.35 * np.stack([np.cos(t), np.sin(t)], -1)
        mesh = prism(inner, outer, rng.uniform(0.03, 0.25))
    else:  # a band along a bent path
        n = 25
        turn = (
            np.cumsum(np.r_[0, rng.normal(0, rng.uniform(0.05, 0.35), n - 1)])
            + rng.uniform(-0.2, 0.2) * np.arange(n) * 0.5
        )
        step = np.stack([np.cos(turn), np.sin(turn)], -1) * 0.05
        path = np.cumsum(step, 0) - step.sum(0) / 2
        side = np.stack([-np.sin(turn), np.cos(turn)], -1)
        wide = rng.uniform(0.02, 0.12) * (1 + 0.5 * np.sin(np.linspace(0, rng.uniform(0, 9), n)))[:, None]
        mesh = prism(path + side * wide, path - side * wide, rng.uniform(0.02, 0.2))
    if rng.random() < 0.4:
        mesh = mesh.moved(rotation((1, 0, 0), np.pi / 2))
        mesh = mesh.moved(np.eye(3), (0, 0, -mesh.vertices[:, 2].min()))
    return mesh


def bag(rng: Rng) -> Mesh:
    """A cushion, pouch or bag of crisps, crumpled."""
    mesh = superellipsoid(
        (rng.uniform(0.25, 0.5), rng.uniform(0.2, 0.4), rng.uniform(0.08, 0.2)), (0.4, 1.2), 48
    )
    mesh = bumpy(mesh, rng, rng.uniform(0.02, 0.08), 12)
    if rng.random() < 0.6:
        mesh = mesh.moved(rotation((1, 0, 0), rng.uniform(1.1, 1.6)))
    return mesh.moved(np.eye(3), (0, 0, -mesh.vertices[:, 2].min()))


def cable(rng: Rng) -> Mesh:
    """A cord, hose, wire or strap that winds over the floor."""
    n = 60
    turn = np.cumsum(rng.normal(0, 0.25, n)) + rng.uniform(-0.15, 0.15) * np.arange(n)
    path = np.cumsum(np.stack([np.cos(turn), np.sin(turn), 0 * turn], -1) * 0.05, 0)
    path[:, :2] -= path[:, :2].mean(0)
    radius = rng.uniform(0.01, 0.05)
    path[:, 2] = radius + 0.06 * np.abs(np.sin(np.arange(n) * rng.uniform(0, 0.3)))
    return tube(path, radius, 8)


def pile(rng: Rng) -> Mesh:
    """A stack or heap that is one thing of many equal parts: books, plates, logs."""
    pieces = []
    z = 0.0
    size = rng.uniform(0.3, 0.8, 2)
    for i in range(int(rng.integers(2, 7))):
        high = rng.uniform(0.04, 0.14)
        leaf = box((*size * rng.uniform(0.75, 1.05, 2), high)).as_part(i)
        pieces.append(leaf.moved(rotation((0, 0, 1), rng.normal(0, 0.12)), (*rng.normal(0, 0.03, 2), z)))
        z += high
    return joined(pieces)


def drapery(rng: Rng) -> Mesh:
    """Cloth hanging in folds round something: a cape, skirt, curtain, sack."""
    rows, columns = 28, 90
    t = np.linspace(0, 2 * np.pi * rng.choice([1.0, 0.75]), columns)
    z = np.linspace(1, 0, rows)
    top, bottom = rng.uniform(0.08, 0.25), rng.uniform(0.25, 0.55)
    r = top + (bottom - top) * (1 - z) ** rng.uniform(0.4, 1.2)
    folds = np.zeros((rows, columns))
    for n in rng.integers(3, 16, 3):
        folds += np.sin(n * t + rng.uniform(0, 6.3) + 1.5 * rng.normal() * z[:, None]) / n**0.5
    r = r[:, None] * (1 + rng.uniform(0.05, 0.25) * folds * (1 - z[:, None]))
    points = np.stack(
        [r * np.cos(t), r * np.sin(t) * rng.uniform(0.4, 1), np.broadcast_to(z[:, None], r.shape)], -1
    )
    pieces = [grid(points).as_part(0)]
    if rng.random() < 0.6:  # a collar and what it hangs on
        pieces.append(superellipsoid((top, top * 0.8, 0.09), (1, 1)).moved(np.eye(3), (0, 0, 1.0)).as_part(1))
    if rng.random() < 0.4:
        pieces.append(lathe([0.2, 0.2, 0.03, 0.03], [0, 0.03, 0.04, 0.3]).as_part(2))
    return joined(pieces)
