"""Lens: what a photo's EXIF tags say of the camera that took it, and with which focal length."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

FILM_DIAGONAL = math.hypot(36.0, 24.0)  # mm, of the film that equivalent focal lengths refer to
GUESSED_FOCAL = 1.2  # times the longest side: about the wide camera of a phone
_EXIF_IFD = 0x8769
_MAKE, _MODEL = 0x010F, 0x0110
_FOCAL_MM, _FOCAL_35MM, _LENS_MODEL = 0x920A, 0xA405, 0xA434
_PLANE_X_RESOLUTION, _PLANE_UNIT = 0xA20E, 0xA210
_PIXELS = (0xA002, 0xA003)
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # EXIF 2.32, tag FocalPlaneResolutionUnit


@dataclass(frozen=True)
class Lens:
    """Which camera took a photo, as far as its tags say.

    Attributes:
        camera: Make, model, lens and focal lengths in words; "" where nothing is said. Photos of equal words
            and equal size share their intrinsics.
        focal: Focal length in units of the photo's longest side, > 0; None where the tags do not say.
    """

    camera: str = ""
    focal: float | None = None


def read_lens(exif: Image.Exif, size: tuple[int, int]) -> Lens:
    """The lens of a photo.

    A 35 mm equivalent is taken to compare diagonals (CIPA DCG-001); otherwise the sensor's pixels per
    length tell how many pixels the focal length is.

    Args:
        exif: The photo's tags; broken ones count as absent.
        size: Width and height of the photo at its full size.
    """
    try:
        tags: dict[int, Any] = {**exif, **exif.get_ifd(_EXIF_IFD)}
    except Exception:  # tags come from any device: broken ones say nothing
        return Lens()
    texts = [_text(tags.get(tag)) for tag in (_MAKE, _MODEL, _LENS_MODEL)]
    lengths = [_number(tags.get(tag)) for tag in (_FOCAL_MM, _FOCAL_35MM)]
    words = [text for text in texts if text] + [f"{length:g} mm" for length in lengths if length]
    return Lens(", ".join(words), _focal(tags, size))


def _focal(tags: Mapping[int, Any], size: tuple[int, int]) -> float | None:
    equivalent, longest = _number(tags.get(_FOCAL_35MM)), max(size)
    if equivalent is not None:
        return _plausible(equivalent / FILM_DIAGONAL * math.hypot(*size) / longest)
    focal_mm, per_unit = _number(tags.get(_FOCAL_MM)), _number(tags.get(_PLANE_X_RESOLUTION))
    unit = _UNIT_MM.get(int(_number(tags.get(_PLANE_UNIT)) or 2))
    # The resolution belongs to an image of the size that the tags say.
    pixels = max(_number(tags.get(tag)) or 0.0 for tag in _PIXELS) or longest
    if focal_mm is None or per_unit is None or unit is None:
        return None
    return _plausible(focal_mm * per_unit / unit / pixels)


def _plausible(focal: float) -> float | None:
    """What no lens has, a tag got wrong."""
    return focal if 0.1 <= focal <= 50 else None


def _number(value: Any) -> float | None:
    """A number above 0; tags hold rationals, some of them 0/0."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:60]
