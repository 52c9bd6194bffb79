"""Intrinsics: focal length, principal point, size and distortion out of a transforms.json; image copies."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera, Distortion
from sanerf_hq.scene.fields import Fields
from sanerf_hq.scene.image_files import is_scaled_copy

CAMERA_MODELS = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "RADIAL", "SIMPLE_RADIAL")
SHORTEST, LONGEST = 0.02, 1000.0  # focal lengths that lenses have, in widths or heights of the image
DISTORTION_KEYS = ("k1", "k2", "p1", "p2", "k3", "k4")


def read_camera(
    frame: Fields,
    shared: Fields,
    camtoworld: Float[Tensor, "4 4"],
    image_size: tuple[int, int],
    time: float | None = None,
) -> Camera:
    """The camera of a frame, at its image's true size.

    A key of the frame goes before the same key of the file. Where ``w`` and ``h`` are those of another
    copy of the image, scaled as a whole, the intrinsics are scaled to the image at hand.

    Args:
        frame: The frame.
        shared: The file's top level.
        camtoworld: OpenCV pose.
        image_size: Width and height of the image file.
        time: Moment in [0, 1], or None.

    Raises:
        InputError: No or impossible intrinsics, a camera model that is not read, an image of other shape.
    """
    _check_model(frame, shared)
    width, height = _size(frame, shared, image_size)
    fl_x, fl_y = _focal(frame, shared, "x", width), _focal(frame, shared, "y", height)
    if fl_x is None and fl_y is None:
        raise frame.error(
            "no intrinsics; give fl_x (pixels) or camera_angle_x (radians), for the frame or the whole file"
        )
    fl_x, fl_y = fl_x or fl_y, fl_y or fl_x
    cx, cy = _number(frame, shared, "cx"), _number(frame, shared, "cy")
    K = torch.tensor(
        [
            [fl_x, 0.0, width / 2 if cx is None else cx],
            [0.0, fl_y, height / 2 if cy is None else cy],
            [0.0, 0.0, 1.0],
        ]
    )
    bend = Distortion(**{key: _number(frame, shared, key) or 0.0 for key in DISTORTION_KEYS})
    return scaled_to_image(Camera(K, camtoworld, width, height, bend, time), image_size, frame.where)


def scaled_to_image(camera: Camera, image_size: tuple[int, int], where: str) -> Camera:
    """A camera at the size of the image at hand, if that is a copy scaled as a whole.

    The image's edges stay where they are: the principal point of a copy of 1237 columns of 4946 is
    multiplied by 1237/4946, whatever the folder's name (``images_4``) says.

    Args:
        camera: At the size that it was solved for.
        image_size: Width and height of the image file.
        where: File and place, as a message begins.

    Raises:
        InputError: The image is no scaled copy: it was cropped or turned.
    """
    solved = camera.width, camera.height
    if solved == image_size:
        return camera
    if not is_scaled_copy(image_size, solved):
        raise InputError(
            f"{where}: image is {image_size[0]}x{image_size[1]} but w, h are {solved[0]}x{solved[1]}, not a "
            "scaled copy (EXIF orientation is not applied); give the image that the camera was solved for"
        )
    return camera.resized(*image_size)


def _check_model(frame: Fields, shared: Fields) -> None:
    model = frame.text("camera_model") or shared.text("camera_model") or "OPENCV"
    if shared.values.get("is_fisheye") is True or frame.values.get("is_fisheye") is True:
        model = "OPENCV_FISHEYE"
    if model not in CAMERA_MODELS:
        raise frame.error(
            f"camera_model {model!r} is not read; undistort the images to one of {', '.join(CAMERA_MODELS)}"
        )


def _size(frame: Fields, shared: Fields, image_size: tuple[int, int]) -> tuple[int, int]:
    """The size that the intrinsics belong to; what is not written is taken from the image."""
    width, height = (
        frame.integer(key) if frame.integer(key) is not None else shared.integer(key) for key in "wh"
    )
    for key, value in (("w", width), ("h", height)):
        if value is not None and value < 1:
            raise frame.error(f"{key} is {value}; write the image's size in pixels")
    if width is None:
        width = image_size[0] if height is None else max(1, round(image_size[0] * height / image_size[1]))
    if height is None:
        height = max(1, round(image_size[1] * width / image_size[0]))
    return width, height


def _focal(frame: Fields, shared: Fields, axis: str, extent: int) -> float | None:
    """Focal length along an axis in pixels, of an image ``extent`` pixels long; None if it is not given."""
    for level in (frame, shared):
        focal, angle = level.number(f"fl_{axis}"), level.number(f"camera_angle_{axis}")
        if focal is not None:
            if focal <= 0:
                raise level.error(f"fl_{axis} is {focal:g}; write a focal length above 0, in pixels")
            if not SHORTEST * extent <= focal <= LONGEST * extent:
                raise level.error(
                    f"fl_{axis} is {focal:g} of an image {extent} pixels long, which no lens has; "
                    "write it in pixels of that image"
                )
            return focal
        if angle is not None:
            if not 0 < angle < math.pi:
                raise level.error(f"camera_angle_{axis} is {angle:g}; write an angle between 0 and π radians")
            return 0.5 * extent / math.tan(0.5 * angle)
    return None


def _number(frame: Fields, shared: Fields, key: str) -> float | None:
    own = frame.number(key)
    return shared.number(key) if own is None else own
