"""LLFF: ``poses_bounds.npy`` (https://github.com/Fyusion/LLFF, README), 17 numbers a photo, by names' order.

It knows one focal length a photo, no principal point and no distortion.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.export.scene_formats.photos import Photo
from sanerf_hq.export.scene_formats.straighten import is_straight
from sanerf_hq.geometry import Camera
from sanerf_hq.runs import write_bytes
from sanerf_hq.scene import View
from sanerf_hq.scene.llff import POSES_FILE


def check_plain(view: View, camera: Camera) -> None:
    """Refuse a camera that the format cannot hold.

    Raises:
        InputError: Its lens bends, its focal lengths differ, or its principal point is not in the middle.
    """
    if not is_straight(camera):
        raise InputError(
            f"{POSES_FILE} has no place for distortion, a principal point or a second focal length, which "
            f"view {view.name} has; export with --undistort, or in another format"
        )


def write_llff(photos: Sequence[Photo], bounds: Sequence[tuple[float, float]], folder: Path) -> None:
    """Write the poses of photos that lie in ``images``, and the depths that each sees.

    Args:
        photos: With names without folders.
        bounds: Nearest and farthest depth of each, scene units.
        folder: The scene's new folder.
    """
    rows = []
    for photo, (near, far) in sorted(zip(photos, bounds, strict=True), key=lambda item: item[0].name):
        right, down, forward, center = photo.camera.camtoworld[:3].double().unbind(-1)
        size = torch.tensor([photo.camera.height, photo.camera.width, photo.camera.focal]).double()
        matrix = torch.stack([down, right, -forward, center, size], -1)
        rows.append([*matrix.flatten().tolist(), near, far])
    content = io.BytesIO()
    np.save(content, np.array(rows))
    write_bytes(folder / POSES_FILE, content.getvalue())
