"""Families of solids, and how often each is met."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from compact_data.assembled import figure, furniture, lamp, plant, tool, vessel
from compact_data.plain import bag, ball, block, cable, carton, drapery, pile, plate_shape, rounded, stone
from compact_data.surfaces import Mesh

Rng = np.random.Generator

FAMILIES: tuple[tuple[Callable[[Rng], Mesh], float], ...] = (
    (carton, 4.0),
    (block, 1.0),
    (rounded, 1.5),
    (ball, 1.0),
    (stone, 1.2),
    (vessel, 3.5),
    (lamp, 1.0),
    (plant, 1.2),
    (figure, 1.5),
    (plate_shape, 1.5),
    (tool, 2.5),
    (furniture, 0.8),
    (drapery, 1.2),
    (bag, 1.2),
    (cable, 0.5),
    (pile, 0.8),
)


def solid(rng: Rng) -> tuple[str, Mesh]:
    """A random thing and the name of its family."""
    weights = np.array([weight for _, weight in FAMILIES])
    family = FAMILIES[rng.choice(len(FAMILIES), p=weights / weights.sum())][0]
    return family.__name__, family(rng)
