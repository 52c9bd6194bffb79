from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from sanerf_hq.masks.pictures import KEPT_CAMERAS, Pictures
from sanerf_hq.segmenters import Embedding, load_segmenter
from support.balls import ball_camera, ball_field


def test_renders_at_the_last_few_cameras_are_not_made_again(tmp_path: Path, monkeypatch):
    field = ball_field(tmp_path)
    segmenter = load_segmenter("grabcut", field.at_home().scene, "cpu")
    sizes: list[tuple[int, ...]] = []
    embed = type(segmenter).embed

    def counted(self: object, image: Tensor) -> Embedding:
        sizes.append(tuple(image.shape))
        return embed(segmenter, image)  # pyright: ignore

    monkeypatch.setattr(type(segmenter), "embed", counted)
    pictures = Pictures(field, segmenter)  # pyright: ignore[reportArgumentType]
    here = ball_camera(3)
    first = pictures.of_camera(here)
    assert pictures.of_camera(replace(here, K=here.K.clone())) is first and len(sizes) == 1
    small = pictures.of_camera(replace(here, height=20))
    assert small is not first and len(sizes) == 2
    for index in range(4, 4 + KEPT_CAMERAS):
        pictures.of_camera(ball_camera(index))
    count = len(sizes)
    pictures.of_camera(here)
    assert len(sizes) == count + 1, "it was forgotten"
