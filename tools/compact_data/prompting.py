"""Prompts for training and validation: first ones by lot, further clicks where the last answer was wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from compact_data.batches import Rng, any_pixel, middle, rim_pixel

LOOSE = 0.4  # share of the boxes with clicks that are too large
MISSES = 0.3  # share of far clicks that are off by a pixel of the masks or two, as projected ones are
PLACES = 10  # that a click far from the others is chosen from
KINDS = (  # clicks, whether there is a box, a rough mask; how often
    ("one", False, False, 0.20),
    ("none", True, False, 0.13),
    ("one", True, False, 0.05),
    ("several", False, False, 0.41),
    ("several", True, False, 0.09),
    ("one", False, True, 0.04),
    ("several", True, True, 0.08),
)


@dataclass(frozen=True)
class Prompts:
    """Prompts of one form for n things; None where the form has no such thing. In pixels of the square."""

    points: Tensor | None = None
    labels: Tensor | None = None
    boxes: Tensor | None = None
    masks: Tensor | None = None

    @property
    def is_lone_click(self) -> bool:
        """Whether it may mean a part, an object or a group."""
        return (
            self.boxes is None
            and self.masks is None
            and self.points is not None
            and self.points.shape[1] == 1
        )

    def with_clicks(self, points: Tensor, labels: Tensor) -> Prompts:
        """One more click each."""
        if self.points is None or self.labels is None:
            return replace(self, points=points[:, None], labels=labels[:, None])
        return replace(
            self,
            points=torch.cat([self.points, points[:, None]], 1),
            labels=torch.cat([self.labels, labels[:, None]], 1),
        )


def first_prompts(rng: Rng, masks: Tensor, clicks: Tensor, side: int) -> Prompts:
    """One of ``KINDS``: no click, one or several; with a box or none, with a rough mask or none."""
    how_many, with_box, with_mask, _ = KINDS[int(rng.choice(len(KINDS), p=[kind[-1] for kind in KINDS]))]
    prompts = Prompts()
    if how_many != "none":
        prompts = prompts.with_clicks(clicks, torch.ones(len(masks), dtype=torch.long))
    if how_many == "several":
        prompts = _with_several(rng, prompts, masks, side)
    if with_mask:
        prompts = replace(prompts, masks=_rough(rng, masks))
    if not with_box:
        return prompts
    loose = how_many != "none" and rng.random() < LOOSE
    return replace(prompts, boxes=_drawn(rng, boxes_of(masks, side), side, loose))


def _with_several(rng: Rng, prompts: Prompts, masks: Tensor, side: int) -> Prompts:
    """Further clicks: anywhere or, as people do it, far from those there are, often at the very rim; and
    some beside."""
    scale = side / masks.shape[-1]
    planes = [mask.numpy() > 0.5 for mask in masks]
    spreads, place = rng.random() < 0.7, rim_pixel if rng.random() < 0.75 else any_pixel
    signs = np.r_[np.ones(rng.integers(0, 5)), np.zeros(rng.integers(0, 4) * (rng.random() < 0.4))]
    for sign in signs.tolist():
        assert prompts.points is not None
        if sign and spreads:
            before = (prompts.points / scale - 0.5).numpy()
            found = np.stack(
                [_far_from(rng, p, given, place) for p, given in zip(planes, before, strict=True)]
            )
        else:
            found = np.stack([any_pixel(rng, plane if sign else _near(plane)) for plane in planes])
        # Where a thing fills the picture there is nothing beside it: another click on it instead.
        is_on = torch.tensor([bool(plane[y, x]) for plane, (x, y) in zip(planes, found, strict=True)])
        places = torch.from_numpy(found).float() + 0.5
        if sign and spreads and rng.random() < MISSES:
            places += torch.from_numpy(rng.normal(0, 1, found.shape).clip(-2, 2)).float()
            places = places.clamp(0.5, masks.shape[-1] - 0.5)
        prompts = prompts.with_clicks(places * scale, is_on.long())
    return prompts


def _far_from(
    rng: Rng, mask: np.ndarray, given: np.ndarray, place: Callable[[Rng, np.ndarray], np.ndarray]
) -> np.ndarray:
    """(x, y) of the farthest from given pixels (n, 2) of some places on a thing."""
    places = np.stack([place(rng, mask) for _ in range(PLACES)])
    away = np.linalg.norm(places[:, None] - given[None], axis=-1).min(1)
    return places[int(away.argmax())]


def _near(mask: np.ndarray) -> np.ndarray:
    """What is beside a thing but not far off."""
    size = max(5, int(0.5 * np.sqrt(mask.sum()))) | 1
    around = cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0
    near = around & ~mask
    return near if near.any() else ~mask if not mask.all() else mask


def _rough(rng: Rng, masks: Tensor) -> Tensor:
    """Masks as another view or a coarse model would give them: shifted, swollen, halved, torn, soft."""
    rough = []
    for mask in masks.numpy():
        plane = mask.astype(np.uint8)
        size = int(rng.integers(1, 8))
        operation = cv2.dilate if rng.random() < 0.5 else cv2.erode
        plane = operation(plane, np.ones((size, size), np.uint8))
        shift = rng.normal(0, 2, 2)
        plane = cv2.warpAffine(plane, np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), plane.shape[::-1])
        if rng.random() < 0.25:
            plane = plane * _half(rng, plane)
        if rng.random() < 0.4:
            x, y = rng.integers(0, plane.shape[0], 2)
            reach = int(rng.integers(4, plane.shape[0] // 4))
            plane[y : y + reach, x : x + reach] = rng.integers(0, 2)
        soft = cv2.GaussianBlur(plane.astype(np.float32), (0, 0), rng.uniform(0.5, 3))
        rough.append((soft - 0.5) * rng.uniform(6, 20))
    return torch.from_numpy(np.stack(rough))[:, None].float()


def _half(rng: Rng, plane: np.ndarray) -> np.ndarray:
    """What lies on one side of a line through a thing."""
    x, y = any_pixel(rng, plane > 0)
    rows, columns = np.indices(plane.shape)
    angle = rng.uniform(0, 2 * np.pi)
    return ((columns - x) * np.cos(angle) + (rows - y) * np.sin(angle) > 0).astype(plane.dtype)


def boxes_of(masks: Tensor, side: int) -> Tensor:
    """Bounding boxes (n, 4)."""
    scale = side / masks.shape[-1]
    boxes = []
    for mask in masks.numpy() > 0.5:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not len(rows):
            rows = columns = np.array([0])
        boxes.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return (torch.tensor(boxes) * scale).clamp(0, side).float()


def _drawn(rng: Rng, boxes: Tensor, side: int, loose: bool) -> Tensor:
    """Boxes as people draw them, sides a little off; or too large, as carried over from another view."""
    extent = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    off = rng.normal(0, 0.15 if loose else 0.04, boxes.shape)
    off = np.abs(off).clip(0, 0.5) * (-1, -1, 1, 1) if loose else off.clip(-0.1, 0.1)
    return (boxes + torch.from_numpy(off).float() * extent).clamp(0, side)


def next_clicks(
    rng: Rng | None, logits: Tensor, masks: Tensor, inside: Tensor, side: int
) -> tuple[Tensor, Tensor]:
    """A click (n, 2) in each answer's deeper error, in its middle or, now and then, anywhere; labels (n,).

    Args:
        rng: None: always the middle.
        logits: (n, low, low) answers.
        masks: (n, low, low) truth.
        inside: (n, low, low) where there is picture.
        side: Of the square.
    """
    scale = side / masks.shape[-1]
    found, labels = [], []
    for answer, mask, there in zip(logits.numpy() > 0, masks.numpy() > 0.5, inside.numpy(), strict=True):
        missed, wrong = mask & ~answer, answer & ~mask & there
        candidates = [(missed, 1), (wrong, 0)]
        depths = [
            cv2.distanceTransform(np.pad(r, 1).astype(np.uint8), cv2.DIST_L2, 3).max() for r, _ in candidates
        ]
        if max(depths) == 0:
            candidates, depths = [(mask, 1)], [1.0]
        region, label = candidates[int(np.argmax(depths))]
        lot = rng is not None and rng.random() < 0.3
        found.append(any_pixel(rng, region) if rng is not None and lot else middle(region))
        labels.append(label)
    return (torch.from_numpy(np.stack(found)).float() + 0.5) * scale, torch.tensor(labels)
