"""Radiance settings and their presets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from sanerf_hq.errors import InputError
from sanerf_hq.kernels.ray_march import MAX_STEPS

FINER = 0.5  # of the spacing that was trained with, in rendering: to look at candidates is cheap
LONGEST = 4 * math.sqrt(3)  # from corner to corner of the contracted cube, of side 4
LEAST_MARCH_STEP = LONGEST / (FINER * MAX_STEPS)  # a finer march ends before the ray does


def _check_least(name: str, value: float, least: float) -> None:
    """Refuse a setting that is too small."""
    if not value >= least:
        raise InputError(f"{name} must be at least {least:.2g}, got {value:g}; choose a larger one")


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

    def __post_init__(self) -> None:
        for name in ("n_levels", "coarsest"):
            _check_least(f"grid.{name}", getattr(self, name), 1)


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
    """Samples a step, candidates counted by what they cost; the number of rays adapts to it."""
    lr: float = 1.5e-2
    """Learning rate of the hash grid until the last fifth of the steps, in which it falls to nothing."""
    occupancy_side: int = 128
    """Cells a side of the occupancy grid."""
    occupancy_threshold: float = 1e-3
    """Cells whose samples never weigh more than this (at the finest spacing) are not sampled."""
    march_step: float = 4.0 / 768.0
    """Finest sample spacing where space is not contracted; field units (cameras are 2 from what they see)."""
    coarsest_spacing: float = 16.0
    """Training starts with samples this many times ``march_step`` apart, while all of space is fog."""
    candidates: float = 14.0
    """Candidates a ray that their spacing is adapted to."""
    samples_a_ray: float = 12.0
    """Samples drawn from the candidates of each ray, most where they carry weight."""
    distortion: float = 0.3
    """Weight of the distortion loss, which carves fog away."""
    flatness: float = 0.01
    """Weight of the loss that takes surfaces of one colour to be flat; 0 leaves it out."""
    plain_chance: float = 0.25
    """Chance to be drawn of a pixel in a plain part of a photo, beside one with detail; 1 draws all alike."""
    near_scale: float = 1.0
    """Distance from a camera within which its rays change density less; smaller if things are close."""
    exposure: bool = False
    """Whether photos may be brighter, darker or of another white balance than each other; renders are not."""
    refine_poses: bool = False
    """Whether the training cameras' poses are improved as well."""

    def __post_init__(self) -> None:
        if not 0 < self.plain_chance <= 1:
            raise InputError(f"plain_chance must be in (0, 1], got {self.plain_chance}; 1 draws all alike")
        for name in ("steps", "samples", "hidden", "occupancy_side", "geometry_features"):
            _check_least(name, getattr(self, name), 1)
        for name in ("samples_a_ray", "coarsest_spacing"):
            _check_least(name, getattr(self, name), 1)
        _check_least("near_scale", self.near_scale, 0)
        _check_least("march_step", self.march_step, LEAST_MARCH_STEP)
        for name in ("lr", "candidates"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)}; choose a larger one")


PRESETS: dict[str, RadianceConfig] = {
    "draft": RadianceConfig(
        grid=GridConfig(log2_table=16, finest=1024), steps=2100, samples=16384, march_step=4.0 / 512.0
    ),
    "standard": RadianceConfig(steps=5000, samples=32768),
    "paper": RadianceConfig(
        grid=GridConfig(n_levels=16, n_features=2, log2_table=19, coarsest=16, finest=4096),
        steps=15000,
        samples=262144,
        lr=1e-2,
        march_step=4.0 / 1024.0,
        flatness=0.0,
        plain_chance=1.0,
    ),
}
"""``draft`` for a first look, ``standard`` for daily work, ``paper`` for the paper's sizes."""
