"""Trimaps: what is certain, likely and excluded before colours are looked at."""

from __future__ import annotations

import numpy as np
import torch

from sanerf_hq.segmenters import DecoderPrompt
from sanerf_hq.segmenters.trimap import LIKELY, NEVER, SURELY, UNLIKELY, trimap, window

H, W = 100, 160
SAME = (1.0, 1.0)


def clicks(xy: list[list[float]], labels: list[int], box: list[float] | None = None) -> DecoderPrompt:
    return DecoderPrompt(torch.tensor(xy), torch.tensor(labels), None if box is None else torch.tensor(box))


def test_a_box_is_exact():
    labels = trimap(DecoderPrompt(box=torch.tensor([20.0, 30.0, 50.0, 70.0])), H, W, SAME)
    assert (labels == LIKELY).sum() == 30 * 40
    assert (labels[30:70, 20:50] == LIKELY).all()
    assert (labels == NEVER).sum() == H * W - 30 * 40


def test_coordinates_are_scaled_to_the_working_size():
    small = trimap(DecoderPrompt(box=torch.tensor([40.0, 60.0, 100.0, 140.0])), H, W, (0.5, 0.5))
    assert np.array_equal(
        small, trimap(DecoderPrompt(box=torch.tensor([20.0, 30.0, 50.0, 70.0])), H, W, SAME)
    )


def test_clicks_are_certain_and_the_negative_ones_win():
    labels = trimap(clicks([[40.5, 50.5], [90.5, 50.5], [40.5, 50.5]], [1, 1, 0]), H, W, SAME)
    assert labels[50, 40] == NEVER
    assert labels[50, 90] == SURELY
    assert (labels == SURELY).sum() == 5  # a disc of radius 1


def test_clicks_reach_further_the_fewer_they_are():
    ring = [[80 + 30 * np.cos(a), 50 + 30 * np.sin(a)] for a in np.linspace(0, 2 * np.pi, 12, endpoint=False)]
    few = trimap(clicks(ring[::4], [1] * 3), H, W, SAME)
    many = trimap(clicks(ring, [1] * 12), H, W, SAME)
    assert (many != NEVER).sum() < (few != NEVER).sum()
    for labels in (few, many):
        assert labels[50, 80] == LIKELY  # inside the hull
        assert labels[50, 155] == NEVER
        assert (labels == UNLIKELY).any()


def test_a_box_that_clicks_span_says_nothing():
    points = [[60.5, 30.5], [100.5, 45.5], [80.5, 70.5]]
    alone = trimap(clicks(points, [1, 1, 1]), H, W, SAME)
    spanned = trimap(clicks(points, [1, 1, 1], [60.0, 30.0, 101.0, 71.0]), H, W, SAME)
    assert np.array_equal(alone, spanned)
    drawn = trimap(clicks(points, [1, 1, 1], [50.0, 20.0, 110.0, 80.0]), H, W, SAME)
    assert (drawn != NEVER).sum() == 60 * 60


def test_a_mask_may_grow_a_little_and_not_out_of_a_box():
    mask = torch.full((H, W), -1.0)
    mask[40:60, 60:100] = 1
    labels = trimap(DecoderPrompt(mask_logits=mask), H, W, SAME)
    assert (labels[40:60, 60:100] == LIKELY).all()
    assert labels[50, 105] == UNLIKELY  # 0.15 of its 40 pixels is 6
    assert labels[50, 106] == NEVER
    boxed = trimap(DecoderPrompt(mask_logits=mask, box=torch.tensor([60.0, 40.0, 90.0, 60.0])), H, W, SAME)
    assert (boxed != NEVER).sum() == 30 * 20
    assert (boxed == LIKELY).sum() == 30 * 20


def test_the_window_holds_the_object_and_surroundings():
    labels = trimap(DecoderPrompt(box=torch.tensor([20.0, 30.0, 50.0, 70.0])), H, W, SAME)
    assert window(labels, 0.25) == (slice(18, 82), slice(8, 62))  # 0.25 of 40 pixels, and 2 more
    assert window(np.full((H, W), NEVER, np.uint8), 0.25) == (slice(0, 0), slice(0, 0))
