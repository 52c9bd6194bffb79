"""Store: a capture's folder, and what is known in it of finished work.

``work/state.json`` says from what content each image was made, so that a capture that was stopped, or is run
again with more photos, does only what is missing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sanerf_hq.capture.lens import Lens
from sanerf_hq.capture.video import FrameStats
from sanerf_hq.errors import InputError
from sanerf_hq.runs import DamagedFile, read_json, write_bytes, write_json
from sanerf_hq.runs.files import is_temporary, sweep_temporaries

FORMAT = 2
LOCK_FILE = ".lock"
LEFT_BY_SYSTEMS = (".DS_Store", "Thumbs.db", "desktop.ini")  # in folders that were looked at
TRANSFORMS_FILE = "transforms.json"
POINTS_FILE = "sparse_points.ply"
REPORT_FILE = "capture.json"
RESERVE = 20_000_000  # bytes of the disk: for SQLite's own files and the scene


@dataclass(frozen=True)
class StoredImage:
    """An upright image in ``images/``.

    Attributes:
        name: Its file name.
        content: Digest of the photo or video that it was made from.
        key: Stands for the photo or frame that it was made from, and for how.
        source: What the user calls it: a file's name, for a frame with its number.
        size: Width and height.
        lens: What the photo's tags say of the camera.
        sharpness: See :func:`sanerf_hq.capture.sharpness.sharpness`.
    """

    name: str
    content: str
    key: str
    source: str
    size: tuple[int, int]
    lens: Lens
    sharpness: float


@dataclass(frozen=True)
class State:
    """What ``state.json`` holds.

    Attributes:
        images: Finished images by name.
        matched: Keys, by name, of the images that the database of features may know, also of such as were
            taken out since.
        decided_for: Stands for the images that the next three were decided for.
        joining: Pairs, by place in the order of names, that are compared because an image fitted to none of
            its neighbours (see :func:`sanerf_hq.capture.matching.joining_pairs`).
        weak: Pairs, likewise, that are to be compared again (see
            :func:`sanerf_hq.capture.matching.match_again`).
        guided: That has been done.
        frames: What was measured of a video's frames; empty for photos.
        video: Key of that video.
        poses: Stands for all that the poses in ``sparse/`` were found from; "" while there are none.
    """

    images: dict[str, StoredImage] = field(default_factory=dict)
    matched: dict[str, str] = field(default_factory=dict)
    decided_for: str = ""
    joining: tuple[tuple[int, int], ...] = ()
    weak: tuple[tuple[int, int], ...] = ()
    guided: bool = False
    frames: tuple[FrameStats, ...] = ()
    video: str = ""
    poses: str = ""

    def undecided(self) -> State:
        """This without what was decided on the ground of matches that have changed."""
        return replace(self, joining=(), weak=(), guided=False)


class Store:
    """The folder of one capture.

    Attributes:
        folder: Where ``images/``, ``transforms.json`` and ``capture.json`` go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = State()

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def database(self) -> Path:
        return self.work / "features.db"

    @property
    def sparse(self) -> Path:
        return self.work / "sparse"

    def save(self, state: State) -> None:
        """Make ``state`` what is known."""
        self.state = state
        write_json(self.work / "state.json", {"format": FORMAT, **asdict(state)})

    def check_room(self, n_bytes: int) -> None:
        """Refuse work whose results find no room on the disk: there COLMAP crashes rather than say so.

        Raises:
            InputError: The disk has less room than ``n_bytes`` and a reserve.
        """
        free, needed = shutil.disk_usage(self.work).free, n_bytes + RESERVE
        if free < needed:
            raise InputError(
                f"{self.folder} is on a disk with {free // 10**6} MB to spare, and what comes next may take "
                f"{needed // 10**6} MB: free some space and run again"
            )

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the folder for writing and read what is known.

        Raises:
            InputError: It holds something else than a capture, another process is at it, or it cannot be
                written.
        """
        from filelock import FileLock, Timeout

        _check_ours(self.folder)
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            lock = FileLock(str((self.work / LOCK_FILE).resolve()), timeout=0)
            lock.acquire()
        except Timeout:
            raise InputError(
                f"{self.folder} is in use by another capture: wait until that has ended"
            ) from None
        except OSError as error:
            raise InputError(f"{self.folder} cannot be written ({error.strerror}): choose another") from error
        try:
            sweep_temporaries(self.folder)
            self.state = _read_state(self.work / "state.json")
            yield
        finally:
            lock.release()

    def is_whole(self, image: StoredImage) -> bool:
        """Whether an image is on disk at its size."""
        from sanerf_hq.scene.image_files import image_size

        try:
            return image_size(self.images / image.name) == image.size
        except InputError:
            return False

    def write_image(self, name: str, content: bytes) -> None:
        """Put an image into the folder; poses of an image that it replaces are withdrawn first.

        Raises:
            InputError: The disk is full or the folder cannot be written.
        """
        path = self.images / name
        if path.exists():
            self._withdraw_scene()
        write_bytes(path, content)

    def _withdraw_scene(self) -> None:
        """Delete what says where images were taken from, before it is no longer true of them.

        A call that ends early would leave the poses of other images, which can be trained on.
        """
        for name in (TRANSFORMS_FILE, POINTS_FILE, REPORT_FILE):
            (self.folder / name).unlink(missing_ok=True)

    def forget_images(self, kept: set[str]) -> None:
        """Delete images, with the poses, that an earlier capture made and that no longer belong to it."""
        gone = {name for name in self.state.images if name not in kept}
        if gone:
            self._withdraw_scene()
        for name in gone:
            (self.images / name).unlink(missing_ok=True)
        if gone:
            images = {name: image for name, image in self.state.images.items() if name in kept}
            self.save(replace(self.state, images=images))


def _check_ours(folder: Path) -> None:
    try:
        found = [path.name for path in folder.iterdir()] if folder.exists() else []
    except NotADirectoryError:
        raise InputError(f"{folder} is a file: choose another name for the scene's folder") from None
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror}): choose another folder") from error
    found = [name for name in found if name not in LEFT_BY_SYSTEMS and not is_temporary(name)]
    if found and not (folder / "work" / LOCK_FILE).exists():
        raise InputError(f"{folder} is not empty and no capture: choose a new or an empty folder")


def _read_state(path: Path) -> State:
    """What is known; nothing if the file is missing, damaged or of another version: then all is done anew."""
    if not path.exists():
        return State()
    try:
        value = read_json(path)
        if value.pop("format", None) != FORMAT:
            return State()
        images = {name: _stored_image(entry) for name, entry in value["images"].items()}
        frames = tuple(FrameStats(**entry) for entry in value["frames"])
        joining, weak = (tuple((int(i), int(j)) for i, j in value[kind]) for kind in ("joining", "weak"))
        matched, decided_for = dict(value["matched"]), str(value["decided_for"])
        known = (matched, decided_for, joining, weak, bool(value["guided"]))
        return State(images, *known, frames, str(value["video"]), str(value["poses"]))
    except (DamagedFile, KeyError, TypeError, ValueError, AttributeError):
        return State()


def _stored_image(entry: dict[str, Any]) -> StoredImage:
    width, height = entry["size"]
    if Path(entry["name"]).name != entry["name"]:
        raise ValueError("an image's name leads elsewhere")
    return StoredImage(**entry | {"size": (width, height), "lens": Lens(**entry["lens"])})
