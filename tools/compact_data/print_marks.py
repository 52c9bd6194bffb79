"""What is printed on packages, posters and signs: text-like marks, bars, emblems, pictures."""

from __future__ import annotations

import string

import cv2
import numpy as np

FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
)
LETTERS = list(string.ascii_uppercase + string.ascii_lowercase + string.digits + "&%!-")
Picture = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]


def _tone(colour: np.ndarray) -> tuple[int, int, int]:
    return int(colour[0] * 255), int(colour[1] * 255), int(colour[2] * 255)


def word(rng: np.random.Generator, picture: Picture, tone: np.ndarray, scale: float) -> None:
    """A word at a random place."""
    size = picture.shape[0]
    text = "".join(rng.choice(LETTERS, int(rng.integers(2, 9))))
    spot = (int(rng.integers(-10, int(size * 0.6))), int(rng.integers(20, size)))
    thick = max(1, int(scale * rng.uniform(1, 4)))
    cv2.putText(picture, text, spot, FONTS[rng.integers(len(FONTS))], scale, _tone(tone), thick, cv2.LINE_AA)


def small_print(rng: np.random.Generator, picture: Picture, tone: np.ndarray) -> None:
    """Lines of little strokes, as text looks from afar."""
    size = picture.shape[0]
    left, top = rng.integers(0, int(size * 0.7), 2)
    wide, step = int(rng.integers(30, 140)), int(rng.integers(4, 10))
    for line in range(int(rng.integers(2, 14))):
        x = int(left)
        y = int(top) + line * step
        while x < left + wide * rng.uniform(0.7, 1):
            run = int(rng.integers(2, 14))
            cv2.line(picture, (x, y), (x + run, y), _tone(tone), max(1, step // 3))
            x += run + int(rng.integers(2, 5))


def emblem(rng: np.random.Generator, picture: Picture, tones: list[np.ndarray]) -> None:
    """A disc, star, polygon, ring or bar, perhaps one within another."""
    size = picture.shape[0]
    centre = rng.uniform(0.15, 0.85, 2) * size
    radius = rng.uniform(0.06, 0.4) * size
    for tone in tones[: int(rng.integers(1, 3))]:
        kind = rng.integers(4)
        if kind == 0:
            axes = (int(radius), int(radius * rng.uniform(0.5, 1)))
            cv2.ellipse(
                picture, (int(centre[0]), int(centre[1])), axes, 0, 0, 360, _tone(tone), -1, cv2.LINE_AA
            )
        elif kind == 1:
            half = radius * rng.uniform(0.3, 1, 2)
            low, high = (centre - half).astype(int), (centre + half).astype(int)
            cv2.rectangle(picture, tuple(low.tolist()), tuple(high.tolist()), _tone(tone), -1)
        else:
            n = int(rng.integers(3, 12))
            angles = np.arange(n) / n * 2 * np.pi + rng.random()
            lengths = radius * (1 if kind == 2 else rng.uniform(0.4, 1, n))
            corners = centre + np.stack([np.cos(angles), np.sin(angles)], -1) * np.atleast_1d(
                lengths
            ).reshape(-1, 1)
            cv2.fillPoly(picture, [corners.astype(np.int32)], _tone(tone), cv2.LINE_AA)
        radius *= rng.uniform(0.4, 0.8)


def barcode(rng: np.random.Generator, picture: Picture) -> None:
    """A white field with black bars."""
    size = picture.shape[0]
    left, top = (int(v) for v in rng.integers(0, int(size * 0.7), 2))
    wide, high = int(rng.integers(30, 70)), int(rng.integers(20, 50))
    cv2.rectangle(picture, (left, top), (left + wide, top + high), (240, 240, 240), -1)
    x = left + 3
    while x < left + wide - 4:
        bar = int(rng.integers(1, 4))
        cv2.rectangle(picture, (x, top + 3), (x + bar - 1, top + high - 6), (15, 15, 15), -1)
        x += bar + int(rng.integers(1, 4))


def printed(
    rng: np.random.Generator, background: Picture, tones: list[np.ndarray], inset: Picture | None
) -> Picture:
    """A background with a random choice of marks on it, an inset picture first."""
    picture = background.copy()
    size = picture.shape[0]
    if inset is not None:
        low = rng.integers(0, size // 2, 2)
        high = low + rng.integers(size // 5, size // 2, 2)
        picture[low[0] : high[0], low[1] : high[1]] = inset[low[0] : high[0], low[1] : high[1]]
    if rng.random() < 0.5:  # a band across
        at, high = int(rng.integers(0, size)), int(rng.integers(10, 90))
        picture[at : at + high] = tones[3] * 255
    for _ in range(int(rng.integers(0, 4))):
        emblem(rng, picture, [tones[i] for i in rng.permutation(4)[:2]])
    for _ in range(int(rng.integers(1, 5))):
        word(rng, picture, tones[rng.integers(4)], rng.uniform(0.6, 3.2))
    for _ in range(int(rng.integers(0, 4))):
        small_print(rng, picture, tones[rng.integers(4)])
    if rng.random() < 0.25:
        barcode(rng, picture)
    return picture
