"""Small holes are filled; what else there is stays."""

from __future__ import annotations

import torch
from torch import Tensor

from sanerf_hq.objects import ObjectView, fill_holes

SIZE = 60
HOLE = (slice(30, 32), slice(20, 23))  # 6 pixels


def square(low: int = 5, high: int = 55) -> Tensor:
    labels = torch.zeros(SIZE, SIZE, dtype=torch.int64)
    labels[low:high, low:high] = 1
    return labels


def test_a_small_hole_is_filled_and_a_large_one_stays():
    whole = square()
    labels = whole.clone()
    labels[HOLE] = 0
    assert torch.equal(fill_holes(labels, share=0.01), whole)
    assert torch.equal(fill_holes(labels, share=6 / 2494), labels), "as large as its share is too large"
    assert torch.equal(fill_holes(labels, share=7 / 2494), whole)


def test_only_background_that_one_object_encloses_is_filled():
    labels = square()
    labels[30:32, 5] = 0  # a notch in the outline
    labels[20, 20] = labels[21, 21] = 0  # corner to corner: two holes
    labels[40, 40] = 2  # another object's
    wanted = labels.clone()
    wanted[20, 20] = wanted[21, 21] = 1
    assert torch.equal(fill_holes(labels, share=0.01), wanted)


def test_between_two_objects_and_at_the_edge_nothing_is_filled():
    labels = torch.ones(SIZE, SIZE, dtype=torch.int64)
    labels[:, 30:] = 2
    labels[10, 30] = 0  # between both
    labels[0, 5] = 0  # open to what the picture does not show
    labels[40, 50] = 0
    wanted = labels.clone()
    wanted[40, 50] = 2
    assert torch.equal(fill_holes(labels, share=0.01), wanted)
    nothing = torch.zeros(4, 5, dtype=torch.int64)
    assert torch.equal(fill_holes(nothing), nothing)


def test_masks_of_views_have_no_specks():
    labels = torch.ones(SIZE, SIZE, dtype=torch.int64)
    labels[0] = 0
    wanted = labels.clone()
    labels[30, 30] = 0
    probabilities = torch.nn.functional.one_hot(labels, 2).float()
    view = ObjectView(probabilities.log(), probabilities)
    assert torch.equal(view.labels, wanted) and torch.equal(view.mask, wanted > 0)
