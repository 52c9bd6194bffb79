from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sanerf_hq.errors import Cancelled
from sanerf_hq.viewer.frames import LEAST_WIDTH, Frame, Painter, band, ladder
from sanerf_hq.viewer.viewpoint import Viewpoint
from sanerf_hq.viewer.workshop import Workshop
from support.balls import ball_camera, ball_photo


@given(st.integers(1, 4000), st.integers(1, 3000), st.floats(1e-9, 1e-2))
def test_a_ladder_climbs_to_the_whole_picture(width: int, height: int, pace: float):
    widths = ladder(width, height, pace)
    assert widths[-1] == width
    assert widths == sorted(set(widths))
    assert widths[0] >= min(width, LEAST_WIDTH)


def test_frames_grow_finer_and_show_what_is_there(workshop: Workshop):
    painter, frames = Painter(), []
    painter.pace = 1e-3
    point = Viewpoint.of_camera(ball_camera(3), 3.0)
    painter.paint(workshop.field, point, (96, 72), frames.append, lambda progress: None)
    assert [frame.camera.width for frame in frames] == [48, 96]
    assert [(frame.is_first, frame.is_final) for frame in frames] == [(True, False), (False, True)]
    whole = frames[-1]
    colour, _ = ball_photo(whole.camera)
    assert torch.equal((whole.rgb * 255).round().byte(), torch.from_numpy(colour))
    assert len(whole.surfaces) == 96 * 72


def test_a_picture_that_is_no_longer_wanted_ends(workshop: Workshop):
    shown: list[Frame] = []

    def check(progress: object) -> None:
        raise Cancelled("moved on")

    with pytest.raises(Cancelled):
        Painter().paint(
            workshop.field, Viewpoint.of_camera(ball_camera(3), 3.0), (96, 72), shown.append, check
        )
    assert shown == []


def test_a_band_is_some_rows_of_the_picture():
    camera = ball_camera(1)
    rays, part = camera.rays(camera.pixel_grid()), band(camera, 10, 5)
    middle = slice(10 * camera.width, 15 * camera.width)
    assert torch.allclose(part.rays(part.pixel_grid()).directions, rays.directions[middle], atol=1e-6)
