from __future__ import annotations

import math

import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.viewer.viewpoint import Viewpoint
from support.balls import N_VIEWS, ball_camera


@pytest.mark.parametrize("index", range(N_VIEWS))
def test_a_scene_s_camera_is_found_again(index: int):
    camera = ball_camera(index)
    point = Viewpoint.of_camera(camera, 3.0)
    window = point.camera(128, 96)
    assert torch.allclose(window.camtoworld, camera.camtoworld, atol=1e-5)
    assert point.is_at(camera, 3.0)
    assert not point.is_at(ball_camera(index + 1), 3.0)
    ahead = window.project(torch.tensor([point.look_at]))
    assert ahead.xy[0].tolist() == pytest.approx([64, 48], abs=1e-3)
    assert float(ahead.depth) == pytest.approx(3.0, abs=1e-4)


def test_the_field_of_view_is_the_window_s_height():
    window = Viewpoint((0, 0, 0), (1, 0, 0, 0), math.pi / 2).camera(300, 100)
    top = window.local_directions(torch.tensor([[150.0, 0.0]]))[0]
    assert top.tolist() == pytest.approx([0, -1, 1])


@pytest.mark.parametrize("wxyz", [(0, 0, 0, 0), (math.nan, 0, 0, 1)])
def test_what_is_no_camera_is_refused(wxyz: tuple[float, float, float, float]):
    with pytest.raises(InputError, match="no camera"):
        Viewpoint((0, 0, 0), wxyz, 0.7)
    with pytest.raises(InputError, match="no camera"):
        Viewpoint((0, 0, 0), (1, 0, 0, 0), 0.0)
