"""Mapping: matches to poses, by COLMAP's incremental reconstruction and a last refinement of ours."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sanerf_hq.capture.colmap import n_threads, quiet_pycolmap
from sanerf_hq.capture.config import CaptureConfig
from sanerf_hq.capture.model import Intrinsics, Model, PosedImage
from sanerf_hq.capture.store import Store
from sanerf_hq.errors import InputError
from sanerf_hq.runs import Progress, ProgressCallback, read_json, write_json

STAGE = "find poses"
LEAST_IMAGES = 3
FULL_FROM = 20  # images of one camera: fewer do not tell its distortion and principal point from their poses
RELAXED_INLIERS = 15  # that pose an image once weak pairs were compared again; COLMAP asks for 30,
RELAXED_RATIO = 0.15  # and that a quarter of an image's matches with 3D points agree
LONG_LENS = 1.5  # focal length by longest side: from there on a shifted principal point looks like a turn
FILTER_ERROR = 2.0  # pixels
FILTER_ANGLE = 1.5  # degrees between the rays to a point: below, its depth is a guess
SIGHTING_BYTES = 2 * 24  # of a feature in a model's files, while the last one and a new one are there
GROUPS_FILE = "groups.json"


def find_poses(
    key: str, names: Sequence[str], store: Store, config: CaptureConfig, progress: ProgressCallback
) -> Model | None:
    """Poses of as many images as fit into one model.

    Args:
        key: Stands for images, features and matches; poses that were found for it before are read again.
        names: The images to pose; the database may know more.
        store: Open for writing, its database matched.
        config: Threads and seed.
        progress: Told after each image that is added.

    Returns:
        The largest model; None if no three images fit together.

    Raises:
        InputError: The disk is full.
        Cancelled: The callback asked for it; the search begins anew next time.
    """
    with quiet_pycolmap(config.seed, store.database) as pycolmap:
        if store.state.poses == key:
            known = _read(pycolmap, store.sparse)
            if known is not None:
                progress(Progress(STAGE, len(names), len(names)))
                return known
        models = _map(pycolmap, names, store, config, progress)
        if not models:
            return None
        progress(Progress(STAGE, len(names), len(names), message="refine"))
        _refine(pycolmap, models[0], config)
        _write(models, store)
        store.save(replace(store.state, poses=key))
        return _to_model(models[0], [_names(model) for model in models[1:]])


def _map(
    pycolmap: Any, names: Sequence[str], store: Store, config: CaptureConfig, progress: ProgressCallback
) -> list[Any]:
    """COLMAP's models, the largest first; small ones are kept, to tell the user of them."""
    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads = n_threads(config.threads)
    options.random_seed = config.seed
    options.min_model_size = LEAST_IMAGES
    options.image_names = list(names)
    if store.state.guided:
        options.mapper.abs_pose_min_num_inliers = RELAXED_INLIERS
        options.mapper.abs_pose_min_inlier_ratio = RELAXED_RATIO
    n_images = len(names)
    store.check_room(n_images * config.features * SIGHTING_BYTES)
    added = 0

    def one_more() -> None:
        nonlocal added
        added = min(added + 1, n_images)  # images that were added in vain, or to a second model, count twice
        progress(Progress(STAGE, added, n_images))

    scratch = store.work / "mapping"  # COLMAP insists on writing its models
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    progress(Progress(STAGE, 0, n_images))
    try:
        found = pycolmap.incremental_mapping(
            store.database, store.images, scratch, options, next_image_callback=one_more
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    models = [model for model in found.values() if model.num_reg_images() >= LEAST_IMAGES]
    return sorted(models, key=lambda model: (-model.num_reg_images(), -model.num_points3D()))


def _refine(pycolmap: Any, model: Any, config: CaptureConfig) -> None:
    """Adjust all together, with full distortion where images are enough for it and without bad points."""
    counts = Counter(image.camera_id for image in model.images.values() if image.has_pose)
    many = {number for number, count in counts.items() if count >= FULL_FROM}
    for number in many:
        camera = model.cameras[number]
        focal, cx, cy, k = camera.params
        camera.model = pycolmap.CameraModelId.OPENCV
        camera.params = [focal, focal, cx, cy, k, 0.0, 0.0, 0.0]
    wide = {number for number in many if _focal_share(model.cameras[number]) < LONG_LENS}
    for centred in (set[int](), wide):
        _adjust(pycolmap, model, centred, config)
        pycolmap.ObservationManager(model).filter_all_points3D(FILTER_ERROR, FILTER_ANGLE)
    model.update_point_3d_errors()


def _focal_share(camera: Any) -> float:
    """Focal length in units of the image's longest side."""
    return camera.mean_focal_length() / max(camera.width, camera.height)


def _adjust(pycolmap: Any, model: Any, centred: set[int], config: CaptureConfig) -> None:
    """Adjust poses, points and cameras; also principal points, then of these cameras alone, if any.

    pycolmap's own ``bundle_adjustment`` does the same but turns its log on again.
    """
    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    options.ceres.solver_options.num_threads = n_threads(config.threads)
    options.refine_principal_point = bool(centred)
    setup = pycolmap.BundleAdjustmentConfig()
    for number in model.reg_image_ids():
        setup.add_image(number)
    setup.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    if centred:
        for number in set(model.cameras) - centred:
            setup.set_constant_cam_intrinsics(number)
    pycolmap.create_default_bundle_adjuster(options, setup, model).solve()


def _write(models: list[Any], store: Store) -> None:
    """The largest model in COLMAP's own files, and who is in the others."""
    scratch = store.work / "sparse.new"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    models[0].write_binary(scratch)
    write_json(scratch / GROUPS_FILE, {"others": [_names(model) for model in models[1:]]})
    shutil.rmtree(store.sparse, ignore_errors=True)
    scratch.rename(store.sparse)


def _read(pycolmap: Any, folder: Path) -> Model | None:
    """What :func:`_write` wrote; None if it is damaged."""
    try:
        others = read_json(folder / GROUPS_FILE)["others"]
        return _to_model(pycolmap.Reconstruction(folder), others)
    except (InputError, KeyError, RuntimeError, ValueError, IndexError):
        return None


def _names(model: Any) -> list[str]:
    return sorted(image.name for image in model.images.values() if image.has_pose)


def _to_model(found: Any, others: list[list[str]]) -> Model:
    points = list(found.points3D.values())
    images = [image for image in found.images.values() if image.has_pose]
    used = sorted({image.camera_id for image in images})
    return Model(
        {number: _intrinsics(found.cameras[number]) for number in used},
        tuple(_posed(image, found) for image in sorted(images, key=lambda image: image.name)),
        torch.tensor([point.xyz.tolist() for point in points], dtype=torch.float64).reshape(-1, 3),
        torch.tensor([point.color.tolist() for point in points], dtype=torch.uint8).reshape(-1, 3),
        torch.tensor([point.track.length() for point in points], dtype=torch.int64),
        torch.tensor([point.error for point in points], dtype=torch.float64),
        tuple(tuple(names) for names in others),
    )


def _intrinsics(camera: Any) -> Intrinsics:
    size, numbers = (camera.width, camera.height), camera.params.tolist()
    if camera.model_name == "SIMPLE_RADIAL":
        focal, cx, cy, k = numbers
        return Intrinsics(size, focal, focal, cx, cy, k, 0.0, 0.0, 0.0)
    return Intrinsics(size, *numbers)


def _posed(image: Any, model: Any) -> PosedImage:
    camtoworld = torch.eye(4, dtype=torch.float64)
    camtoworld[:3] = torch.from_numpy(image.cam_from_world().inverse().matrix().copy())
    seen = [model.points3D[point.point3D_id] for point in image.get_observation_points2D()]
    error = sum(point.error for point in seen) / len(seen) if seen else 0.0
    return PosedImage(image.name, image.camera_id, camtoworld, len(seen), error)
