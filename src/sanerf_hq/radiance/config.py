"""Radiance settings and their presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class GridConfig:
    """A hash grid's size."""

    n_levels: int = 8
    """Levels, coarse to fine."""
    n_features: int = 4
    """Numbers an entry holds."""
    log2_table: int = 18
    """Entries a level holds at most, as a power of two."""
    coarsest: int = 16
    """Cells a side of the coarsest level, over the contracted cube."""
    finest: int = 2048
    """Cells a side of the finest level."""


@dataclass(frozen=True)
class RadianceConfig:
    """How a radiance field is built and trained."""

    grid: GridConfig = GridConfig()
    """The hash grid under density and colour."""
    hidden: int = 64
    """Width of the density and colour networks."""
    geometry_features: int = 15
    """Numbers beside the density that the density network hands on (to colour, and to object fields)."""
    shading: Literal["ray", "sample"] = "ray"
    """Where colour is computed: once a ray from composited features, or once a sample."""
    steps: int = 4000
    """Training steps."""
    samples: int = 65536
    """Samples a step; the number of rays adapts to it."""
    lr: float = 1e-2
    """Learning rate at the start."""
    lr_final: float = 1e-3
    """Learning rate at the end."""
    occupancy_side: int = 128
    """Cells a side of the occupancy grid."""
    march_step: float = 4.0 / 768.0
    """Sample spacing where space is not contracted, field units (the cameras are 2 from what they look at)."""
