"""Parts of the compact model against other ways to compute the same."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from sanerf_hq.segmenters.compact.attention import few_tokens_attention
from sanerf_hq.segmenters.compact.colours import NO_PICTURE, colour_bins, evidence
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
    colours = torch.randn(4, 1, 4 * grid, 4 * grid)
    found = upscale(cells, *skips, colours, kernels)

    def doubled(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        square = weight.reshape(2, 2, -1, weight.shape[1]).permute(3, 2, 0, 1)
        return F.conv_transpose2d(x, square, stride=2)

    def by_pixel(layer: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        return layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    own = (F.avg_pool2d(colours, 2), colours)
    half, full = (torch.cat([s.repeat_interleave(2, 0), c], 1) for s, c in zip(skips, own, strict=True))
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
    n = next(len(part) for part in prompt if part is not None)
    maps(image, *prompt, torch.full((n, 1, 6, 6), 0.25))
    handle.remove()
    return seen[0]


def test_clicks_draw_what_is_like_them_and_boxes_their_inside():
    maps = PromptMaps(8).requires_grad_(False)
    clicks = torch.tensor([[[1.5, 2.5], [4.5, 2.5]], [[4.5, 4.5], [4.5, 0.5]]])
    labels = torch.tensor([[1, 0], [1, 1]])
    box = torch.tensor([[1.0, 1.0, 3.0, 4.0], [0.0, 0.0, 6.0, 6.0]])
    found = drawn(maps, clicks, labels, box)
    alike, unlike, on, beside, inside, within, beyond, colours = found.unbind(1)
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
    assert (colours == 0.25).all()
    assert (beyond[1] == -1).all()  # beyond the second box there is no image


def test_without_clicks_nothing_is_alike():
    found = drawn(PromptMaps(8), None, None, torch.tensor([[0.0, 0.0, 3.0, 3.0]]))
    assert (found[:, :2] == -1).all()
    assert (found[:, 5:7] > -1).any()
    assert (found[:, 2:4] == 0).all()


def two_colours(side: int = 64) -> torch.Tensor:
    """Normalised pixels: a square of another colour in the middle, and padding in the lower quarter."""
    pixels = torch.full((1, 3, side, side), 0.5)
    quarter = side // 4
    pixels[:, 0, quarter : 2 * quarter, quarter : 3 * quarter] = -1.5
    pixels[:, :, 3 * quarter :] = 0
    return pixels


def test_padding_has_no_colour_and_like_colours_have_one_number():
    bins = colour_bins(two_colours())[0].long()
    assert (bins[24:] == NO_PICTURE).all()
    assert len(bins[:24].unique()) == 2
    assert bins[10, 10] != bins[2, 2]


def test_a_box_tells_the_objects_colours_from_those_round_it():
    bins = colour_bins(two_colours())
    loose = torch.tensor([[6.0, 6.0, 26.0, 18.0]])  # the square is 8 to 24 by 8 to 16
    found = evidence(bins, None, None, loose, None)[0, 0]
    assert found[8:16, 8:24].min() > 0.5
    assert found[:8].max() < -0.4
    assert (found[24:] == 0).all()
    assert found.abs().max() <= 1 + 1e-6


def test_clicks_and_masks_tell_colours_as_well():
    bins = colour_bins(two_colours())
    click, labels = torch.tensor([[[12.5, 12.5]]]), torch.ones(1, 1, dtype=torch.long)
    by_click = evidence(bins, click, labels, None, None)[0, 0]
    rough = torch.full((1, 1, 32, 32), -6.0)
    rough[..., 9:15, 9:20] = 6
    by_mask = evidence(bins, None, None, None, rough)[0, 0]
    for found in (by_click, by_mask):
        assert found[8:16, 8:24].min() > found[:24][bins[0, :24] == bins[0, 0, 0]].max() + 0.5


def test_a_negative_click_gives_its_colour_to_the_surroundings():
    bins = colour_bins(two_colours())
    box = torch.tensor([[4.0, 0.0, 28.0, 20.0]])
    click = torch.tensor([[[6.5, 3.5]]])
    beside = torch.zeros(1, 1, dtype=torch.long)
    without, with_click = (
        evidence(bins, p, lab, box, None)[0, 0] for p, lab in ((None, None), (click, beside))
    )
    assert with_click[2, 6] < without[2, 6] or without[2, 6] == -1


def test_without_surroundings_colours_tell_nothing():
    everything = torch.tensor([[-1.0, -1.0, 33.0, 33.0]])
    found = evidence(colour_bins(two_colours()), None, None, everything, None)
    assert found.abs().max() < 1  # a box round all leaves at most what its own rounds told apart


def test_each_image_has_its_own_colours():
    other = two_colours().flip(1)
    bins = colour_bins(torch.cat([two_colours(), other]))
    boxes = torch.tensor([[6.0, 6.0, 26.0, 18.0]]).expand(4, -1)
    found = evidence(bins, None, None, boxes, None)
    alone = evidence(bins[1:], None, None, boxes[:1], None)
    assert torch.allclose(found[2:], alone.expand(2, -1, -1, -1))
    assert torch.allclose(found[0], found[1])
