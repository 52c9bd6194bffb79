"""Parts of the compact model against other ways to compute the same."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from sanerf_hq.segmenters.compact.attention import few_tokens_attention
from sanerf_hq.segmenters.compact.prompt_maps import FAR, PromptMaps
from sanerf_hq.segmenters.compact.upscale import Upscale


@pytest.mark.parametrize(("n", "m"), [(50, 7), (7, 50), (7, 7), (1, 3)])
def test_attention_is_attention(n: int, m: int):
    query, key, value = (torch.randn(2, length, 4, 8).transpose(1, 2) for length in (n, m, m))
    scaling = 0.3
    found, nothing = few_tokens_attention(torch.nn.Identity(), query, key, value, None, scaling)
    expected = F.scaled_dot_product_attention(query, key, value, scale=scaling).transpose(1, 2)
    assert nothing is None
    assert torch.allclose(found, expected, atol=1e-5)


def test_upscaling_is_two_transposed_convolutions():
    grid, width, fine, finest = 3, 16, 5, 2
    upscale = Upscale(width, fine, finest)
    cells, kernels = torch.randn(4, grid * grid, width), torch.randn(4, 3, width // 4)
    skips = torch.randn(2, fine, 2 * grid, 2 * grid), torch.randn(2, finest, 4 * grid, 4 * grid)
    found = upscale(cells, *skips, kernels)

    def doubled(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        square = weight.reshape(2, 2, -1, weight.shape[1]).permute(3, 2, 0, 1)
        return F.conv_transpose2d(x, square, stride=2)

    def by_pixel(layer: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        return layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    half, full = (skip.repeat_interleave(2, 0) for skip in skips)
    x = cells.transpose(1, 2).reshape(4, width, grid, grid)
    x = doubled(x, upscale.grow.weight) + by_pixel(upscale.from_fine, half)
    x = F.relu(by_pixel(upscale.norm, x))
    x = F.relu(doubled(x, upscale.regrow.weight) + by_pixel(upscale.from_finest, full))
    assert torch.allclose(found, torch.einsum("nkc,nchw->nkhw", kernels, x), atol=1e-5)


def drawn(maps: PromptMaps, *prompt: torch.Tensor | None) -> torch.Tensor:
    """What is drawn, before it is mixed."""
    seen = []
    handle = maps.mix.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image = torch.zeros(1, 8, 6, 6)
    image[..., 3:] = 1  # two things, left and right
    maps(image, *prompt)
    handle.remove()
    return seen[0]


def test_clicks_draw_what_is_like_them_and_boxes_their_inside():
    maps = PromptMaps(8).requires_grad_(False)
    clicks = torch.tensor([[[1.5, 2.5], [4.5, 2.5]], [[4.5, 4.5], [4.5, 0.5]]])
    labels = torch.tensor([[1, 0], [1, 1]])
    box = torch.tensor([[1.0, 1.0, 3.0, 4.0], [0.0, 0.0, 6.0, 6.0]])
    found = drawn(maps, clicks, labels, box)
    alike, unlike, on, beside, inside, within, beyond = found.unbind(1)
    bias = float(maps.bias) / -FAR
    assert torch.allclose(alike[0, :, :3], torch.tensor(bias), atol=1e-4)
    assert (alike[0, :, 3:] < bias).all()
    assert torch.allclose(unlike[0, :, 3:], torch.tensor(bias), atol=1e-4)
    assert (unlike[1] == -1).all()
    assert on[0].argmax() == 2 * 6 + 1
    assert beside[0].argmax() == 2 * 6 + 4
    assert (beside[1] == 0).all()
    assert inside[0, 1:4, 1:3].eq(1).all()
    assert inside[0].sum() == pytest.approx(6, abs=1e-4)
    assert inside[1].eq(1).all()
    assert torch.allclose(within[0, :, :3], torch.tensor(bias), atol=1e-4)
    assert (within[0, :, 3:] < bias).all()
    assert torch.allclose(beyond[0, :, 3:], torch.tensor(bias), atol=1e-4)  # the box ends where these begin
    assert (beyond[1] == -1).all()  # beyond the second box there is no image


def test_without_clicks_nothing_is_alike():
    found = drawn(PromptMaps(8), None, None, torch.tensor([[0.0, 0.0, 3.0, 3.0]]))
    assert (found[:, :2] == -1).all()
    assert (found[:, 5:] > -1).any()
    assert (found[:, 2:4] == 0).all()
