"""Tiny scenes on disk for the tests of the scene folder: 40x30 photos in a transforms.json."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (40, 30)
INTRINSICS: dict[str, object] = {"w": 40, "h": 30, "fl_x": 50.0, "fl_y": 60.0, "cx": 18.0, "cy": 16.0}
# OpenGL, unrotated: looks along -z with y up.
POSE = [[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 2.0], [0.0, 0.0, 1.0, 3.0], [0.0, 0.0, 0.0, 1.0]]


def frame(name: str, **fields: object) -> dict[str, object]:
    return {"file_path": name, "transform_matrix": POSE, **fields}


def write_json(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def write_image(path: Path, pixels: np.ndarray | None = None, size: tuple[int, int] = SIZE) -> Path:
    """Save ``pixels``, or noise of that size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if pixels is None:
        noise = np.random.default_rng(list(path.name.encode()))
        pixels = noise.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def write_scene(
    folder: Path,
    frames: list[dict[str, object]] | None = None,
    shared: dict[str, object] | None = None,
    file: str = "transforms.json",
) -> Path:
    """Write a scene, three frames by default, and noise for those of its images that are not there."""
    frames = [frame(f"images/{i}.png") for i in range(3)] if frames is None else frames
    shared = INTRINSICS if shared is None else shared
    for entry in frames:
        path = folder / str(entry["file_path"])
        if path.suffix not in (".png", ".jpg"):
            path = path.with_name(path.name + ".png")
        if not path.exists():
            write_image(path)
    write_json(folder / file, {**shared, "frames": frames})
    return folder
