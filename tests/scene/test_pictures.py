from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from sanerf_hq.scene import png, to_bytes


def test_values_are_rounded_and_clipped():
    assert to_bytes(torch.tensor([[-0.1, 0.5, 1.1]])).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize(
    ("shape", "kind"), [((2, 3), np.uint8), ((2, 3), np.uint16), ((2, 3, 3), np.uint8), ((2, 3, 4), np.uint8)]
)
def test_a_picture_survives_its_file(shape: tuple[int, ...], kind: type):
    pixels = np.linspace(0, np.iinfo(kind).max, int(np.prod(shape))).astype(kind).reshape(shape)
    with Image.open(io.BytesIO(png(pixels))) as picture:
        assert np.array_equal(np.asarray(picture), pixels)
