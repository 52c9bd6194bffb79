"""Page: what HTML pages that open from disk are made with: templates, and values as they are shown."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtyping import UInt8
from torch import Tensor

from sanerf_hq.evaluate.pictures import (
    EXTRA_COLOUR,
    MASK_COLOUR,
    MISSED_COLOUR,
    RIGHT_COLOUR,
    SEGMENTER_COLOUR,
    TRUTH_COLOUR,
    Colour,
    resize,
)

if TYPE_CHECKING:
    from jinja2 import Environment

LONGEST_SIDE = 640  # pixels: keeps a page of thirty objects at some 20 MB
JPEG_QUALITY = 88
NOT_MEASURED = "–"
COLOURS: dict[str, Colour] = {
    "segmenter": SEGMENTER_COLOUR,
    "mask": MASK_COLOUR,
    "truth": TRUTH_COLOUR,
    "right": RIGHT_COLOUR,
    "extra": EXTRA_COLOUR,
    "missed": MISSED_COLOUR,
}


def environment(*folders: Path) -> Environment:
    """Templates of some folders, then of this one; every value is escaped and none may be missing.

    Filters: ``fixed``, ``sort_key``, ``picture`` and ``css``, see the functions here. Global: ``colours``,
    what pictures of masks are drawn in.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader([*folders, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals |= {"colours": COLOURS}
    found.filters |= {"fixed": fixed, "sort_key": sort_key, "picture": picture_uri, "css": css}
    return found


def fixed(value: float | None, digits: int = 3) -> str:
    """A number with so many decimals; a dash for what was not measured."""
    if value is None:
        return NOT_MEASURED
    return "∞" if math.isinf(value) else f"{value:,.{digits}f}"


def sort_key(value: float | None) -> str:
    """What a column of numbers is sorted by; empty for what was not measured."""
    return "" if value is None else repr(float(value))


def css(colour: Colour) -> str:
    """A colour as a style sheet has it."""
    return "rgb({} {} {})".format(*colour)


def picture_uri(picture: UInt8[Tensor, "h w 3"]) -> str:
    """A picture as a JPEG inside the page, no larger than a page needs it."""
    from PIL import Image

    height, width = picture.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    small = resize(picture.cpu(), max(1, round(height * scale)), max(1, round(width * scale)))
    buffer = io.BytesIO()
    # Full colour resolution: the usual 4:2:0 would blur the coloured edges that the page is about.
    Image.fromarray(small.numpy()).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return data_uri(buffer.getvalue(), "image/jpeg")


def data_uri(content: bytes, kind: str) -> str:
    """A file inside the page, of a MIME type."""
    return f"data:{kind};base64," + base64.b64encode(content).decode("ascii")
