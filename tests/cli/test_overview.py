"""The picture of what a segmentation came to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from sanerf_hq.cli.overview import PREVIEW_WIDTH, draw_preview
from sanerf_hq.masks import MaskSet
from sanerf_hq.scene import PhotoSize
from support import balls
from support.exact_object import exact_target


@pytest.mark.parametrize(("size", "worked_at"), [((700, 510), 500), ((64, 48), None)])
def test_photos_of_any_size_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], worked_at: int | None
):
    monkeypatch.setattr(balls, "SIZE", size)
    field = exact_target(tmp_path).field
    home = replace(field.radiance.at_home(), size=PhotoSize(worked_at))
    view = home.views[2]
    camera = home.sized(view)
    own = field.render(camera).mask
    at_home = replace(field, radiance=replace(field.radiance, home=home))
    draw_preview(at_home, [MaskSet.of_masks("red", [(view.name, own)], "truth")], tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as sheet:
        width = min(PREVIEW_WIDTH, camera.width)
        assert sheet.size == (width, view.camera.resized(width).height)
