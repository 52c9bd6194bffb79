"""Write: a model as a scene folder, ``transforms.json`` and the points that it names.

nerfstudio's format: OpenGL camera-to-world matrices, intrinsics for the whole file where all images share
them, else for each frame; ``ply_file_path`` names points in the same frame of reference.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sanerf_hq.capture.model import Intrinsics, Model
from sanerf_hq.capture.store import POINTS_FILE, TRANSFORMS_FILE
from sanerf_hq.geometry import opengl_to_opencv
from sanerf_hq.runs import write_bytes, write_json
from sanerf_hq.runs.ply import ply_bytes

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
    places, colours = model.points[kept].float().numpy(), model.colours[kept].numpy()
    columns = {axis: places[:, i] for i, axis in enumerate("xyz")}
    columns |= {hue: colours[:, i] for i, hue in enumerate(("red", "green", "blue"))}
    write_bytes(folder / POINTS_FILE, ply_bytes("vertex", columns))
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
