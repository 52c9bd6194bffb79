"""Scenes: things on a floor or table in a room."""

from __future__ import annotations

import numpy as np

from compact_data.materials import Shelf, random_material
from compact_data.shooting import FLOOR, MOST_THINGS, WALL, Shot, Stage, Thing, shoot
from compact_data.solids import solid
from compact_data.surfaces import Floats, Mesh, box, random_rotation, rotation

Rng = np.random.Generator


class Composer:
    """Puts one scene together: things are added until the camera is set."""

    def __init__(self, rng: Rng, shelf: Shelf) -> None:
        self.rng = rng
        shelf.restock(rng)
        stuff = [shelf.stuff[i] for i in rng.permutation(len(shelf.stuff))[:12]]
        prints = [shelf.prints[i] for i in rng.permutation(len(shelf.prints))[:8]]
        self.textures = np.stack([*stuff, *prints])
        self.n_stuff = len(stuff)
        self.few = rng.random() < 0.25  # only edges and shading tell things of few materials apart
        self.common = [random_material(rng, int(rng.integers(self.n_stuff)), False) for _ in range(2)]
        self.things: list[Thing] = []
        self.groups = 0

    def dress(self, family: str, n_parts: int) -> Floats:
        """Materials of a thing's parts."""
        rng = self.rng
        if self.few and rng.random() < 0.8:
            return np.stack([self.common[rng.integers(2)] for _ in range(n_parts)])
        printed = family == "carton" or (
            family in ("vessel", "bag", "pile", "ball", "block") and rng.random() < 0.35
        )
        rows = []
        for part in range(n_parts):
            if printed and (family != "vessel" or part == 2):
                index = self.n_stuff + int(rng.integers(len(self.textures) - self.n_stuff))
                rows.append(random_material(rng, index, family in ("carton", "pile")))
            else:
                rows.append(random_material(rng, int(rng.integers(self.n_stuff)), False))
        if rng.random() < 0.3 and family != "carton":
            rows = [rows[0]] * n_parts
        return np.stack(rows)

    def add(self, mesh: Mesh, materials: Floats, group: int | None = None, whole: bool = False) -> None:
        number = len(self.things) + 1
        if number > MOST_THINGS:
            return
        if group is None:
            self.groups += 1
            group = self.groups
        self.things.append(Thing(mesh, number, group, materials, whole))

    def room(self, spread: float) -> None:
        """A floor or table, perhaps walls, with pictures on them."""
        rng = self.rng
        ground = -rng.uniform(0.4, 1.2) if rng.random() < 0.35 else 0.0
        if ground < 0:  # a table above the floor
            size = np.array([spread * rng.uniform(2, 4), spread * rng.uniform(2, 4), rng.uniform(0.03, 0.15)])
            if rng.random() < 0.3:
                size[2] = -ground
            top = (
                box(size).as_part(0).moved(rotation((0, 0, 1), rng.uniform(0, 1.6)), (0, 0, -size[2] - 0.002))
            )
            self.add(top, random_material(rng, int(rng.integers(self.n_stuff)), False)[None], whole=True)
        self._plate(np.array([60.0, 60.0, 0.1]), np.eye(3), np.array([0, 0, ground - 0.1]), FLOOR)
        for i in range(int(rng.choice([0, 1, 2, 2, 3]))):
            turn = rotation((0, 0, 1), rng.uniform(0, 0.4) + i * np.pi / 2)
            away = spread * rng.uniform(1.2, 5)
            place = turn @ np.array([0, away, 0]) + np.array([0, 0, ground])
            self._plate(np.array([60.0, 0.1, 20.0]), turn, place, WALL - i)
            for _ in range(int(rng.integers(0, 4))):
                size = np.array([rng.uniform(0.3, 1.2), 0.04, rng.uniform(0.3, 1.2)]) * spread
                at = turn @ np.array([rng.uniform(-2, 2) * spread, away - 0.07, 0])
                mesh = (
                    box(size, fitted=True)
                    .as_part(0)
                    .moved(turn, at + np.array([0, 0, rng.uniform(0.1, 1.2) * spread]))
                )
                index = self.n_stuff + int(rng.integers(len(self.textures) - self.n_stuff))
                self.add(mesh, random_material(rng, index, True)[None], whole=True)

    def _plate(self, size: Floats, turn: Floats, place: Floats, number: int) -> None:
        mesh = box(size).as_part(0).moved(turn, place)
        row = random_material(self.rng, int(self.rng.integers(self.n_stuff)), False)
        row[5:8] *= [0.3, 1, 0.15]
        row[1] = np.exp(self.rng.uniform(np.log(0.15), np.log(1.5)))
        self.things.append(Thing(mesh, number, number, row[None], True))

    def fill(self, spread: float, n: int) -> None:
        """Scatter things, some as clusters of kin, some stacked or thrown about."""
        rng = self.rng
        mode = rng.choice(["scatter", "row", "heap"], p=[0.6, 0.2, 0.2])
        one_heap = rng.random() < 0.6  # what is heaped up is asked for as a group
        placed: list[tuple[float, float, float, float]] = []  # x, y, radius, top
        cursor = -spread
        if mode == "heap" and rng.random() < 0.6:
            size = rng.uniform(0.3, 0.9, 3) * [1, 1, 0.5]
            self.add(box(size).as_part(0), self.dress("block", 1), whole=True)
            placed.append((0.0, 0.0, 0.3, size[2]))
        while n > 0:
            family, mesh = solid(rng)
            kin = int(rng.integers(2, 6)) if rng.random() < 0.2 else 1
            n_parts = int(mesh.parts.max()) + 1
            dress = self.dress(family, n_parts)
            size = float(np.exp(rng.normal(-0.45, 0.4)))
            if not (mode == "heap" and one_heap and self.groups):
                self.groups += 1
            group = self.groups
            for _ in range(kin):
                turned = mesh.moved(size * rng.uniform(0.9, 1.1) * rotation((0, 0, 1), rng.uniform(0, 6.3)))
                if rng.random() < (0.7 if mode == "heap" else 0.12):
                    turned = turned.moved(random_rotation(rng))
                turned = turned.moved(np.eye(3), (0, 0, -turned.vertices[:, 2].min()))
                low, high = turned.vertices.min(0), turned.vertices.max(0)
                radius = float(np.max(high[:2] - low[:2])) / 2
                if mode == "row":
                    wide = float(high[0] - low[0])
                    spot = np.array([cursor + wide / 2, rng.normal(0, 0.04) * spread, 0])
                    cursor += wide * rng.uniform(0.95, 1.2)
                    if cursor > spread:
                        cursor = -spread
                        turned = turned.moved(np.eye(3), (0, spread * rng.choice([-0.7, 0.7]), 0))
                elif mode == "heap":
                    spot = np.r_[rng.normal(0, 0.3, 2) * spread, abs(rng.normal(0, 0.15)) * spread]
                else:
                    spot = self._free_spot(placed, radius, spread, kin > 1)
                placed.append((float(spot[0]), float(spot[1]), radius, float(spot[2] + high[2])))
                moved = turned.moved(np.eye(3), spot)
                self.add(
                    moved,
                    dress if rng.random() < 0.8 else self.dress(family, n_parts),
                    group,
                    family == "carton",
                )
                n -= 1

    def _free_spot(
        self, placed: list[tuple[float, float, float, float]], radius: float, spread: float, close: bool
    ) -> Floats:
        """A place on the floor that touches few others; now and then the top of one of them."""
        rng = self.rng
        best, best_gap = np.zeros(3), -np.inf
        for _ in range(8):
            if close and placed:
                x, y, r, _ = placed[-1]
                angle = rng.uniform(0, 2 * np.pi)
                spot = np.array([x, y]) + (r + radius) * rng.uniform(0.8, 1.2) * np.array(
                    [np.cos(angle), np.sin(angle)]
                )
            else:
                spot = rng.uniform(-1, 1, 2) * spread
            gap = min(
                (np.hypot(spot[0] - x, spot[1] - y) - 0.8 * (r + radius) for x, y, r, _ in placed),
                default=1.0,
            )
            if gap > best_gap:
                best, best_gap = np.r_[spot, 0], gap
            if gap > 0:
                break
        if placed and rng.random() < 0.08:
            x, y, r, top = placed[rng.integers(len(placed))]
            if radius < 1.2 * r:
                return np.array([x, y, top])
        return best


def shot(rng: Rng, shelf: Shelf, height: int, width: int) -> Shot:
    """A random scene seen by a random camera."""
    composer = Composer(rng, shelf)
    n = int(rng.choice([1, 2, 4, 6, 9, 12, 16, 20, 28]))
    spread = 0.4 * np.sqrt(n) * rng.uniform(0.7, 1.2) + 0.25
    composer.fill(spread, n)
    n_things = len(composer.things)
    composer.room(spread)
    stage = Stage(composer.things, composer.textures, n_things)
    return shoot(rng, stage, spread, height, width)
