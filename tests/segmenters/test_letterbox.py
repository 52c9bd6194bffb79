"""Letterbox: there and back."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from sanerf_hq.segmenters.letterbox import Letterbox
from sanerf_hq.segmenters.stretched import Stretched
from support.tiny_models import photo


@pytest.mark.parametrize(
    ("size", "inner"),
    [((480, 640), (768, 1024)), ((640, 480), (1024, 768)), ((7, 6), (1024, 878)), ((3, 4000), (1, 1024))],
)
def test_the_longest_side_fills_the_square(size: tuple[int, int], inner: tuple[int, int]):
    assert Letterbox(1024, *size).inner == inner


@pytest.mark.parametrize("size", [(45, 61), (211, 130), (96, 64)])
def test_pixels_equal_the_librarys(size: tuple[int, int]):
    from transformers import SamImageProcessorPil

    square = {"height": 96, "width": 96}
    image = photo(*size)
    processor = SamImageProcessorPil(size={"longest_edge": 96}, pad_size=square)
    expected = processor(images=Image.fromarray(image.numpy()), return_tensors="pt")["pixel_values"]
    ours = Letterbox(96, *size).pixel_values(image)
    torch.testing.assert_close(ours, expected.float(), atol=1e-5, rtol=0)


def test_corners_go_to_corners():
    letterbox = Letterbox(100, 30, 40)
    corners = letterbox.to_square(torch.tensor([[0.0, 0.0], [40.0, 30.0], [20.0, 15.0]]))
    torch.testing.assert_close(corners, torch.tensor([[0.0, 0.0], [100.0, 75.0], [50.0, 37.5]]))
    assert letterbox.to_square(torch.zeros(0, 2)).shape == (0, 2)


def test_a_ramp_over_the_square_comes_back_as_a_ramp_over_the_photo():
    letterbox = Letterbox(64, 20, 40)
    x = (torch.arange(16) + 0.5) / 16  # across the square, which the photo's width fills
    y = (torch.arange(16) + 0.5) / 16
    back = letterbox.to_photo(torch.stack([x.expand(16, 16), y[:, None].expand(16, 16)]))
    assert back.shape == (2, 20, 40)
    columns = (torch.arange(40) + 0.5) / 40
    rows = (torch.arange(20) + 0.5) / 40
    torch.testing.assert_close(back[0, 10, 2:-2], columns[2:-2], atol=1e-3, rtol=0)
    torch.testing.assert_close(back[1, 2:-2, 20], rows[2:-2], atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [(90, 120), (120, 90), (60, 60)])
@pytest.mark.parametrize("place", [Letterbox, Stretched])
def test_a_mask_prompt_comes_back_to_where_it_was(size: tuple[int, int], place: type[Letterbox | Stretched]):
    height, width = size
    at = place(256, height, width)
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    logits = 20 - torch.hypot(x - 0.6 * width, y - 0.4 * height)  # a disc, off the middle
    low = at.to_low_res(logits, 64)
    assert low.shape == (64, 64)
    back = at.to_photo(low[None])[0] > 0
    both, either = (back & (logits > 0)).sum(), (back | (logits > 0)).sum()
    assert float(both / either) > 0.95
    coarse = torch.nn.functional.avg_pool2d(logits[None], 10)[0]  # of any resolution
    found = at.to_photo(at.to_low_res(coarse, 64)[None])[0] > 0
    assert float((found & (logits > 0)).sum() / (found | (logits > 0)).sum()) > 0.85


def test_padding_of_a_mask_prompt_is_surely_beside():
    low = Letterbox(256, 90, 120).to_low_res(torch.full((9, 12), 5.0), 64)
    assert (low[:48] == 5).all()
    assert (low[48:] == -5).all()
