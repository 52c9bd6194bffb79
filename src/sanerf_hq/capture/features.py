"""Features: SIFT key points of every image, in COLMAP's database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from sanerf_hq.capture.colmap import n_threads, quiet_pycolmap
from sanerf_hq.capture.config import CaptureConfig
from sanerf_hq.capture.lens import GUESSED_FOCAL
from sanerf_hq.capture.store import Store, StoredImage
from sanerf_hq.runs import Progress, ProgressCallback, config_digest

STAGE = "find features"
MODEL = "SIMPLE_RADIAL"  # while cameras are few; refined later
BATCH = 8  # images a call when several threads share them
FEATURE_BYTES = 2 * 152  # its place and its descriptor, in the database and in SQLite's log of what it does


def find_features(
    images: Sequence[StoredImage], store: Store, config: CaptureConfig, progress: ProgressCallback
) -> None:
    """Bring the features of all images into the store's database; those it has stay.

    Images of one size and one lens share a camera. Features of images that were taken out stay as well, for
    when they come back.

    Raises:
        InputError: The disk is full.
        Cancelled: The callback asked for it; what was found stays.
    """
    with quiet_pycolmap(config.seed, store.database) as pycolmap:
        options = pycolmap.FeatureExtractionOptions()
        options.use_gpu = False
        options.num_threads = n_threads(config.threads)
        options.sift.max_num_features = config.features
        known = _with_features(pycolmap, images, store, config)
        done = len(known)
        progress(Progress(STAGE, done, len(images)))
        for same_camera in _by_camera(images):
            missing = [image.name for image in same_camera if image.name not in known]
            reader = pycolmap.ImageReaderOptions()
            reader.camera_model = MODEL
            reader.existing_camera_id = _camera_of(pycolmap, same_camera, store)
            step = 1 if config.threads == 1 else BATCH
            for start in range(0, len(missing), step):
                names = missing[start : start + step]
                store.check_room(len(names) * config.features * FEATURE_BYTES)
                pycolmap.extract_features(
                    store.database,
                    store.images,
                    image_names=names,
                    reader_options=reader,
                    extraction_options=options,
                    device=pycolmap.Device.cpu,
                )
                done += len(names)
                progress(Progress(STAGE, done, len(images)))


def _with_features(
    pycolmap: Any, images: Sequence[StoredImage], store: Store, config: CaptureConfig
) -> set[str]:
    """Names of the images that the database has features of, with nothing else by the name of any."""
    current = {image.name: f"{image.key} {config.features}" for image in images}
    before = store.state.matched
    if not before.items() & current.items():  # of no use, or nobody knows what it is of
        _delete_database(store)
        before = {}
    replaced = {name for name, key in current.items() if before.get(name, key) != key}
    known = _put_aside(pycolmap, replaced, store)
    decided_for = config_digest(current)
    if not known or decided_for != store.state.decided_for:
        store.save(replace(store.state.undecided(), matched=before | current, decided_for=decided_for))
    return known & current.keys()


def _delete_database(store: Store) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        store.database.with_name(store.database.name + suffix).unlink(missing_ok=True)


def _put_aside(pycolmap: Any, replaced: set[str], store: Store) -> set[str]:
    """Take their names from images; the names of those that keep theirs and have features.

    A database that is damaged is begun anew.
    """
    try:
        return _renamed(pycolmap, replaced, store)
    except RuntimeError:  # pycolmap's word for whatever SQLite cannot do, also for want of room
        if not _is_damaged(store.database):
            raise
        _delete_database(store)
        return _renamed(pycolmap, replaced, store)


def _is_damaged(database: Path) -> bool:
    """Whether SQLite says so; not if it cannot tell, since hours of work may lie in it."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",)
    except sqlite3.OperationalError:  # a full disk, a lock
        return False
    except sqlite3.DatabaseError:
        return True


def _renamed(pycolmap: Any, replaced: set[str], store: Store) -> set[str]:
    names: set[str] = set()
    with pycolmap.Database.open(store.database) as database:
        for image in database.read_all_images():
            if image.name in replaced:  # pycolmap deletes no image
                image.name = f"replaced {image.image_id}"  # no image of ours has a space in its name
                database.update_image(image)
            elif database.exists_keypoints(image.image_id) and database.exists_descriptors(image.image_id):
                names.add(image.name)
    return names


def _by_camera(images: Sequence[StoredImage]) -> list[list[StoredImage]]:
    groups: dict[tuple[object, ...], list[StoredImage]] = {}
    for image in images:
        groups.setdefault((image.size, image.lens.camera), []).append(image)
    return list(groups.values())


def _camera_of(pycolmap: Any, images: list[StoredImage], store: Store) -> int:
    """The database's camera for images that share one; a new one if it knows none of them."""
    with pycolmap.Database.open(store.database) as database:
        for image in images:
            if database.exists_image(image.name):
                return int(database.read_image_with_name(image.name).camera_id)
        width, height = images[0].size
        focal = images[0].lens.focal
        pixels = (focal or GUESSED_FOCAL) * max(width, height)
        camera = pycolmap.Camera.create_from_model_name(0, MODEL, pixels, width, height)
        camera.has_prior_focal_length = focal is not None
        return int(database.write_camera(camera))
