"""Overview: what a segmentation came to, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanerf_hq.masks import MaskSet
    from sanerf_hq.objects import MovingObject, ObjectField

PREVIEW_VIEWS = 6
PREVIEW_WIDTH = 480


def draw_preview(field: ObjectField | MovingObject, masks: Sequence[MaskSet], path: Path) -> None:
    """A sheet of training views with the 3D masks drawn over the photos, each object in its colour.

    ``masks`` are those that the objects were made from, a set for each moment of a scene that moves.
    """
    import io

    from PIL import Image

    from sanerf_hq.evaluate import contact_sheet
    from sanerf_hq.evaluate.pictures import overlay_all
    from sanerf_hq.runs import write_bytes
    from sanerf_hq.scene import read_image

    home = field.radiance.at_home()
    shown = {segment.view for one in masks for segment in one.segments if segment.mask.area}
    names = [view.name for view in home.views if view.name in shown]
    step = max(1, len(names) // PREVIEW_VIEWS)
    pictures = []
    for name in names[::step][:PREVIEW_VIEWS]:
        view = home.scene.view(name)
        camera = view.camera.resized(min(PREVIEW_WIDTH, home.sized(view).width))
        photo = read_image(view, camera.width)
        pictures.append(overlay_all(photo, field.render(camera).labels))
    content = io.BytesIO()
    Image.fromarray(contact_sheet(pictures, 3).numpy()).save(content, "JPEG", quality=90)
    write_bytes(path, content.getvalue())
