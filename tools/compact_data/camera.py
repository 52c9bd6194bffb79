"""What a camera and a file format do to a picture: focus, exposure, colour, noise, sharpening."""

from __future__ import annotations

import cv2
import numpy as np

Rng = np.random.Generator
FAR = 1e3


def develop(rng: Rng, linear: np.ndarray, depth: np.ndarray | None) -> np.ndarray:
    """Linear colours (h, w, 3) and distances (h, w) to an 8-bit photo (h, w, 3)."""
    image = linear.astype(np.float32)
    if depth is not None and rng.random() < 0.35:
        image = _focused(rng, image, depth)
    bright = np.percentile(image.mean(-1), rng.uniform(88, 99.5)) + 1e-4
    image = image * (rng.uniform(0.55, 1.0) / bright)
    image *= 1 + rng.normal(0, 0.07, 3).astype(np.float32)
    grey = image.mean(-1, keepdims=True)
    image = grey + (image - grey) * rng.uniform(0.35, 1.05)
    if rng.random() < 0.4:
        image *= _vignette(rng, *image.shape[:2])
    sigma = rng.choice([0.5, 0.7, 0.9, 1.3, 2.0], p=[0.3, 0.3, 0.2, 0.15, 0.05])
    image = cv2.GaussianBlur(image, (0, 0), float(sigma))
    if rng.random() < 0.08:
        image = cv2.filter2D(image, -1, _shake(rng))
    grain = rng.choice([0.002, 0.006, 0.015, 0.03], p=[0.35, 0.35, 0.2, 0.1])
    noise = rng.standard_normal(image.shape, np.float32)
    if rng.random() < 0.5:
        noise = cv2.GaussianBlur(noise, (0, 0), 0.7) * 2
    image = image + noise * grain * np.sqrt(np.clip(image, 0, 1) + 0.05)
    image = np.clip(image, 0, None)
    image = image / (1 + rng.uniform(0, 0.5) * image) if rng.random() < 0.5 else np.clip(image, 0, 1)
    image = np.clip(image, 0, 1) ** (1 / rng.uniform(1.8, 2.5))
    if rng.random() < 0.4:  # an S-curve
        image = image + rng.uniform(0, 0.5) * (image * image * (3 - 2 * image) - image)
    if rng.random() < 0.5:
        image = image + rng.uniform(0.2, 0.9) * (image - cv2.GaussianBlur(image, (0, 0), 1.2))
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


def _focused(rng: Rng, image: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Sharp at one distance, blurred in proportion to the difference of inverse distances."""
    near = depth[depth < FAR]
    if not len(near):
        return image
    focus = np.percentile(near, rng.uniform(5, 50))
    blur = np.abs(1 / depth - 1 / focus) * focus * rng.uniform(1, 7)
    blur = cv2.GaussianBlur(blur.astype(np.float32), (0, 0), 2)
    result, previous = image, image
    for low, high in ((0.5, 1.2), (1.2, 2.5), (2.5, 5.0)):
        softer = cv2.GaussianBlur(image, (0, 0), high)
        share = np.clip((blur - low) / (high - low), 0, 1)[..., None]
        result = np.where(blur[..., None] > low, previous + (softer - previous) * share, result)
        previous = softer
    return result


def _vignette(rng: Rng, height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return (1 - rng.uniform(0.1, 0.5) * (x * x + y * y) / 2)[..., None].astype(np.float32)


def _shake(rng: Rng) -> np.ndarray:
    size = int(rng.choice([3, 5, 7]))
    kernel = np.zeros((size, size), np.float32)
    angle = rng.uniform(0, np.pi)
    half = size // 2
    reach = (round(half * float(np.cos(angle))), round(half * float(np.sin(angle))))
    cv2.line(kernel, (half - reach[0], half - reach[1]), (half + reach[0], half + reach[1]), 1.0)
    return kernel / kernel.sum()
