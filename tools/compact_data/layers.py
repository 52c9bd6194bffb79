"""Layered pictures: textured shapes on one another, with soft shadows; cheap, and unlike any room."""

from __future__ import annotations

import cv2
import numpy as np

from compact_data.materials import Shelf
from compact_data.print_marks import FONTS, LETTERS
from compact_data.shooting import Shot
from compact_data.textures import SIZE

Rng = np.random.Generator
MOST_LAYERS = 120


def _outline(rng: Rng, size: float) -> np.ndarray:
    """Corners of a blob, polygon, star or box about the origin."""
    n = int(rng.choice([4, 4, 5, 6, 9, 60, 60, 60]))
    t = np.arange(n) / n * 2 * np.pi
    r = np.ones(n)
    if n == 60:
        for wave in range(2, int(rng.integers(3, 9))):
            r += rng.normal(0, 0.5 / wave) * np.cos(wave * t + rng.uniform(0, 6.3))
        r = np.clip(r, 0.15, 2)
    elif rng.random() < 0.5:
        r = rng.uniform(0.3, 1, n)
    points = size * r[:, None] * np.stack([np.cos(t), np.sin(t)], -1) * [1, rng.uniform(0.25, 1)]
    turn = rng.uniform(0, 2 * np.pi)
    return points @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])


def _stencil(rng: Rng, height: int, width: int, centre: np.ndarray, size: float) -> np.ndarray:
    """One shape as a mask (h, w) of 0 and 255."""
    mask = np.zeros((height, width), np.uint8)
    kind = rng.random()
    if kind < 0.65:
        cv2.fillPoly(mask, [(_outline(rng, size) + centre).astype(np.int32)], 255)
    elif kind < 0.75:
        axes = (int(size), max(2, int(size * rng.uniform(0.3, 1))))
        thick = -1 if rng.random() < 0.5 else max(3, int(size * rng.uniform(0.1, 0.4)))
        cv2.ellipse(mask, tuple(centre.astype(int).tolist()), axes, rng.uniform(0, 360), 0, 360, 255, thick)
    elif kind < 0.9:
        turn = np.cumsum(rng.normal(0, 0.3, 30))
        path = np.cumsum(np.stack([np.cos(turn), np.sin(turn)], -1), 0) * size / 10
        path = path - path.mean(0) + centre
        cv2.polylines(
            mask, [path.astype(np.int32)], bool(rng.random() < 0.2), 255, int(rng.uniform(3, 0.3 * size + 4))
        )
    else:
        text = "".join(rng.choice(LETTERS, int(rng.integers(1, 4))))
        spot = (int(centre[0] - size), int(centre[1] + size / 2))
        cv2.putText(mask, text, spot, FONTS[rng.integers(len(FONTS))], size / 16, 255, max(3, int(size / 8)))
    return mask


def _cloth(rng: Rng, shelf: Shelf, height: int, width: int) -> np.ndarray:
    """A texture over the whole picture, turned, scaled and shaded: linear (h, w, 3)."""
    source = shelf.prints if rng.random() < 0.3 else shelf.stuff
    picture = source[rng.integers(len(source))]
    scale, angle = np.exp(rng.uniform(-1, 1.2)), rng.uniform(0, 360)
    matrix = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), angle, scale)
    matrix[:, 2] += rng.uniform(0, SIZE, 2)
    cloth = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    shade = 1 + rng.uniform(-0.6, 0.6) * (x - 0.5) + rng.uniform(-0.6, 0.6) * (y - 0.5)
    return ((cloth / 255.0) ** 2 * shade[..., None] * rng.uniform(0.5, 1.2)).astype(np.float32)


def layered(rng: Rng, shelf: Shelf, height: int, width: int) -> Shot:
    """A background and up to fifty shapes, some with a second shape on them as a part."""
    shelf.restock(rng, 2)
    colour = _cloth(rng, shelf, height, width)
    truth = np.zeros((height, width, 3), np.uint8)
    truth[..., 0] = truth[..., 2] = 254
    n = min(MOST_LAYERS, int(np.exp(rng.uniform(np.log(2), np.log(50)))))
    palette = [_cloth(rng, shelf, height, width) for _ in range(int(rng.integers(2, 7)))]
    shadow = rng.uniform(0, 0.8)
    throw = rng.normal(0, 4, 2)
    for number in range(1, n + 1):
        centre = rng.uniform(0, 1, 2) * [width, height]
        size = np.exp(rng.uniform(np.log(0.04), np.log(0.4))) * max(height, width)
        mask = _stencil(rng, height, width, centre, size)
        if shadow > 0.1:
            moved = cv2.warpAffine(mask, np.array([[1, 0, throw[0]], [0, 1, throw[1]]]), (width, height))
            colour = colour * (1 - shadow * cv2.GaussianBlur(moved, (0, 0), 4)[..., None] / 255)
        inside = mask > 0
        tint = np.clip(1 + rng.normal(0, 0.25, 3), 0.2, 2)
        colour[inside] = palette[rng.integers(len(palette))][inside] * tint
        truth[inside] = (number, 0, number)
        if rng.random() < 0.35:
            on_it = inside & (_stencil(rng, height, width, centre, size * rng.uniform(0.2, 0.7)) > 0)
            colour[on_it] = palette[rng.integers(len(palette))][on_it] * np.clip(
                1 + rng.normal(0, 0.4, 3), 0.2, 2
            )
            truth[on_it, 1] = 1
    return Shot(colour.astype(np.float32), np.ones((height, width), np.float32), truth)
