"""COLMAP's sparse model: cameras and posed images, out of .bin or .txt files.

Format: https://colmap.github.io/format.html; camera models and the order of their parameters:
src/colmap/sensor/models.h of https://github.com/colmap/colmap. Binary files are little endian. Where a folder
holds both kinds, the binary one counts, as in COLMAP. What is larger than memory, the keypoints of each
image, is skipped. Read without COLMAP, so that a scene opens on any machine; files from strangers may be
truncated or lie about what they hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sanerf_hq.errors import InputError
from sanerf_hq.scene.binary import BinaryFile

# Name and number of parameters by COLMAP's number of the model.
MODELS: dict[int, tuple[str, int]] = {
    0: ("SIMPLE_PINHOLE", 3),
    1: ("PINHOLE", 4),
    2: ("SIMPLE_RADIAL", 4),
    3: ("RADIAL", 5),
    4: ("OPENCV", 8),
    5: ("OPENCV_FISHEYE", 8),
    6: ("FULL_OPENCV", 12),
    7: ("FOV", 5),
    8: ("SIMPLE_RADIAL_FISHEYE", 4),
    9: ("RADIAL_FISHEYE", 5),
    10: ("THIN_PRISM_FISHEYE", 12),
    11: ("RAD_TAN_THIN_PRISM_FISHEYE", 16),
    12: ("SIMPLE_DIVISION", 4),
    13: ("DIVISION", 5),
    14: ("SIMPLE_FISHEYE", 3),
    15: ("FISHEYE", 4),
    16: ("EUCM", 6),
}
COUNTS = dict(MODELS.values())
CAMERA_BYTES = 24  # id, model, width, height; parameters follow
IMAGE_BYTES = 73  # id, quaternion, translation, camera, an empty name, number of keypoints
KEYPOINT_BYTES = 24
LONGEST_LINE = 64 * 1024
REMEDY = "export the model from COLMAP again"


@dataclass(frozen=True)
class ColmapCamera:
    """Intrinsics that images share.

    Attributes:
        id: COLMAP's.
        model: Name of the camera model.
        width: Image width, pixels.
        height: Image height, pixels.
        params: In the model's own order.
    """

    id: int
    model: str
    width: int
    height: int
    params: tuple[float, ...]


@dataclass(frozen=True)
class ColmapImage:
    """A registered image.

    Attributes:
        id: COLMAP's.
        quaternion: Rotation from world to camera, w x y z (Hamilton).
        translation: From world to camera: x_camera = R x_world + t.
        camera_id: Its camera's.
        name: File, relative to the folder of images.
    """

    id: int
    quaternion: tuple[float, float, float, float]
    translation: tuple[float, float, float]
    camera_id: int
    name: str


@dataclass(frozen=True)
class ColmapModel:
    """A sparse model without its points.

    Attributes:
        file: What the images were read from, for messages.
        cameras: By id.
        images: In the file's order.
    """

    file: Path
    cameras: dict[int, ColmapCamera]
    images: tuple[ColmapImage, ...]


def has_model(folder: Path) -> bool:
    """Whether a folder holds a sparse model's files."""
    return _suffix(folder) is not None


def read_model(folder: Path) -> ColmapModel:
    """Read ``cameras`` and ``images``, binary or text.

    Raises:
        InputError: A file is missing, truncated, claims more than it holds, or holds what cannot be.
    """
    suffix = _suffix(folder)
    if suffix is None:
        raise InputError(f"{folder} holds no cameras.bin with images.bin, nor .txt; {REMEDY}")
    cameras_file, images_file = folder / f"cameras{suffix}", folder / f"images{suffix}"
    binary = suffix == ".bin"
    cameras: dict[int, ColmapCamera] = {}
    for camera in _binary_cameras(cameras_file) if binary else _text_cameras(cameras_file):
        _check_camera(camera, cameras_file)
        if camera.id in cameras:
            raise InputError(f"{cameras_file}: two cameras have id {camera.id}; {REMEDY}")
        cameras[camera.id] = camera
    images = tuple(_binary_images(images_file) if binary else _text_images(images_file))
    names: set[str] = set()
    for image in images:
        _check_image(image, cameras, images_file)
        if image.name in names:
            raise InputError(f"{images_file}: two images are named {image.name!r}; {REMEDY}")
        names.add(image.name)
    return ColmapModel(images_file, cameras, images)


def _suffix(folder: Path) -> str | None:
    for suffix in (".bin", ".txt"):
        if all((folder / f"{name}{suffix}").is_file() for name in ("cameras", "images")):
            return suffix
    return None


def _binary_cameras(path: Path) -> Iterator[ColmapCamera]:
    with BinaryFile(path, REMEDY) as file:
        for _ in range(file.count(CAMERA_BYTES)):
            number, model, width, height = file.take("<IiQQ")
            if model not in MODELS:
                raise InputError(
                    f"{path}: camera {number} has a model of number {model}, which is not known; undistort "
                    "the images with 'colmap image_undistorter' and give its output"
                )
            name, n_params = MODELS[model]
            yield ColmapCamera(number, name, width, height, file.take(f"<{n_params}d"))


def _binary_images(path: Path) -> Iterator[ColmapImage]:
    with BinaryFile(path, REMEDY) as file:
        for _ in range(file.count(IMAGE_BYTES)):
            number, w, x, y, z, tx, ty, tz, camera = file.take("<I7dI")
            name = file.text()
            file.skip(file.count(KEYPOINT_BYTES) * KEYPOINT_BYTES)
            yield ColmapImage(number, (w, x, y, z), (tx, ty, tz), camera, name)


def _text_cameras(path: Path) -> Iterator[ColmapCamera]:
    with _opened(path) as file:
        while (line := _data_line(file, path)) is not None:
            words = line.split()
            try:
                number, width, height = int(words[0]), int(words[2]), int(words[3])
                params = tuple(float(word) for word in words[4:])
            except (IndexError, ValueError) as error:
                raise _bad_line(path, line) from error
            yield ColmapCamera(number, words[1], width, height, params)


def _text_images(path: Path) -> Iterator[ColmapImage]:
    with _opened(path) as file:
        while (line := _data_line(file, path)) is not None:
            words = line.split(maxsplit=9)  # a name may hold spaces
            try:
                number, camera = int(words[0]), int(words[8])
                w, x, y, z, tx, ty, tz = (float(word) for word in words[1:8])
                name = words[9]
            except (IndexError, ValueError) as error:
                raise _bad_line(path, line) from error
            _skip_line(file)  # keypoints; an empty line where there are none
            yield ColmapImage(number, (w, x, y, z), (tx, ty, tz), camera, name)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions") from error


def _data_line(file: BinaryIO, path: Path) -> str | None:
    """The next line that is neither empty nor a comment; None at the end."""
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise InputError(f"{path} has a line of more than {LONGEST_LINE >> 10} KB; {REMEDY}")
        try:
            text = line.decode("utf-8-sig").strip("\r\n \t")
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is no UTF-8 text; {REMEDY}") from error
        if text and not text.startswith("#"):
            return text
    return None


def _skip_line(file: BinaryIO) -> None:
    while (part := file.readline(LONGEST_LINE)) and not part.endswith(b"\n"):
        pass


def _bad_line(path: Path, line: str) -> InputError:
    return InputError(f"{path}: the line {line[:60]!r} is not COLMAP's format; {REMEDY}")


def _check_camera(camera: ColmapCamera, path: Path) -> None:
    expected = COUNTS.get(camera.model, len(camera.params))
    if len(camera.params) != expected:
        raise InputError(
            f"{path}: camera {camera.id} has {len(camera.params)} parameters where {camera.model} has "
            f"{expected}; {REMEDY}"
        )
    if not all(map(math.isfinite, camera.params)):
        raise InputError(f"{path}: camera {camera.id} has a parameter that is not finite; {REMEDY}")
    if not (1 <= camera.width <= 2**20 and 1 <= camera.height <= 2**20):
        raise InputError(
            f"{path}: camera {camera.id} is {camera.width}x{camera.height} pixels, which cannot be; {REMEDY}"
        )


def _check_image(image: ColmapImage, cameras: dict[int, ColmapCamera], path: Path) -> None:
    where = f"{path}: image {image.id} ({image.name})"
    if not image.name:
        raise InputError(f"{where} has no name; {REMEDY}")
    if image.camera_id not in cameras:
        raise InputError(f"{where} has camera {image.camera_id}, which is not among the cameras; {REMEDY}")
    if not all(map(math.isfinite, (*image.quaternion, *image.translation))):
        raise InputError(f"{where} has a pose that is not finite; {REMEDY}")
    if not 0.5 < math.hypot(*image.quaternion) < 2:
        raise InputError(f"{where} has a rotation that is no quaternion of length 1; {REMEDY}")
