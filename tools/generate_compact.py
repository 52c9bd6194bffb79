"""Generate pictures to train the compact segmenter on.

    python tools/generate_compact.py FOLDER --seed 0 --first 0 --count 6000

Picture i of a seed is always the same, whatever else is made. Each is a JPEG and, beside it, a PNG whose red
is the number of the object, green that of the part within it, blue that of its group. What is there is kept,
so the command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from compact_data.camera import develop
from compact_data.layers import layered
from compact_data.materials import Shelf
from compact_data.scenes import shot

BLOCK = 50  # pictures that share a shelf of textures
LONGEST = (320, 416)  # sides of the squares that pictures fit into
SHAPES = ((1.0, 0.75), (1.0, 0.75), (0.75, 1.0), (1.0, 0.67), (1.0, 0.5625), (1.0, 1.0))
FLAT_SHARE = 0.2


def picture(rng: np.random.Generator, shelf: Shelf) -> tuple[np.ndarray, np.ndarray]:
    """A photo (h, w, 3) and its truth (h, w, 3), both uint8."""
    wide, high = SHAPES[rng.integers(len(SHAPES))]
    longest = int(rng.choice(LONGEST))
    height, width = round(longest * high), round(longest * wide)
    flat = rng.random() < FLAT_SHARE
    taken = (layered if flat else shot)(rng, shelf, height, width)
    return develop(rng, taken.colour, None if flat else taken.depth), taken.truth


def generate(folder: Path, seed: int, first: int, count: int) -> None:
    """Write pictures ``first`` to ``first + count`` of a seed; whole blocks start on multiples of BLOCK."""
    folder.mkdir(parents=True, exist_ok=True)
    begin, made = time.time(), 0
    for block in range(first // BLOCK, -(-(first + count) // BLOCK)):
        shelf: Shelf | None = None
        for index in range(block * BLOCK, (block + 1) * BLOCK):
            if not first <= index < first + count or (folder / f"{index:06d}.png").exists():
                continue
            shelf = shelf or Shelf.stocked(np.random.default_rng((seed, 1, block)))
            rng = np.random.default_rng((seed, 2, index))
            image, truth = picture(rng, shelf)
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 97))]
            cv2.imwrite(str(folder / f"{index:06d}.jpg"), image[..., ::-1], quality)
            cv2.imwrite(
                str(folder / f"{index:06d}.part.png"), truth[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 3]
            )
            (folder / f"{index:06d}.part.png").rename(folder / f"{index:06d}.png")
            made += 1
            if made % 200 == 0:
                print(f"{index + 1} {(time.time() - begin) / made:.3f} s each", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=6000)
    options = parser.parse_args()
    generate(options.folder, options.seed, options.first, options.count)


if __name__ == "__main__":
    main()
