"""A set scene is lit and seen: light, camera and the picture that comes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from compact_data.raycast import Camera, Geometry, Look, render
from compact_data.surfaces import Floats, Mesh, joined, rotation

Rng = np.random.Generator
MOST_THINGS = 200
FLOOR, WALL = 254, 250  # object numbers; walls count down from theirs


@dataclass(frozen=True)
class Thing:
    """A mesh in the world, its numbers, and its materials (one row a part)."""

    mesh: Mesh
    number: int
    group: int
    materials: Floats
    whole: bool


@dataclass(frozen=True)
class Stage:
    """All things, the room's too, their textures, and how many of the first are meant to be seen."""

    things: list[Thing]
    textures: np.ndarray
    n_things: int


@dataclass(frozen=True)
class Shot:
    """A rendered scene: linear colours (h, w, 3), distance (h, w), and truth (h, w, 3): object, part, group.

    An object number of 0 is the sky; ``FLOOR``, ``WALL`` and those just below are the room.
    """

    colour: np.ndarray
    depth: np.ndarray
    truth: np.ndarray


def shoot(rng: Rng, stage: Stage, spread: float, height: int, width: int) -> Shot:
    """Light the scene and look at it."""
    n_rows = np.cumsum([0] + [len(thing.materials) for thing in stage.things])
    meshes = [thing.mesh for thing in stage.things]
    whole = joined(meshes)
    rows = np.concatenate([m.parts + start for m, start in zip(meshes, n_rows[:-1], strict=True)])
    geometry = Geometry(whole.vertices, whole.normals, whole.uv, whole.faces, rows)
    numbers = np.concatenate(
        [
            np.stack(
                [
                    np.full(len(t.mesh.faces), t.number),
                    np.zeros(len(t.mesh.faces), int) if t.whole else t.mesh.parts,
                    np.full(len(t.mesh.faces), t.group),
                ],
                -1,
            )
            for t in stage.things
        ]
    )
    look, seed = _look(rng, stage, spread), int(rng.integers(1 << 30))
    camera = _camera(rng, stage, spread, height, width)
    for _ in range(6):
        face = render(
            geometry,
            look,
            replace(camera, focal=camera.focal / 8, height=height // 8, width=width // 8),
            seed,
        ).face
        if _worth_a_picture(np.where(face >= 0, numbers[face, 0], 0), stage.n_things):
            break
        camera = _camera(rng, stage, spread, height, width)
    picture = render(geometry, look, camera, seed)
    truth = np.where(picture.face[..., None] >= 0, numbers[picture.face], 0).astype(np.uint8)
    return Shot(picture.colour, picture.depth, truth)


def _look(rng: Rng, stage: Stage, spread: float) -> Look:
    up, turn = np.radians(rng.uniform(15, 85)), rng.uniform(0, 2 * np.pi)
    lamp = (np.cos(up) * np.cos(turn), np.cos(up) * np.sin(turn), np.sin(up))
    warm = np.array([1 + rng.uniform(-0.1, 0.35), 1.0, 1 - rng.uniform(-0.1, 0.4)])
    key = rng.uniform(0.0, 1.6)
    sky = rng.uniform(0.25, 0.9) * (1 + rng.normal(0, 0.06, 3))
    ground = sky * rng.uniform(0.2, 0.8) * (1 + rng.normal(0, 0.08, 3))
    table = np.concatenate([thing.materials for thing in stage.things])
    spread_of_lamp = float(rng.choice([0.01, 0.05, 0.15, 0.4]))
    return Look(
        stage.textures,
        table,
        (*lamp, spread_of_lamp, *(key * warm)),
        (*sky, *ground),
        spread * rng.uniform(0.1, 0.5),
    )


def _camera(rng: Rng, stage: Stage, spread: float, height: int, width: int) -> Camera:
    standing = [thing for thing in stage.things if thing.number <= MOST_THINGS]
    vertices = standing[rng.integers(min(len(standing), stage.n_things))].mesh.vertices
    middle = (vertices.min(0) + vertices.max(0)) / 2
    target = middle * rng.uniform(0, 1.1) + rng.normal(0, 0.1, 3) * [spread, spread, 0]
    up, turn = np.radians(rng.triangular(4, 25, 85)), rng.uniform(-np.pi, 0)
    away = spread * np.exp(rng.uniform(np.log(0.8), np.log(2.6))) + 0.4
    ahead = -np.array([np.cos(up) * np.cos(turn), np.cos(up) * np.sin(turn), np.sin(up)])
    right = np.cross(ahead, (0, 0, 1))
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(ahead, right), ahead], -1)
    roll = rng.normal(0, 0.08) if rng.random() < 0.85 else rng.uniform(-np.pi, np.pi)
    focal = max(height, width) / (2 * np.tan(np.radians(rng.uniform(30, 66)) / 2))
    return Camera(target - ahead * away, axes @ rotation((0, 0, 1), roll), float(focal), height, width)


def _worth_a_picture(numbers: np.ndarray, n_things: int) -> bool:
    """Whether things fill a good part of a view, and not one of them all of it."""
    seen = np.bincount(numbers.ravel(), minlength=256)[1 : n_things + 1] / numbers.size
    return 0.12 < seen.sum() < 0.92 and seen.max() < 0.75 and int((seen > 0.004).sum()) >= min(n_things, 3)
