from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sanerf_hq.errors import Cancelled
from sanerf_hq.viewer.frames import LEAST_WIDTH, Frame, Painter, band, ladder
from sanerf_hq.viewer.viewpoint import Viewpoint
from sanerf_hq.viewer.warp import warped
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
    painter, shown = Painter(), []
    painter.pace = 1e-3

    def check(progress: object) -> None:
        raise Cancelled("moved on")

    here = Viewpoint.of_camera(ball_camera(3), 3.0)
    with pytest.raises(Cancelled):
        painter.paint(workshop.field, here, (96, 72), shown.append, check)
    assert [frame.camera.width for frame in shown] == [48], "the first one takes a moment, and is finished"
    shown.clear()
    with pytest.raises(Cancelled):
        painter.paint(workshop.field, here, (96, 72), shown.append, check, least=48)
    assert shown == [], "another one was the first"


def test_a_band_is_some_rows_of_the_picture():
    camera = ball_camera(1)
    rays, part = camera.rays(camera.pixel_grid()), band(camera, 10, 5)
    middle = slice(10 * camera.width, 15 * camera.width)
    assert torch.allclose(part.rays(part.pixel_grid()).directions, rays.directions[middle], atol=1e-6)


def test_a_frame_is_warped_to_where_the_camera_went(workshop: Workshop):
    frames: list[Frame] = []
    here = Viewpoint.of_camera(ball_camera(3), 3.0)
    Painter().paint(workshop.field, here, (128, 96), frames.append, lambda progress: None)
    x, y, z = here.position
    there = Viewpoint((x + 0.05, y + 0.03, z), here.wxyz, here.fov)
    moved = warped(frames[-1], there, (64, 48))
    assert moved is not None and not moved.is_final and len(moved.surfaces) == 64 * 48
    camera = there.camera(64, 48)
    colour = torch.from_numpy(ball_photo(camera)[0]).float() / 255
    same = ((moved.rgb - colour).abs().amax(-1) < 0.02).float().mean()
    assert same > 0.95
    true = workshop.field.render(camera).depth
    assert ((moved.depth - true).abs() < 0.05 * true).float().mean() > 0.9
    assert warped(frames[-1], Viewpoint.of_camera(ball_camera(9), 3.0), (64, 48)) is None
