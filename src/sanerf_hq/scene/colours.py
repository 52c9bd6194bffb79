"""Colours: a photo's numbers as sRGB has them, by the ICC profile that says what they mean."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms

SPACES = {"L": b"GRAY", "RGB": b"RGB ", "CMYK": b"CMYK"}  # ICC.1:2022, 7.2.8, for the modes of Pillow
SPACE = slice(16, 20)  # where a profile's header says it
NEAR = 2  # levels by which profiles that are called sRGB differ
_SAMPLES = np.stack(np.meshgrid(*[np.arange(0, 256, 51, dtype=np.uint8)] * 3), -1).reshape(6, 36, 3)


def as_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An image in sRGB, of mode RGB, or RGBA if anything says what is transparent.

    Args:
        image: Of 8 bits a channel.
        profile: The colours' ICC profile, as the image's file holds it; None: it is sRGB.
    """
    mode = "RGBA" if image.has_transparency_data else "RGB"
    colours = _converted_if_other(image, profile)
    if colours is None:
        return image if image.mode == mode else image.convert(mode)
    if mode == "RGB":
        return colours
    return Image.merge("RGBA", (*colours.split(), image.convert("RGBA").getchannel("A")))


def _converted_if_other(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """The colours of an image as RGB, without its opacity.

    None if nothing is to be converted: no profile, a damaged one, one for another kind of colours, or sRGB's.
    """
    mode = "CMYK" if image.mode == "CMYK" else Image.getmodebase(image.mode)
    if profile is None or profile[SPACE] != SPACES[mode]:
        return None
    try:
        read = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if mode == "RGB" and _is_srgb(read):
            return None
        return _converted(image if image.mode == mode else image.convert(mode), read)
    except (ImageCms.PyCMSError, OSError):  # profiles come from any program: broken ones say nothing
        return None


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether a profile leaves colours as they are, whatever it is called."""
    same = np.asarray(_converted(Image.fromarray(_SAMPLES), profile))
    return int(np.abs(same.astype(int) - _SAMPLES).max()) <= NEAR


def _converted(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    found = ImageCms.profileToProfile(image, profile, _srgb(), outputMode="RGB")
    assert found is not None
    return found


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
