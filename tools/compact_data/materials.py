"""Textures at hand, and materials made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compact_data.textures import colour, material, packaging

Rng = np.random.Generator


@dataclass
class Shelf:
    """Textures at hand: making one costs more than using it, so a scene takes a few new ones and old ones.

    Attributes:
        stuff: What things are made of.
        prints: What packages show.
    """

    stuff: list[np.ndarray]
    prints: list[np.ndarray]

    @classmethod
    def stocked(cls, rng: Rng, n: int = 24) -> Shelf:
        return cls([material(rng) for _ in range(n)], [packaging(rng) for _ in range(n)])

    def restock(self, rng: Rng, n: int = 3) -> None:
        for _ in range(n):
            self.stuff[rng.integers(len(self.stuff))] = material(rng)
            self.prints[rng.integers(len(self.prints))] = packaging(rng)


def random_material(rng: Rng, index: int, fitted: bool) -> np.ndarray:
    """A row of the ray-caster's table; ``fitted``: the texture is shown once, as it is printed."""
    tint = np.full(3, rng.uniform(0.75, 1.1)) * (1 + rng.normal(0, 0.06, 3))
    if rng.random() < 0.35:
        tint = tint * np.clip(colour(rng, 0.8) * 1.5, 0.05, 1.2)
    scale = 1.0 if fitted else np.exp(rng.uniform(np.log(0.4), np.log(4)))
    glossy = rng.random() < 0.45
    gloss = rng.uniform(0.1, 1.2) if glossy else rng.uniform(0, 0.08)
    mirror = rng.uniform(0.05, 0.7) ** 2 if glossy else 0.0
    return np.array([index, scale, *tint, gloss, np.exp(rng.uniform(1.5, 6)), mirror])
