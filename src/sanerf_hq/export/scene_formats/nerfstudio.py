"""nerfstudio: ``transforms.json`` (https://docs.nerf.studio, "Data conventions"): OpenGL camera-to-world."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sanerf_hq.export.scene_formats.photos import Photo, mask_name
from sanerf_hq.export.scene_formats.sparse_points import NAME, SparsePoints
from sanerf_hq.geometry import Camera, opengl_to_opencv
from sanerf_hq.runs import write_bytes, write_json
from sanerf_hq.scene.image_folders import ORIGINALS
from sanerf_hq.scene.intrinsics import DISTORTION_KEYS


def write_nerfstudio(photos: Sequence[Photo], points: SparsePoints | None, folder: Path) -> None:
    """Write the cameras of photos that lie in ``images``, and points as ``sparse_points.ply`` beside.

    Intrinsics that all share stand at the top. Test views are both nerfstudio's ``val_filenames`` and its
    ``test_filenames``.
    """
    shared = [_intrinsics(photo.camera) for photo in photos]
    alike = all(entry == shared[0] for entry in shared)
    content: dict[str, Any] = {"camera_model": "OPENCV", **(shared[0] if alike else {})}
    frames = []
    for photo, own in zip(photos, shared, strict=True):
        frame: dict[str, Any] = {
            "file_path": f"{ORIGINALS}/{photo.name}",
            "transform_matrix": opengl_to_opencv(photo.camera.camtoworld).tolist(),
        }
        if photo.view.mask_path is not None:
            frame["mask_path"] = mask_name(photo)
        if photo.camera.time is not None:
            frame["time"] = photo.camera.time
        if photo.view.camera_id is not None:
            frame["camera_id"] = photo.view.camera_id
        frames.append(frame if alike else frame | own)
    names = {
        split: [f"{ORIGINALS}/{photo.name}" for photo in photos if photo.view.split == split]
        for split in ("train", "test")
    }
    if points is not None:
        content["ply_file_path"] = f"{NAME}.ply"
        write_bytes(folder / f"{NAME}.ply", points.ply())
    content["train_filenames"] = names["train"]
    content["val_filenames"] = content["test_filenames"] = names["test"]
    content["frames"] = frames
    write_json(folder / "transforms.json", content)


def _intrinsics(camera: Camera) -> dict[str, Any]:
    (fl_x, _, cx), (_, fl_y, cy), _ = camera.K.tolist()
    bend = {key: getattr(camera.distortion, key) for key in DISTORTION_KEYS}
    return {"w": camera.width, "h": camera.height, "fl_x": fl_x, "fl_y": fl_y, "cx": cx, "cy": cy, **bend}
