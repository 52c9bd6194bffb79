"""Truth damaged the way segmenters err, at set rates: what fuses masks is tested with it.

``damaged:wrong=0.4,wobble=3,seed=1``: which views err, and how, is a pure function of the seed, the object
and the view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.runs import Key
from sanerf_hq.scene import Scene, View
from sanerf_hq.segmenters.colour_cut import signed_distance
from sanerf_hq.segmenters.masks import MaskFolder, truth

FORM = "damaged:wobble=PIXELS,missing=RATE,leak=RATE,wrong=RATE,dropped=RATE,seed=I"
WAVE_PIXELS = 6.0  # the wobble's blobs: standard deviation of the blur that makes them
BESIDE_PIXELS = 9  # what comes so near to an object is beside it
MISSING_SHARE = (0.2, 0.5)  # of a mask's extent that a missing part takes


@dataclass(frozen=True)
class Damage:
    """How much of what is wrong.

    Attributes:
        wobble: Standard deviation of outlines about the true ones, in pixels of the photo.
        missing: Share of the views in which a part of the mask is missing.
        leak: Share of the views in which the mask takes in its neighbour.
        wrong: Share of the views that carry the neighbour's mask instead. They follow each other in the
            scene's order, and all carry the same neighbour's.
        dropped: Share of the views without a mask.
        seed: Where all chance comes from.
    """

    wobble: float = 0.0
    missing: float = 0.0
    leak: float = 0.0
    wrong: float = 0.0
    dropped: float = 0.0
    seed: int = 0

    @staticmethod
    def parse(text: str) -> Damage:
        """Rates as ``name=value``, separated by commas.

        Raises:
            InputError: A name is unknown or given twice, or a value is out of range.
        """
        known = {field.name: field.default for field in fields(Damage)}
        values: dict[str, float] = {}
        for part in text.split(","):
            name, equals, value = part.partition("=")
            try:
                number = float(value)
            except ValueError:
                number = math.nan
            most = math.inf if name in ("wobble", "seed") else 1.0
            whole = name != "seed" or number.is_integer()
            if name not in known or name in values or not equals or not 0 <= number <= most or not whole:
                raise InputError(f"segmenter damaged: {part!r} is no setting of it; write {FORM}")
            values[name] = number
        seed = int(values.pop("seed", 0))
        return Damage(**values, seed=seed)


def load_damaged(spec: str, scene: Scene) -> MaskFolder:
    """``damaged:...``: a scene's truth at the training views, with errors.

    Raises:
        InputError: A setting is none, or the scene has no truth.
    """
    damage = Damage.parse(spec.partition(":")[2])
    whole = truth(scene)
    views = tuple(view for view in scene.train_views if view.name in whole.paths)
    return MaskFolder(spec, whole.paths, DamagedAnswers(whole, views, damage))


@final
class DamagedAnswers:
    """From a view's true labels and an identity to a mask that errs."""

    def __init__(self, whole: MaskFolder, views: tuple[View, ...], damage: Damage) -> None:
        self._whole, self._views, self._damage = whole, views, damage
        self._neighbours: dict[int, int | None] = {}

    def __call__(self, view: View, labels: Int64[Tensor, "h w"], identity: int) -> Bool[Tensor, "h w"] | None:
        damage = self._damage
        key = Key(damage.seed, f"damaged/{identity}/{view.name}", 0)
        lot = torch.rand(3, generator=key.generator()).tolist()
        if lot[0] < damage.dropped:
            return None
        mask = labels == identity
        if self.is_wrong(view, identity):
            mask = self._beside(labels, identity)
        else:
            if lot[1] < damage.leak:
                mask = mask | self._beside(labels, identity)
            if lot[2] < damage.missing:
                mask = without_part(mask, key.fold("missing"))
        return wobbled(mask, damage.wobble, key.fold("wobble")) if damage.wobble else mask

    def is_wrong(self, view: View, identity: int) -> bool:
        """Whether a view carries the neighbour's mask."""
        n = len(self._views)
        key = Key(self._damage.seed, f"damaged/{identity}/wrong", 0)
        first = int(torch.randint(n, (1,), generator=key.generator()))
        return (self._places[view.name] - first) % n < round(self._damage.wrong * n)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {view.name: place for place, view in enumerate(self._views)}

    def _beside(self, labels: Int64[Tensor, "h w"], identity: int) -> Bool[Tensor, "h w"]:
        """The neighbour; where the scene has but one object, that moved by half its width."""
        if identity not in self._neighbours:
            self._neighbours[identity] = self._neighbour(identity)
        other = self._neighbours[identity]
        return moved_aside(labels == identity) if other is None else labels == other

    def _neighbour(self, identity: int) -> int | None:
        """The object that most often shows close beside another, over all views; None if there is none."""
        import cv2

        counts: dict[int, int] = {}
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BESIDE_PIXELS + 1, 2 * BESIDE_PIXELS + 1))
        for view in self._views:
            labels = self._whole.labels(view)
            assert labels is not None
            plane = labels.numpy()
            around = cv2.dilate((plane == identity).astype(np.uint8), disc) > 0
            values, sizes = np.unique(plane[around], return_counts=True)
            every = np.unique(plane)
            for value in every[(every > 0) & (every != identity)].tolist():
                counts[value] = counts.get(value, 0) + int(sizes[values == value].sum())
        return max(counts, key=lambda value: (counts[value], -value)) if counts else None


def wobbled(mask: Bool[Tensor, "h w"], pixels: float, key: Key) -> Bool[Tensor, "h w"]:
    """A mask whose outline strays from the true one, smoothly, by ``pixels`` in the standard deviation."""
    import cv2

    if bool(mask.all()) or not bool(mask.any()):
        return mask
    noise = torch.randn(mask.shape, generator=key.generator()).numpy()
    noise = cv2.GaussianBlur(noise, (0, 0), WAVE_PIXELS)
    return torch.from_numpy(signed_distance(mask.numpy(), math.inf) + noise * (pixels / noise.std()) > 0)


def without_part(mask: Bool[Tensor, "h w"], key: Key) -> Bool[Tensor, "h w"]:
    """A mask cut straight across, the lesser part left out."""
    places = mask.nonzero().float()
    if not len(places):
        return mask
    angle, depth = torch.rand(2, generator=key.generator()).tolist()
    direction = torch.tensor([math.sin(2 * math.pi * angle), math.cos(2 * math.pi * angle)])
    along = places @ direction
    share = MISSING_SHARE[0] + depth * (MISSING_SHARE[1] - MISSING_SHARE[0])
    limit = along.max() - share * (along.max() - along.min())
    rows, columns = places[along <= limit].long().unbind(-1)
    kept = torch.zeros_like(mask)
    kept[rows, columns] = True
    return kept


def moved_aside(mask: Bool[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """A mask moved by half the width of its box, to the side where there is more room."""
    columns = mask.any(0).nonzero()[:, 0]
    if not len(columns):
        return mask
    first, last, width = int(columns[0]), int(columns[-1]) + 1, mask.shape[1]
    by = (last - first + 1) // 2
    moved = torch.zeros_like(mask)
    if first > width - last:
        moved[:, : width - by] = mask[:, by:]
    else:
        moved[:, by:] = mask[:, : width - by]
    return moved
