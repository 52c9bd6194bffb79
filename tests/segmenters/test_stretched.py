"""The square input of SAM 2: pixels as its own processor makes them, and there and back again."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from sanerf_hq.segmenters.letterbox import DEVIATION, MEAN
from sanerf_hq.segmenters.stretched import Stretched
from support.tiny_models import photo

SIDE = 96


@pytest.mark.parametrize("size", [(60, 96), (96, 72), (45, 61), (130, 211)])
def test_pixels_are_those_of_a_resize_in_8_bits(size: tuple[int, int]):
    """What SAM 2's processor asks of torchvision, which leaves it to torch: bilinear, averaging, 8 bits."""
    image = photo(*size)
    ours = Stretched(SIDE, *size).pixel_values(image)
    square = F.interpolate(
        image.permute(2, 0, 1)[None], (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True
    )
    mean, deviation = torch.tensor(MEAN)[:, None, None], torch.tensor(DEVIATION)[:, None, None]
    levels = (ours * deviation + mean) * 255
    assert (levels - square).abs().max() < 1.01
    assert ((levels - square).abs() > 0.5).float().mean() < 0.005


@pytest.mark.parametrize("size", [(60, 96), (130, 211), (1, 7)])
def test_corners_go_to_corners(size: tuple[int, int]):
    height, width = size
    place = Stretched(SIDE, height, width)
    corners = torch.tensor([[0.0, 0.0], [width, height], [width / 2, height / 2]])
    expected = torch.tensor([[0.0, 0.0], [SIDE, SIDE], [SIDE / 2, SIDE / 2]])
    assert torch.allclose(place.to_square(corners), expected)


def test_masks_come_back_to_where_they_were():
    height, width, low = 120, 80, 24
    place = Stretched(SIDE, height, width)
    across, down = torch.meshgrid(torch.arange(low), torch.arange(low), indexing="xy")
    centres = (torch.stack([across, down], -1) + 0.5) * (SIDE / low)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    back = place.to_photo(torch.stack([centres[..., 0], centres[..., 1]]))
    expected = place.to_square(torch.stack([x, y], -1) + 0.5)
    inner = (slice(5, -5), slice(5, -5))  # beyond the outermost centres the border goes on
    assert back.shape == (2, height, width)
    assert torch.allclose(back[0][inner], expected[..., 0][inner], atol=1e-3)
    assert torch.allclose(back[1][inner], expected[..., 1][inner], atol=1e-3)
    assert place.to_photo(torch.zeros(0, low, low)).shape == (0, height, width)
