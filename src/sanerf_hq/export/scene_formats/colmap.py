"""COLMAP: ``sparse/0`` in its binary format (https://colmap.github.io/format.html).

Points have no tracks: they say where surfaces are, not which key points show them.

A camera is PINHOLE where nothing bends, OPENCV with k1, k2, p1, p2, and FULL_OPENCV with k3.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.export.scene_formats.photos import Photo
from sanerf_hq.export.scene_formats.sparse_points import SparsePoints
from sanerf_hq.geometry import Camera
from sanerf_hq.runs import write_bytes
from sanerf_hq.scene.colmap_model import MODELS, ColmapCamera, ColmapImage
from sanerf_hq.scene.quaternions import quaternions_of

POINT = np.dtype(
    [("id", "<u8"), ("xyz", "<f8", 3), ("rgb", "u1", 3), ("error", "<f8"), ("track_length", "<u8")]
)
NUMBERS = {name: number for number, (name, _) in MODELS.items()}


def write_colmap(photos: Sequence[Photo], points: SparsePoints | None, folder: Path) -> None:
    """Write a sparse model of the photos, images in their order, cameras shared where they are alike.

    Without points its ``points3D.bin`` has none.

    Raises:
        InputError: A camera bends with r⁸, which no model of COLMAP's does.
    """
    cameras: dict[tuple[object, ...], ColmapCamera] = {}
    camera_ids = []
    for photo in photos:
        model, params = _model(photo.camera, photo.view.name)
        key = (model, photo.camera.width, photo.camera.height, *params)
        if key not in cameras:
            size = (photo.camera.width, photo.camera.height)
            cameras[key] = ColmapCamera(len(cameras) + 1, model, *size, params)
        camera_ids.append(cameras[key].id)
    poses = torch.stack([photo.camera.camtoworld for photo in photos]).double()
    rotations = poses[:, :3, :3].mT
    turns = quaternions_of(rotations).tolist()
    moves = (-(rotations @ poses[:, :3, 3:])[..., 0]).tolist()
    images = [
        ColmapImage(number, tuple(turn), tuple(move), camera, photo.name)
        for number, (photo, turn, move, camera) in enumerate(
            zip(photos, turns, moves, camera_ids, strict=True), 1
        )
    ]
    target = folder / "sparse" / "0"
    write_bytes(target / "cameras.bin", _cameras(list(cameras.values())))
    write_bytes(target / "images.bin", _images(images))
    write_bytes(target / "points3D.bin", _points(points))


def _model(camera: Camera, name: str) -> tuple[str, tuple[float, ...]]:
    K: Float[Tensor, "3 3"] = camera.K.double()
    bend = camera.distortion
    pinhole = (float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2]))
    if bend.k4:
        raise InputError(
            f"view {name} has a lens distortion k4, which COLMAP's models have not; export with --undistort"
        )
    if bend.is_zero:
        return "PINHOLE", pinhole
    plain = (*pinhole, bend.k1, bend.k2, bend.p1, bend.p2)
    return ("FULL_OPENCV", (*plain, bend.k3, 0.0, 0.0, 0.0)) if bend.k3 else ("OPENCV", plain)


def _cameras(cameras: Sequence[ColmapCamera]) -> bytes:
    parts = [struct.pack("<Q", len(cameras))]
    for camera in cameras:
        parts.append(struct.pack("<IiQQ", camera.id, NUMBERS[camera.model], camera.width, camera.height))
        parts.append(struct.pack(f"<{len(camera.params)}d", *camera.params))
    return b"".join(parts)


def _images(images: Sequence[ColmapImage]) -> bytes:
    parts = [struct.pack("<Q", len(images))]
    for image in images:
        parts.append(struct.pack("<I7dI", image.id, *image.quaternion, *image.translation, image.camera_id))
        parts.append(image.name.encode() + b"\0" + struct.pack("<Q", 0))
    return b"".join(parts)


def _points(points: SparsePoints | None) -> bytes:
    rows = np.zeros(0 if points is None else len(points.positions), POINT)
    if points is not None:
        rows["id"] = np.arange(1, len(rows) + 1)
        rows["xyz"], rows["rgb"] = points.positions, points.colours
    return struct.pack("<Q", len(rows)) + rows.tobytes()
