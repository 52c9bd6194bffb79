"""A textured box on a textured floor, photographed by known cameras: something for features to hold on to.

The floor is z = 0, the box stands on it; z is up. Textures are sums of smooth noise of several sizes.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from sanerf_hq.geometry import Camera, look_at

SIZE = (320, 240)
FOCAL = 300.0
K = torch.tensor([[FOCAL, 0, 160], [0, FOCAL, 120], [0, 0, 1]])
BOX = np.array([[-0.6, -0.5, 0.0], [0.5, 0.6, 0.8]])
SIDE = 512  # texels of a texture's side
TILE = 4.0  # units that a texture covers before it repeats


def _texture(seed: int) -> np.ndarray:
    """(512, 512) values of 0 to 255 without preferred scale, repeating without a seam."""
    chance = np.random.default_rng(seed)
    total = np.zeros((SIDE, SIDE))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    for sigma in (20.0, 9.0, 4.0):
        spectrum = np.fft.fft2(chance.standard_normal((SIDE, SIDE)))
        noise = np.fft.ifft2(spectrum * np.exp(-2 * (math.pi * sigma * frequency) ** 2)).real
        total += np.sign(noise) if sigma > 10 else noise / noise.std()
    return np.clip(128 + 36 * total, 0, 255)


TEXTURES = [_texture(seed) for seed in range(4)]


def ring(n: int, radius: float = 2.6, height: float = 1.2, arc: float = 1.0) -> list[Camera]:
    """Level cameras round the box that look at its middle, over ``arc`` of the circle."""
    cameras = []
    for index in range(n):
        angle = 2 * math.pi * arc * index / n
        eye = torch.tensor([radius * math.cos(angle), radius * math.sin(angle), height + 0.25 * (index % 3)])
        pose = look_at(eye, torch.tensor([0.0, 0.0, 0.3]), torch.tensor([0.0, 0.0, 1.0]))
        cameras.append(Camera(K, pose, *SIZE))
    return cameras


def photograph(camera: Camera, samples: int = 2) -> np.ndarray:
    """(h, w, 3) in 8 bits, each pixel the mean of ``samples``² rays."""
    offsets = (torch.arange(samples) + 0.5) / samples - 0.5
    total = np.zeros((camera.height * camera.width, 1))
    for dy in offsets.tolist():
        for dx in offsets.tolist():
            rays = camera.rays(camera.pixel_grid() + torch.tensor([dx, dy]))
            total += _shade(rays.origins.numpy(), rays.directions.numpy())[:, None]
    grey = (total / samples**2).reshape(camera.height, camera.width, 1)
    return (grey * np.array([1.0, 0.95, 0.85])).clip(0, 255).astype(np.uint8)


def _shade(origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = np.where(directions[:, 2] < 0, -origins[:, 2] / directions[:, 2], np.inf)
        low, high = (BOX[0] - origins) / directions, (BOX[1] - origins) / directions
    near, far = np.minimum(low, high), np.maximum(low, high)
    enter, axis = near.max(1), near.argmax(1)
    distance = np.where((enter < far.min(1)) & (enter > 0), enter, np.inf)
    axis = np.where(distance < floor, axis, 3)
    reached = np.minimum(distance, floor)
    points = origins + directions * np.where(np.isfinite(reached), reached, 0)[:, None]
    grey = np.full(len(origins), 20.0)  # the dark above the horizon
    for face, (u, v) in enumerate(((1, 2), (0, 2), (0, 1), (0, 1))):
        here = (axis == face) & np.isfinite(reached) & (reached < 40)
        scale = 2.0 if face < 3 else 1.0
        grey[here] = _look_up(TEXTURES[face], points[here, u] * scale, points[here, v] * scale)
    return grey


def _look_up(texture: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bilinear."""
    x, y = u / TILE * SIDE, v / TILE * SIDE
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    a, b = x - left, y - top
    value = np.zeros(len(x))
    for i, j, weight in ((0, 0, (1 - a) * (1 - b)), (1, 0, a * (1 - b)), (0, 1, (1 - a) * b), (1, 1, a * b)):
        value += weight * texture[(top + j) % SIDE, (left + i) % SIDE]
    return value
