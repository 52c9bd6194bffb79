"""Photos: files of a folder, read upright, whatever a phone or a camera wrote them as."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from sanerf_hq.errors import InputError
from sanerf_hq.scene.colours import as_srgb

SUFFIXES = (".jpg", ".jpeg", ".png", ".heic", ".heif", ".hif", ".webp", ".tif", ".tiff", ".bmp")
RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".rw2", ".orf")
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")  # JPEG stands for MPO too, which phones write
MAX_PIXELS = 170_000_000  # below what Pillow itself refuses
MAX_JPEG_PIXELS = 250_000_000  # phones have sensors of 200 million; JPEG is decoded at a fraction of its size
WHITE = (255, 255, 255)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_ORIENTATION = 0x0112
# EXIF 2.32, tag Orientation: what is done to the stored pixels to stand them up.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = tuple(_UPRIGHT[value] for value in (5, 6, 7, 8))


class Unreadable(Exception):
    """A file that cannot be used as a photo; the message says why, as the end of a sentence."""


@dataclass(frozen=True)
class Photo:
    """A decoded photo.

    Attributes:
        image: Upright, sRGB, at most reduced to the size that was asked for.
        full_size: Width and height of the upright photo before it was reduced.
        exif: Its EXIF tags; empty where there are none that can be read.
        is_png: It was stored as PNG, without loss.
        as_stored: The file's own pixels already are this image: not turned, reduced or converted.
    """

    image: Image.Image
    full_size: tuple[int, int]
    exif: Image.Exif
    is_png: bool
    as_stored: bool


@dataclass(frozen=True)
class Found:
    """What a folder holds.

    Attributes:
        photos: Files to read, by name.
        left_out: Other files, with the reason.
    """

    photos: list[Path]
    left_out: dict[str, str]


def find_photos(folder: Path) -> Found:
    """The photos directly in a folder, sorted by name; hidden files and folders in it are passed over.

    Names are sorted as cameras count: 2 before 10.

    Raises:
        InputError: The folder cannot be read.
    """
    try:
        entries = sorted(folder.iterdir(), key=_counted)
        root = folder.resolve()
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror}); check the path") from error
    photos: list[Path] = []
    left_out: dict[str, str] = {}
    for path in entries:
        name, suffix = shown_name(path), path.suffix.lower()
        if path.name.startswith(".") or path.is_dir():
            continue
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            left_out[name] = "is a link that leaves the folder; copy the photo into it"
        elif suffix in RAW_SUFFIXES:
            left_out[name] = "is a raw photo; export it as JPEG"
        elif suffix not in SUFFIXES:
            left_out[name] = "is no photo"
        elif not path.is_file():
            left_out[name] = "is no file that can be read"
        else:
            photos.append(path)
    return Found(photos, left_out)


def photos_below(folder: Path) -> Path | None:
    """The folder in this one, or in one of its, that holds the most photos; None if none holds any."""
    counts: Counter[Path] = Counter()
    for pattern in ("*/*", "*/*/*"):
        counts.update(
            path.parent
            for path in folder.glob(pattern)
            if path.suffix.lower() in SUFFIXES
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        )
    return min(counts, key=lambda path: (-counts[path], path), default=None)


def _counted(path: Path) -> tuple[list[str | int], str]:
    """A key to sort by, in which runs of digits are numbers; equal ones are told apart by the name itself."""
    parts = re.split("([0-9]+)", path.stem.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], path.name


def shown_name(path: Path) -> str:
    """A file's name as it can be printed and written as UTF-8, whatever bytes it is made of."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in path.name)


def read_photo(path: Path, longest: int) -> Photo:
    """Read a photo, bring its colours to sRGB, stand it up as its EXIF orientation says, reduce it.

    Args:
        path: The file; its content, not its name, tells its format.
        longest: Its longest side is reduced to this, in pixels; it is never enlarged.

    Raises:
        Unreadable: It is no image, truncated, damaged, too large, or of a kind that is not read.
        InputError: It is a HEIC photo and support for these is not installed.
    """
    with warnings.catch_warnings():
        # Pillow warns from 89 million pixels on, and of TIFF tags; what is too large is decided here.
        warnings.simplefilter("ignore")
        with _opened(path) as stored:
            full = stored.size
            most = MAX_JPEG_PIXELS if stored.format in ("JPEG", "MPO") else MAX_PIXELS
            if full[0] * full[1] > most:
                raise Unreadable(f"has more than {most // 10**6} million pixels; scale it down")
            stored.draft("RGB", (longest, longest))  # lets JPEG decode at a fraction of its size
            try:
                stored.load()
                rgb = _rgb(stored)
            except Unreadable:
                raise
            except Exception as error:  # whatever a decoder raises over broken bytes, the file is at fault
                raise Unreadable("is truncated or damaged; replace it by a whole copy") from error
            if stored.format == "TIFF":  # turned itself while loading
                full = stored.size
            exif, turn = _exif(stored)
            as_stored = rgb is stored and turn is None and stored.format in ("JPEG", "PNG")
            if turn is not None:
                rgb = rgb.transpose(turn)
            if turn in _SIDEWAYS:
                full = (full[1], full[0])
            small = _reduced(rgb, full, longest)
            is_png = stored.format == "PNG"
    return Photo(small, full, exif, is_png, as_stored and small.size == full)


def _opened(path: Path) -> Image.Image:
    try:
        with path.open("rb") as file:
            head = file.read(12)
        if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
            return _opened_heif(path)
        return Image.open(path, formats=FORMATS)
    except (InputError, Unreadable):
        raise
    except Image.DecompressionBombError as error:
        with contextlib.suppress(SyntaxError):  # Pillow's word for a file of another format
            return JpegImageFile(path)
        raise Unreadable(f"has more than {MAX_PIXELS // 10**6} million pixels; scale it down") from error
    except UnidentifiedImageError as error:
        raise Unreadable("is no image that is read; save it as JPEG") from error
    except Exception as error:  # as in read_photo
        if isinstance(error, OSError) and error.strerror:
            raise Unreadable(f"cannot be read ({error.strerror})") from error
        raise Unreadable("is truncated or damaged; replace it by a whole copy") from error


def _opened_heif(path: Path) -> Image.Image:
    """HEIC turns itself: its own orientation is applied by the decoder, which sets EXIF's to 1."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise InputError(
            f"{path} is a HEIC photo: install support for these with pip install 'sanerf-hq[sfm]', or save "
            "the photos as JPEG"
        ) from None
    return HeifImageFile(path)


def _exif(image: Image.Image) -> tuple[Image.Exif, Image.Transpose | None]:
    """Tags, and how to turn the image; what cannot be read counts as absent."""
    try:
        exif = image.getexif()
        return exif, _UPRIGHT.get(_plain(exif.get(_ORIENTATION)))
    except Exception:  # tags come from any device: broken ones say nothing
        return Image.Exif(), None


def _plain(value: Any) -> int:
    return value if isinstance(value, int) else 1


def _rgb(image: Image.Image) -> Image.Image:
    """The image in sRGB; what is transparent shows white."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16"):  # grey; Pillow itself reduces 16 bits of colour
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode.startswith(("I", "F")):
        raise Unreadable("has more than 8 bits a channel; save it with 8")
    photo = as_srgb(image, profile)
    if photo.mode == "RGB":
        return photo
    return Image.alpha_composite(Image.new("RGBA", photo.size, (*WHITE, 255)), photo).convert("RGB")


def _reduced(image: Image.Image, full: tuple[int, int], longest: int) -> Image.Image:
    """The image with its longest side at most ``longest``."""
    scale = min(1.0, longest / max(full))
    size = (max(1, round(full[0] * scale)), max(1, round(full[1] * scale)))
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
