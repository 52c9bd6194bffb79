"""Identity: a fingerprint that tells whether a run belongs to a scene."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sanerf_hq.scene.image_files import unreadable
from sanerf_hq.scene.scene import Scene, View

WHOLE_FILES_UP_TO = 2000  # images; of more only the ends of each are read
END_BYTES = 64 * 1024
THREADS = 4


def fingerprint(scene: Scene) -> str:
    """A hexadecimal digest of the cameras, splits, masks and image contents of a scene.

    It does not depend on where the folder lies, on the order of the views, on truth or on prompts. Of a
    scene of more than 2,000 views each file's size and its first and last 64 KB stand for its content.

    Raises:
        InputError: A file can no longer be read.
    """
    whole = len(scene.views) <= WHOLE_FILES_UP_TO
    digest = hashlib.blake2b(digest_size=16)
    views = sorted(scene.views, key=lambda view: view.name)
    with ThreadPoolExecutor(THREADS) as pool:  # reading and hashing let go of the interpreter
        for view, contents in zip(views, pool.map(lambda view: _contents(view, whole), views), strict=True):
            digest.update(json.dumps([_camera(view), *contents]).encode() + b"\n")
    return digest.hexdigest()


def _contents(view: View, whole: bool) -> list[str]:
    return [_content(path, whole) for path in (view.image_path, view.mask_path) if path is not None]


def _camera(view: View) -> list[object]:
    camera, bend = view.camera, view.camera.distortion
    # Loading makes the rotation rigid, with rounding errors that differ from machine to machine.
    rotation = [round(value, 6) + 0.0 for value in camera.camtoworld[:3, :3].flatten().tolist()]
    return [
        view.name,
        view.split,
        camera.width,
        camera.height,
        camera.K.flatten().tolist(),
        rotation,
        camera.center.tolist(),
        [bend.k1, bend.k2, bend.p1, bend.p2, bend.k3, bend.k4],
        camera.time,
    ]


def _content(path: Path, whole: bool) -> str:
    try:
        with path.open("rb") as file:
            if whole:
                return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
            size = path.stat().st_size
            digest = hashlib.blake2b(str(size).encode() + file.read(END_BYTES), digest_size=16)
            file.seek(max(0, size - END_BYTES))
            digest.update(file.read(END_BYTES))
            return digest.hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error
