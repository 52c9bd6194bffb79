"""Object field settings and their presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sanerf_hq.errors import InputError
from sanerf_hq.radiance import GridConfig

LOCAL_GRID = GridConfig(n_levels=8, n_features=2, log2_table=17, coarsest=16, finest=512)


@dataclass(frozen=True)
class RayPairConfig:
    """The ray-pair RGB loss (Eq. 9-14).

    The defaults of α, ε, τ, λ and ``patch`` are the release's, where the paper gives none; those of ``rays``,
    ``references`` and ``warm_up`` are the paper's (appendix A).
    """

    weight: float = 1.0
    """λ, the weight beside the cross entropy; 0: the loss is off. [release]"""
    alpha: float = 10.0
    """α, how sharply f tells angles between probability vectors apart. [release]"""
    epsilon: float = 1e-6
    """ε, the constant in f's exponent. [release]"""
    tau: float = 0.1
    """τ, the difference in colour from which two rays are no pair. [release]"""
    rays: int = 32
    """Rays of each patch. [paper]"""
    patch: int = 16
    """Pixels of a patch, on a side. [release: 8 or 16]"""
    references: int = 20
    """References of each set of rays. [paper]"""
    reach: float = 0.0
    """Widths of a patch from which two rays' ends are too far apart for a pair; 0: colour alone counts."""
    warm_up: float = 0.5
    """Share of the steps before the loss begins. [paper: 300 of 600]"""
    refresh: float = 1 / 3
    """Share of the steps after which error maps are computed in whole. [paper: 200 of 600]"""
    maps: int = 0
    """Error maps that a point is drawn on at a time; 0: every one. [paper]"""
    views: int = 0
    """Views that a point is reprojected to at most; 0: all that see it. [paper]"""
    draw_every: int = 1
    """Steps between drawings; the rays of a drawing are marched once. [paper]"""
    sets: int = 0
    """Points a step, of those drawn; 0: all of them. [paper]"""
    across: bool = True
    """Whether a set holds rays of all views that see its point; else, as in the release, of its own alone."""
    where_exact: bool = True
    """Whether masks that are exact get the loss too, which has nothing to mend in them."""
    colours: Literal["render", "photo"] = "render"
    """Which colours are compared: the field's, or the photos'. [paper: the field's]"""

    def __post_init__(self) -> None:
        for name in ("rays", "patch", "references", "draw_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}; choose a larger one")
        for name in ("weight", "alpha", "epsilon", "tau", "reach", "maps", "views", "sets"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} must not be negative, got {getattr(self, name)}; choose another")
        if not 0 <= self.warm_up <= 1 or not 0 < self.refresh <= 1:
            raise InputError("warm_up and refresh are shares of the steps; choose them in [0, 1] and (0, 1]")


# Pairs that end near each other bear two hundred times the weight: what only looks alike is not pulled along.
NEAR_PAIRS = RayPairConfig(
    weight=200.0, reach=1.0, maps=48, views=8, draw_every=25, sets=12, where_exact=False
)


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
    steps: int = 60
    """Training steps where masks are a segmenter's: votes have said nearly all that these know."""
    steps_where_exact: int = 100
    """Training steps where masks are labels of the user's own: these are worth learning to the pixel."""
    rays: int = 6000
    """Rays a step."""
    lr: float = 1e-2
    """Learning rate at the start."""
    lr_final: float = 1e-3
    """Learning rate at the end."""
    blur: float = 1e-3
    """Samples are moved by so much at random (in units of the contracted cube) so that fine cells agree."""
    band_share: float = 0.5
    """Share of the rays that lie along the masks' outlines, if the masks are exact; where others err most."""
    band_rays: int = 40_000
    """Rays along outlines of exact masks that are marched before training, over all views."""
    pairs: RayPairConfig = NEAR_PAIRS
    """The ray-pair RGB loss."""

    def __post_init__(self) -> None:
        for name in ("hidden", "layers", "steps", "steps_where_exact", "rays"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}; choose a larger one")
        if self.lr <= 0 or self.lr_final <= 0:
            raise InputError("lr and lr_final must be positive; choose larger ones")
        if not 0 <= self.band_share <= 1 or self.band_rays < 0:
            raise InputError("band_share must be in [0, 1] and band_rays not negative; choose others")


OBJECT_PRESETS: dict[str, ObjectConfig] = {
    "draft": ObjectConfig(
        steps=50, steps_where_exact=80, rays=4096, band_rays=20_000, pairs=RayPairConfig(weight=0.0)
    ),
    "standard": ObjectConfig(),
    "paper": ObjectConfig(
        grid=GridConfig(n_levels=16, n_features=8, log2_table=19, coarsest=16, finest=512),
        local=False,
        from_votes=False,
        clean=False,
        hidden=256,
        layers=3,
        steps=600,
        steps_where_exact=600,
        band_share=0.0,
        band_rays=0,
        pairs=RayPairConfig(),
    ),
}
"""As for the radiance field: a first look, daily work, the paper's sizes."""
