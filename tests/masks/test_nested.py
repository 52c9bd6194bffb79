"""Masks that lie one in the other: the smaller one's pixels are its own."""

import torch
from torch import Tensor

from sanerf_hq.masks import MaskSet
from sanerf_hq.masks.mask_set import Segment
from sanerf_hq.masks.nested import without_nested
from sanerf_hq.masks.rle import decode, encode


def box(x0: int, x1: int) -> Tensor:
    mask = torch.zeros(10, 20, dtype=torch.bool)
    mask[2:8, x0:x1] = True
    return mask


def parted(*masks: Tensor, views: tuple[str, ...] = ("a", "a", "a")) -> dict[int, Tensor]:
    segments = [Segment(v, encode(m), n) for n, (v, m) in enumerate(zip(views, masks, strict=False), 1)]
    names = tuple(f"object {n}" for n in range(1, len(masks) + 1))
    found = without_nested(MaskSet(names, tuple(segments), "test"))
    return {segment.identity: decode(segment.mask) for segment in found.segments}


def test_what_lies_in_another_is_taken_out_of_it():
    for order in (1, -1):
        outer, inner = [parted(*(box(0, 20), box(5, 9))[::order])[n] for n in (1, 2)][::order]
        assert torch.equal(inner, box(5, 9)) and torch.equal(outer, box(0, 20) & ~box(5, 9))


def test_of_two_that_are_alike_or_barely_meet_the_overlap_stays_both_s():
    for one, other in ((box(0, 12), box(1, 13)), (box(0, 6), box(5, 20))):
        found = parted(one, other)
        assert torch.equal(found[1], one) and torch.equal(found[2], other)


def test_masks_of_other_views_do_not_matter():
    found = parted(box(0, 20), box(5, 9), views=("a", "b"))
    assert torch.equal(found[1], box(0, 20)) and torch.equal(found[2], box(5, 9))


def test_each_of_three_keeps_what_is_its_own():
    found = parted(box(0, 20), box(2, 12), box(4, 8))
    assert torch.equal(found[1], box(0, 20) & ~box(2, 12))
    assert torch.equal(found[2], box(2, 12) & ~box(4, 8))
    assert torch.equal(found[3], box(4, 8))
