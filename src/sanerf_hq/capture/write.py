"""Write: a model as a scene folder, ``transforms.json`` and the points that it names.

nerfstudio's format: OpenGL camera-to-world matrices, intrinsics for the whole file where all images share
them, else for each frame; ``ply_file_path`` names points in the same frame of reference.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from sanerf_hq.capture.model import Intrinsics, Model
from sanerf_hq.capture.store import POINTS_FILE, TRANSFORMS_FILE
from sanerf_hq.geometry import opengl_to_opencv
from sanerf_hq.runs import write_bytes, write_json

LEAST_SEEN = 3  # images: points that only two share are often wrong


def write_scene(model: Model, folder: Path) -> int:
    """Write ``transforms.json`` and ``sparse_points.ply`` beside ``images/``.

    Args:
        model: Upright.
        folder: The scene's folder.

    Returns:
        The number of points written.
    """
    kept = model.n_seen >= LEAST_SEEN
    write_bytes(folder / POINTS_FILE, ply_bytes(model.points[kept], model.colours[kept]))
    write_json(folder / TRANSFORMS_FILE, transforms(model))
    return int(kept.sum())


def transforms(model: Model) -> dict[str, Any]:
    """What ``transforms.json`` holds."""
    used = {image.camera for image in model.images}
    shared = _intrinsics(model.cameras[next(iter(used))]) if len(used) == 1 else {}
    frames = []
    for image in model.images:
        own = {} if shared else _intrinsics(model.cameras[image.camera])
        matrix = opengl_to_opencv(image.camtoworld).tolist()
        frames.append({"file_path": f"images/{image.name}", **own, "transform_matrix": matrix})
    return {"camera_model": "OPENCV", **shared, "ply_file_path": POINTS_FILE, "frames": frames}


def _intrinsics(camera: Intrinsics) -> dict[str, Any]:
    width, height = camera.size
    names = ("fl_x", "fl_y", "cx", "cy", "k1", "k2", "p1", "p2")
    return {"w": width, "h": height} | {name: getattr(camera, name) for name in names}


def ply_bytes(points: Float[Tensor, "n 3"], colours: UInt8[Tensor, "n 3"]) -> bytes:
    """Points as a binary PLY: x, y, z as floats, red, green, blue as bytes."""
    properties = [*(f"float {axis}" for axis in "xyz"), *(f"uchar {hue}" for hue in ("red", "green", "blue"))]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    header += [*(f"property {each}" for each in properties), "end_header"]
    places = points.to(torch.float32).contiguous().view(torch.uint8).view(-1, 12)
    rows = torch.cat([places, colours], 1)
    return "\n".join(header).encode() + b"\n" + rows.numpy().tobytes()
