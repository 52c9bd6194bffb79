"""Batches: pictures from a folder, varied, with the things in them that are to be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from sanerf_hq.segmenters.letterbox import DEVIATION, MEAN

Rng = np.random.Generator
ROOM = 245  # numbers from here on are floors and walls, 0 is the sky
LEAST_AREA = 0.004  # of the picture: smaller things are not asked for
ALIKE = 0.92  # a part that covers more of its object is the object


@dataclass(frozen=True)
class Batch:
    """Pictures and what is asked for in them, ``per_image`` things each.

    Attributes:
        pixels: (b, 3, side, side), normalised as the model wants them.
        levels: (b · per_image, 3, low, low), 0 or 1: the part, the object, the group that a click at
            ``clicks`` may mean.
        target: (b · per_image,) which of the three is meant.
        clicks: (b · per_image, 2) a first click, in pixels of the square.
        numbers: (b, low, low) object numbers, for what every pixel can teach.
        inside: (b, low, low) where there is picture, not padding.
    """

    pixels: Tensor
    levels: Tensor
    target: Tensor
    clicks: Tensor
    numbers: Tensor
    inside: Tensor

    @property
    def masks(self) -> Tensor:
        """(n, low, low) what is meant."""
        return self.levels[torch.arange(len(self.target)), self.target]


class Pictures:
    """Folders of generated pictures; more may be added while they are in use."""

    def __init__(self, folders: list[Path]) -> None:
        self.folders = folders
        self.files: list[Path] = []
        self.refresh()

    def refresh(self) -> None:
        self.files = sorted(
            file for folder in self.folders for file in folder.glob("*.png") if ".part" not in file.name
        )

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Picture and truth, both (h, w, 3) uint8."""
        file = self.files[index % len(self.files)]
        return cv2.imread(str(file.with_suffix(".jpg")))[..., ::-1], cv2.imread(str(file))[..., ::-1]


def make_batch(rng: Rng, pictures: Pictures, n: int, per_image: int, side: int, vary: bool = True) -> Batch:
    """``n`` pictures drawn by lot."""
    loaded = [pictures.load(int(rng.integers(len(pictures.files)))) for _ in range(n)]
    return batch_of(rng, loaded, per_image, side, vary)


def batch_of(
    rng: Rng, loaded: list[tuple[np.ndarray, np.ndarray]], per_image: int, side: int, vary: bool
) -> Batch:
    """A batch of given pictures, varied unless for validation."""
    low = side // 2
    pixels, levels, targets, clicks, numbers, insides = [], [], [], [], [], []
    for image, truth in loaded:
        if vary:
            image, truth = _vary_place(rng, image, truth)
            image = _vary_colour(rng, image)
        square, coarse, inside = _letterboxed(image, truth, side, low)
        pixels.append(square)
        numbers.append(coarse[..., 0])
        insides.append(inside)
        for _ in range(per_image):
            level, target, click = _ask(rng, coarse, inside)
            levels.append(level)
            targets.append(target)
            clicks.append((click + 0.5) * (side / low))
    normalised = (torch.from_numpy(np.stack(pixels)).float() / 255 - torch.tensor(MEAN)) / torch.tensor(
        DEVIATION
    )
    normalised = (
        normalised * torch.from_numpy(np.stack([i.repeat(2, 0).repeat(2, 1) for i in insides]))[..., None]
    )
    return Batch(
        normalised.permute(0, 3, 1, 2),
        torch.from_numpy(np.stack(levels)).float(),
        torch.tensor(targets),
        torch.from_numpy(np.stack(clicks)).float(),
        torch.from_numpy(np.stack(numbers)).long(),
        torch.from_numpy(np.stack(insides)),
    )


def _letterboxed(
    image: np.ndarray, truth: np.ndarray, side: int, low: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The picture in a square, its truth and extent at the masks' resolution."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    rows, columns = max(2, round(height * scale)), max(2, round(width * scale))
    square = np.zeros((side, side, 3), np.uint8)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square[:rows, :columns] = cv2.resize(image, (columns, rows), interpolation=how)
    coarse = np.zeros((low, low, 3), np.uint8)
    rows, columns = rows // 2, columns // 2
    coarse[:rows, :columns] = cv2.resize(truth, (columns, rows), interpolation=cv2.INTER_NEAREST)
    inside = np.zeros((low, low), bool)
    inside[:rows, :columns] = True
    return square, coarse, inside


def _vary_place(rng: Rng, image: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mirror, turn by a right angle now and then, crop."""
    if rng.random() < 0.5:
        image, truth = image[:, ::-1], truth[:, ::-1]
    if rng.random() < 0.1:
        image, truth = image.swapaxes(0, 1), truth.swapaxes(0, 1)
    if rng.random() < 0.6:
        height, width = image.shape[:2]
        share = rng.uniform(0.45, 1.0)
        rows, columns = int(height * share), int(width * min(1.0, share * rng.uniform(0.8, 1.25)))
        top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
        image = image[top : top + rows, left : left + columns]
        truth = truth[top : top + rows, left : left + columns]
    return np.ascontiguousarray(image), np.ascontiguousarray(truth)


def _vary_colour(rng: Rng, image: np.ndarray) -> np.ndarray:
    if rng.random() < 0.15:
        image = image[..., rng.permutation(3)]
    if rng.random() < 0.06:
        image = np.repeat(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    table = np.arange(256) / 255.0
    gamma, contrast = np.exp(rng.normal(0, 0.25)), np.exp(rng.normal(0, 0.15))
    gains = np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.06, 3))
    curves = np.clip(((table**gamma - 0.5) * contrast + 0.5)[:, None] * gains, 0, 1)
    image = cv2.LUT(np.ascontiguousarray(image), (curves[:, None] * 255).astype(np.uint8))
    if rng.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2))
    if rng.random() < 0.2:
        noise = rng.normal(0, rng.uniform(2, 10), image.shape).astype(np.float32)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return image


def _ask(rng: Rng, truth: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, int, np.ndarray]:
    """One thing: its three masks, which of them is meant, and a click on it."""
    counts = np.bincount(truth[..., 0][inside], minlength=256)
    chance = np.where(counts >= LEAST_AREA * inside.sum(), counts.astype(float) ** 0.25, 0.0)
    chance[0] = 0
    chance[ROOM:] *= 0.12
    if not chance.any():
        chance[int(counts.argmax())] = 1
    number = int(rng.choice(256, p=chance / chance.sum()))
    whole = (truth[..., 0] == number) & inside
    click = middle(whole) if rng.random() < 0.5 else any_pixel(rng, whole)
    _, part_number, group_number = truth[click[1], click[0]]
    part = whole & (truth[..., 1] == part_number)
    if not LEAST_AREA / 2 * inside.sum() < part.sum() < ALIKE * whole.sum():
        part = whole
    group = whole | ((truth[..., 2] == group_number) & inside)
    chances = np.array([0.13 * (part is not whole), 0.7, 0.17 * (group.sum() > whole.sum())])
    target = int(rng.choice(3, p=chances / chances.sum()))
    return np.stack([part, whole, group]), target, click


def middle(region: np.ndarray) -> np.ndarray:
    """(x, y) of the pixel farthest from the region's outline; the image's edge counts as outline."""
    away = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    row, column = np.unravel_index(int(away.argmax()), away.shape)
    return np.array([column, row])


def any_pixel(rng: Rng, region: np.ndarray) -> np.ndarray:
    """(x, y) of a pixel by lot, away from the outline where there is room."""
    inner = cv2.erode(region.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)
    return _by_lot(rng, inner > 0 if inner.any() else region)


def rim_pixel(rng: Rng, region: np.ndarray) -> np.ndarray:
    """(x, y) of a pixel by lot of those along the region's outline."""
    inner = cv2.erode(region.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=0) > 0
    return _by_lot(rng, region & ~inner)


def _by_lot(rng: Rng, region: np.ndarray) -> np.ndarray:
    """(x, y) of one of the region's pixels; the picture's middle if it has none."""
    rows, columns = np.nonzero(region)
    if not len(rows):
        return np.array([region.shape[1] // 2, region.shape[0] // 2])
    i = rng.integers(len(rows))
    return np.array([columns[i], rows[i]])
