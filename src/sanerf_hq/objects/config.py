"""Object field settings and their presets."""

from __future__ import annotations

from dataclasses import dataclass

from sanerf_hq.errors import InputError
from sanerf_hq.radiance import GridConfig

LOCAL_GRID = GridConfig(n_levels=8, n_features=2, log2_table=17, coarsest=16, finest=512)


@dataclass(frozen=True)
class ObjectConfig:
    """How an object field is built and trained."""

    grid: GridConfig = LOCAL_GRID
    """The hash grid under the identity vectors."""
    local: bool = True
    """Whether the grid spans the object's surroundings alone, or (as in the paper) all of space."""
    hidden: int = 32
    """Width of the network."""
    layers: int = 2
    """Its layers; from the second on each is also given the network's input (skip connections)."""
    from_votes: bool = True
    """Whether the field starts as what the masks' votes make of it, instead of from nothing."""
    clean: bool = True
    """Whether parts that do not hang together with the prompted surface are left out."""
    steps: int = 100
    """Training steps."""
    rays: int = 6000
    """Rays a step."""
    lr: float = 1e-2
    """Learning rate at the start."""
    lr_final: float = 1e-3
    """Learning rate at the end."""
    blur: float = 1e-3
    """Samples are moved by so much at random (in units of the contracted cube) so that fine cells agree."""
    band_share: float = 0.5
    """Share of the rays that lie along the masks' outlines."""
    band_rays: int = 40_000
    """Rays along outlines that are marched before training, over all views."""

    def __post_init__(self) -> None:
        for name in ("hidden", "layers", "steps", "rays"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}; choose a larger one")
        if self.lr <= 0 or self.lr_final <= 0:
            raise InputError("lr and lr_final must be positive; choose larger ones")
        if not 0 <= self.band_share <= 1 or self.band_rays < 0:
            raise InputError("band_share must be in [0, 1] and band_rays not negative; choose others")


OBJECT_PRESETS: dict[str, ObjectConfig] = {
    "draft": ObjectConfig(steps=80, rays=4096, band_rays=20_000),
    "standard": ObjectConfig(),
    "paper": ObjectConfig(
        grid=GridConfig(n_levels=16, n_features=8, log2_table=19, coarsest=16, finest=512),
        local=False,
        from_votes=False,
        clean=False,
        hidden=256,
        layers=3,
        steps=600,
        band_share=0.0,
        band_rays=0,
    ),
}
"""As for the radiance field: a first look, daily work, the paper's sizes."""
