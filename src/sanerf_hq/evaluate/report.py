"""Report: a benchmark's scores and pictures as one HTML page that opens from disk and needs no server."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

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
    ObjectPictures,
    ScenePictures,
    resize,
)
from sanerf_hq.evaluate.results import BenchResult, SceneResult, mean
from sanerf_hq.runs import write_bytes

TEMPLATE = "report.html"
LONGEST_SIDE = 640  # pixels: keeps a page of thirty objects at some 20 MB
JPEG_QUALITY = 88
NOT_MEASURED = "–"


def write_report(
    path: Path,
    result: BenchResult,
    pictures: Sequence[ObjectPictures],
    scene_pictures: Sequence[ScenePictures] = (),
    written: datetime | None = None,
) -> None:
    """Write the page; a page that is already there is replaced, whole or not at all.

    Args:
        path: The page's file; missing folders are made.
        result: The scores.
        pictures: Strips of objects, in the order they are to be shown.
        scene_pictures: Strips of photos beside renders, for scenes without objects or for all.
        written: The page's date; None: now.

    Raises:
        InputError: The page cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"fixed": _fixed, "sort_key": _sort_key, "picture": _data_uri, "css": _css}
    templates.globals |= {"scene_miou": _scene_miou}
    scores = {(scene.name, item.name): item for scene in result.scenes for item in scene.objects}
    page = templates.get_template(TEMPLATE).render(
        result=result,
        strips=[(item, scores.get((item.scene, item.name))) for item in pictures],
        scene_strips=scene_pictures,
        written=(written or datetime.now()).strftime("%Y-%m-%d %H:%M"),
        anchors={(item.scene, item.name): f"object-{index}" for index, item in enumerate(pictures)},
        colours={
            "segmenter": SEGMENTER_COLOUR,
            "mask": MASK_COLOUR,
            "truth": TRUTH_COLOUR,
            "right": RIGHT_COLOUR,
            "extra": EXTRA_COLOUR,
            "missed": MISSED_COLOUR,
        },
    )
    write_bytes(path, page.encode("utf-8", "replace"))  # a name out of JSON may hold half a surrogate pair


def _fixed(value: float | None, digits: int = 3) -> str:
    if value is None:
        return NOT_MEASURED
    return "∞" if math.isinf(value) else f"{value:,.{digits}f}"


def _sort_key(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _scene_miou(scene: SceneResult) -> float | None:
    return mean(item.iou for item in scene.objects)


def _css(colour: Colour) -> str:
    return "rgb({} {} {})".format(*colour)


def _data_uri(picture: UInt8[Tensor, "h w 3"]) -> str:
    from PIL import Image

    height, width = picture.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    small = resize(picture.cpu(), max(1, round(height * scale)), max(1, round(width * scale)))
    buffer = io.BytesIO()
    # Full colour resolution: the usual 4:2:0 would blur the coloured edges that the page is about.
    Image.fromarray(small.numpy()).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
