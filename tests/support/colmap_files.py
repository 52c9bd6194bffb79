"""COLMAP models written by hand, byte by byte or line by line, after https://colmap.github.io/format.html."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

# id, model's number, width, height, parameters
Camera = tuple[int, int, int, int, tuple[float, ...]]
# id, quaternion w x y z, translation, camera's id, name, number of keypoints
Image = tuple[int, tuple[float, ...], tuple[float, ...], int, str, int]
NAMES = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE", "FULL_OPENCV")


def cameras_bin(cameras: Sequence[Camera]) -> bytes:
    content = struct.pack("<Q", len(cameras))
    for number, model, width, height, params in cameras:
        content += struct.pack(f"<IiQQ{len(params)}d", number, model, width, height, *params)
    return content


def images_bin(images: Sequence[Image]) -> bytes:
    content = struct.pack("<Q", len(images))
    for number, turn, move, camera, name, n_keypoints in images:
        content += struct.pack("<I7dI", number, *turn, *move, camera) + name.encode() + b"\0"
        content += struct.pack("<Q", n_keypoints) + struct.pack("<ddq", 1.5, 2.5, -1) * n_keypoints
    return content


def cameras_txt(cameras: Sequence[Camera]) -> str:
    lines = ["# Camera list", "#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"]
    for number, model, width, height, params in cameras:
        lines.append(f"{number} {NAMES[model]} {width} {height} {' '.join(map(repr, params))}")
    return "\n".join(lines) + "\n"


def images_txt(images: Sequence[Image]) -> str:
    lines = ["# Image list", "#   IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME", "#   POINTS2D[]"]
    for number, turn, move, camera, name, n_keypoints in images:
        lines.append(f"{number} {' '.join(map(repr, (*turn, *move)))} {camera} {name}")
        lines.append(" ".join(["1.5 2.5 -1"] * n_keypoints))
    return "\n".join(lines) + "\n"


def write_model(
    folder: Path, cameras: Sequence[Camera], images: Sequence[Image], binary: bool = True
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if binary:
        (folder / "cameras.bin").write_bytes(cameras_bin(cameras))
        (folder / "images.bin").write_bytes(images_bin(images))
    else:
        (folder / "cameras.txt").write_text(cameras_txt(cameras), encoding="utf-8")
        (folder / "images.txt").write_text(images_txt(images), encoding="utf-8")
    return folder
