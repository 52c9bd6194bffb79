"""The picture of what a segmentation came to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from torch import Tensor

from sanerf_hq.cli.overview import PREVIEW_VIEWS, PREVIEW_WIDTH, draw_preview
from sanerf_hq.masks import MaskSet
from sanerf_hq.scene import PhotoSize, View, read_image
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


def test_every_picture_shows_another_view_however_many_objects_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    target = exact_target(tmp_path).field
    home = target.radiance.at_home()
    mask = target.render(home.sized(home.views[0])).mask
    empty, nothing = mask & False, home.views[3].name
    made = [
        MaskSet.of_masks(name, [(v.name, empty if v.name == nothing else mask) for v in home.views], "truth")
        for name in ("a", "b", "c", "d", "e", "f")
    ]
    together = made[0]
    for one in made[1:]:
        together = together.joined(one)
    drawn: list[str] = []

    def noted(view: View, width: int) -> Tensor:
        drawn.append(view.name)
        return read_image(view, width)

    monkeypatch.setattr("sanerf_hq.scene.read_image", noted)
    draw_preview(target, [together], tmp_path / "a.jpg")
    assert len(drawn) == len(set(drawn)) == PREVIEW_VIEWS and nothing not in drawn
