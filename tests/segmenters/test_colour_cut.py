"""Outlines that settle where colours change, on pictures whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sanerf_hq.segmenters.colour_cut import LONGEST_SIDE, signed_distance, thumbnail
from sanerf_hq.segmenters.compact.outline import settled
from sanerf_hq.segmenters.protocol import DecoderPrompt, Masks


def disc(height: int, width: int, x: float, y: float, radius: float) -> torch.Tensor:
    """Signed distance, positive inside."""
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return radius - torch.hypot(columns - x, rows - y)


def photo_of(inside: torch.Tensor) -> torch.Tensor:
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 6, (*inside.shape, 3)))
    colours = torch.where(inside[..., None], torch.tensor([170.0, 60, 40]), torch.tensor([60.0, 90, 120]))
    return (colours + noise).clamp(0, 255).byte()


def answer(logits: torch.Tensor) -> Masks:
    return Masks(logits[None].float(), torch.tensor([0.9]), torch.zeros(1, 8, 8))


def iou(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_a_mask_that_is_off_settles_on_the_disc():
    truth = disc(120, 160, 80, 60, 30) > 0
    rough = disc(120, 160, 83, 62, 27) / 2
    before = iou(rough > 0, truth)
    found = settled(
        photo_of(truth), answer(rough), DecoderPrompt(torch.tensor([[80.0, 60.0]]), torch.ones(1).long())
    )
    assert before < 0.85
    assert iou(found.mask_logits[0] > 0, truth) > 0.96
    assert torch.equal(found.low_res_logits, torch.zeros(1, 8, 8))


def test_the_predicted_iou_is_the_expected_one_and_decides_the_order():
    truth = disc(120, 160, 80, 60, 30) > 0
    sharp, doubtful = torch.where(truth, 20.0, -20.0), torch.where(truth, 1.0, -1.0)
    masks = Masks(
        torch.stack([doubtful, sharp]),
        torch.tensor([0.9, 0.6]),
        torch.arange(2.0)[:, None, None].expand(2, 8, 8),
    )
    click = DecoderPrompt(torch.tensor([[80.0, 60.0]]), torch.ones(1).long())
    found = settled(photo_of(truth), masks, click)
    assert found.low_res_logits[:, 0, 0].tolist() == [1, 0]
    assert found.iou_predictions[0] ** 2 / 0.6 == pytest.approx(
        iou(found.mask_logits[0] > 0, truth), abs=1e-4
    )
    mask = found.mask_logits[1] > 0
    chance = doubtful.sigmoid()
    both = float((chance * mask).sum())
    expected = both / (float((chance + mask).sum()) - both)
    assert float(found.iou_predictions[1]) == pytest.approx((expected * 0.9) ** 0.5, abs=1e-4)
    alone = settled(photo_of(truth), answer(doubtful), click)
    assert float(alone.iou_predictions[0]) == pytest.approx(expected, abs=1e-4)


def test_it_finds_nothing_far_from_the_mask():
    near, far = disc(120, 240, 60, 60, 25), disc(120, 240, 180, 60, 25)
    photo = photo_of((near > 0) | (far > 0))
    prompt = DecoderPrompt(torch.tensor([[60.0, 60.0]]), torch.ones(1).long())
    found = settled(photo, answer(near / 2), prompt).mask_logits[0] > 0
    assert not (found & (far > 0)).any()
    assert iou(found, near > 0) > 0.97


def test_nothing_leaves_the_box_and_clicks_are_kept_to():
    truth = disc(120, 160, 80, 60, 30) > 0
    box = torch.tensor([50.0, 30.0, 110.0, 60.0])  # the upper half only
    upper = disc(120, 160, 80, 60, 30).clone()
    upper[60:] = -5
    found = settled(photo_of(truth), answer(upper), DecoderPrompt(box=box)).mask_logits[0] > 0
    assert not found[62:].any()
    prompt = DecoderPrompt(torch.tensor([[80.0, 60.0], [80.5, 32.5]]), torch.tensor([1, 0]))
    clicked = settled(photo_of(truth), answer(disc(120, 160, 80, 60, 30) / 8), prompt).mask_logits[0] > 0
    assert clicked[60, 80]
    assert not clicked[32, 80]


@pytest.mark.parametrize("value", [-3.0, 3.0])
def test_an_empty_mask_and_a_full_one_stay(value: float):
    photo = photo_of(disc(40, 60, 30, 20, 10) > 0)
    logits = torch.full((40, 60), value)
    prompt = DecoderPrompt(torch.tensor([[30.0, 20.0]]), torch.ones(1).long())
    found = settled(photo, answer(logits), prompt).mask_logits[0]
    assert found.shape == (40, 60)
    assert ((found > 0) == (value > 0)).float().mean() > 0.75


def test_large_photos_are_settled_at_less_detail():
    truth = disc(900, 1200, 600, 450, 380) > 0
    rough = disc(900, 1200, 612, 444, 360) / 20
    small = thumbnail(photo_of(truth))
    assert max(small.shape[:2]) == LONGEST_SIDE
    found = settled(small, answer(rough), DecoderPrompt(torch.tensor([[600.0, 450.0]]), torch.ones(1).long()))
    assert found.mask_logits.shape == (1, 900, 1200)
    assert iou(found.mask_logits[0] > 0, truth) > 0.97


def test_signed_distances_to_a_half_plane():
    mask = np.zeros((6, 20), bool)
    mask[:, 10:] = True
    found = signed_distance(mask)
    assert np.allclose(found[3, 7:13], [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], atol=0.05)
    assert found.max() == 8
    assert found.min() == -8
