"""Image files: opened with care, pixels as they are stored.

Sizes are (width, height). EXIF orientation is not applied: poses belong to the pixels as stored.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import ExifTags, Image, UnidentifiedImageError

from sanerf_hq.errors import InputError
from sanerf_hq.scene.image_headers import quick_size

FORMATS = {  # Pillow's, with the suffixes of their files; of several files of one stem the first counts
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "PPM": (".ppm",),
}
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)  # in lower case
MAX_PIXELS = 80_000_000  # above 89 million Pillow itself warns of a decompression bomb


@contextmanager
def bombs_are_errors() -> Iterator[None]:
    """Within it Pillow's warning of a huge image is an exception, which :func:`opened` reports.

    Outside, the warning is printed before our own error; nothing else differs. Not for use in threads.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """An image whose header is read and whose pixels are not yet.

    Raises:
        InputError: It is missing, no image of a format that is read, or huge.
    """
    try:
        image = Image.open(path, formats=tuple(FORMATS))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path) from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{path} is no image that is read; save it as one of {', '.join(FORMATS)}"
        ) from error
    except Exception as error:  # whatever a decoder raises over broken bytes, the file is at fault
        if isinstance(error, OSError) and error.strerror:
            raise unreadable(path, error) from error
        raise _broken(path, error) from error
    with image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise _too_large(path)
        if image.format == "TIFF" and image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
            # Pillow turns TIFF files by itself, and only those.
            raise InputError(f"{path} is a TIFF image with an EXIF orientation; save it as PNG, not turned")
        yield image


def image_size(path: Path) -> tuple[int, int]:
    """Width and height, from the header alone.

    Raises:
        InputError: As :func:`opened`.
    """
    size = quick_size(path)
    if size is not None and size[0] * size[1] <= MAX_PIXELS:
        return size
    with opened(path) as image:  # which also says what is wrong
        return image.size


def is_scaled_copy(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one scale leads from the larger size to the smaller, each side rounded to whole pixels."""
    small, large = sorted((size, other))
    lowest = max((have - 1) / of for have, of in zip(small, large, strict=True))
    highest = min((have + 1) / of for have, of in zip(small, large, strict=True))
    cropped = small[0] == large[0] or small[1] == large[1]
    return small == large or (lowest < highest and not cropped)


def load_image(path: Path, size: tuple[int, int]) -> Image.Image:
    """Read and decode an image of which the size is known.

    Raises:
        InputError: As :func:`opened`; or it is truncated or damaged; or its size is another.
    """
    with opened(path) as image:
        if image.size != size:
            raise InputError(
                f"{path} is {image.size[0]}x{image.size[1]} where {size[0]}x{size[1]} is expected; "
                "bring the file to that size"
            )
        try:
            image.load()
        except Exception as error:  # as above
            raise _broken(path, error) from error
        return image


def unreadable(path: Path, error: OSError) -> InputError:
    """An image file that the system does not let be read."""
    remedy = "mend its permissions" if isinstance(error, PermissionError) else "put it back"
    return InputError(f"image {path} cannot be read ({error.strerror}); {remedy}")


def _broken(path: Path, error: Exception) -> InputError:
    return InputError(f"image {path} is truncated or damaged ({error}); replace it by a whole copy")


def _too_large(path: Path) -> InputError:
    return InputError(
        f"image {path} has more than {MAX_PIXELS // 10**6} million pixels; scale it down (and w, h with it)"
    )
