from __future__ import annotations

import io
import math

import numpy as np
import torch
from PIL import Image

from sanerf_hq.cli.render import depth_picture, png, unit_picture


def test_depth_is_linear_in_its_inverse_and_black_where_nothing_is():
    depth = torch.tensor([[1.0, 2.0, math.nan], [4.0, 4.0 / 3.0, math.inf]])
    # 1/depth: 1, 1/2, -, 1/4, 3/4, -; so 40 + 215·(1, 1/3, -, 0, 2/3, -)
    assert depth_picture(depth).tolist() == [[255, 112, 0], [40, 183, 0]]


def test_depth_of_one_plane_of_nothing_and_of_no_pixels():
    assert depth_picture(torch.full((2, 3), 5.0)).tolist() == [[255] * 3] * 2
    assert depth_picture(torch.full((2, 3), math.nan)).tolist() == [[0] * 3] * 2
    assert depth_picture(torch.zeros(0, 3)).shape == (0, 3)


def test_colours_are_rounded_and_clipped():
    assert unit_picture(torch.tensor([[-0.1, 0.5, 1.1]])).tolist() == [[0, 128, 255]]


def test_a_picture_survives_its_file():
    pixels = torch.arange(2 * 3 * 3, dtype=torch.uint8).reshape(2, 3, 3)
    with Image.open(io.BytesIO(png(pixels))) as picture:
        assert np.array_equal(np.asarray(picture), pixels.numpy())
