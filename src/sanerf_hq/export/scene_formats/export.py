"""Export: a scene as a folder of another format."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sanerf_hq.export.aside import folder_aside
from sanerf_hq.export.scene_formats.bounds import depth_bounds
from sanerf_hq.export.scene_formats.colmap import write_colmap
from sanerf_hq.export.scene_formats.llff import check_plain, write_llff
from sanerf_hq.export.scene_formats.nerfstudio import write_nerfstudio
from sanerf_hq.export.scene_formats.photos import Photo, flat_names, nested_names, put_photo
from sanerf_hq.export.scene_formats.sparse_points import sparse_points
from sanerf_hq.export.scene_formats.straighten import straight_camera
from sanerf_hq.radiance import RadianceField
from sanerf_hq.runs import Progress, ProgressCallback, quiet, write_text
from sanerf_hq.scene import Scene

SceneFormat = Literal["nerfstudio", "colmap", "llff"]
STAGE = "photos"
TEST_LIST = "test_views.txt"


def export_scene(
    scene: Scene,
    out: Path,
    format: SceneFormat,
    undistort: bool = False,
    field: RadianceField | None = None,
    progress: ProgressCallback = quiet,
) -> None:
    """Write a scene's cameras in another format, in its own coordinates, with its photos in ``images``.

    COLMAP and LLFF have no place for a split: test views are listed in ``test_views.txt``, which
    ``--split list:`` reads. Truth is not exported; masks of what may be trained on go with nerfstudio's.

    Args:
        scene: The scene.
        out: A new folder.
        format: ``nerfstudio`` (transforms.json), ``colmap`` (sparse/0) or ``llff`` (poses_bounds.npy).
        undistort: Straighten photos and cameras: no distortion, one focal length, a centred principal point.
        field: A field at home in this scene. With it, nerfstudio's and COLMAP's formats get sparse points,
            which splats are trained from, and LLFF's near and far depths are measured; without it there
            are no points, and depths are what the scene's files say, else a guess.
        progress: Told after each photo; may raise Cancelled.

    Raises:
        InputError: ``out`` is taken or cannot be written, a photo is damaged, or the format cannot hold a
            camera and ``undistort`` is not asked for.
        Cancelled: The callback asked for it; nothing is left at ``out``.
    """
    views = scene.views
    cameras = [straight_camera(view.camera) if undistort else view.camera for view in views]
    if format == "llff":
        for view, camera in zip(views, cameras, strict=True):
            check_plain(view, camera)
    names = (flat_names if format == "llff" else nested_names)(views, cameras)
    photos = [Photo(view, camera, name) for view, camera, name in zip(views, cameras, names, strict=True)]
    with_masks = format == "nerfstudio"
    with folder_aside(out) as folder:
        for done, photo in enumerate(photos, 1):
            put_photo(photo, folder, with_masks)
            progress(Progress(STAGE, done, len(photos)))
        if format == "llff":
            write_llff(photos, depth_bounds(views, field), folder)
        else:
            points = None if field is None else sparse_points(field, progress=progress)
            if format == "nerfstudio":
                write_nerfstudio(photos, points, folder)
                return
            write_colmap(photos, points, folder)
        test_names = [photo.name for photo in photos if photo.view.split == "test"]
        if test_names:
            write_text(folder / TEST_LIST, "".join(f"{name}\n" for name in test_names))
