from __future__ import annotations

import math

import torch

from sanerf_hq.cli.render import depth_picture


def test_depth_is_linear_in_its_inverse_and_black_where_nothing_is():
    depth = torch.tensor([[1.0, 2.0, math.nan], [4.0, 4.0 / 3.0, math.inf]])
    # 1/depth: 1, 1/2, -, 1/4, 3/4, -; so 40 + 215·(1, 1/3, -, 0, 2/3, -)
    assert depth_picture(depth).tolist() == [[255, 112, 0], [40, 183, 0]]


def test_depth_of_one_plane_of_nothing_and_of_no_pixels():
    assert depth_picture(torch.full((2, 3), 5.0)).tolist() == [[255] * 3] * 2
    assert depth_picture(torch.full((2, 3), math.nan)).tolist() == [[0] * 3] * 2
    assert depth_picture(torch.zeros(0, 3)).shape == (0, 3)
