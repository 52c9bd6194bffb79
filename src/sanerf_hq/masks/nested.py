"""Masks of several objects that lie one in the other: what both claim is the smaller one's.

A mask of the books takes in the mug that stands on them, never a mask of the mug the books. Where clicks on
the mug are hidden, no negative click tells (see :mod:`~sanerf_hq.masks.wavefront`); the mug's own mask does.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import combinations

from sanerf_hq.masks.mask_set import MaskSet, Segment
from sanerf_hq.masks.rle import decode, encode

WITHIN = 0.2  # share of a mask that lies in another's, from which it is in it
MORE = 1.5  # times the share of that other's mask: of two alike neither lies in the other


def without_nested(masks: MaskSet) -> MaskSet:
    """The same masks, each less those of other objects that lie in it; the rest of an overlap stays both's.

    A mask of which nothing is left is dropped.
    """
    by_view: dict[str, list[int]] = defaultdict(list)
    for index, segment in enumerate(masks.segments):
        by_view[segment.view].append(index)
    segments: list[Segment | None] = list(masks.segments)
    for members in by_view.values():
        if len(members) < 2:
            continue
        whole = {index: decode(masks.segments[index].mask) for index in members}
        left = dict(whole)
        for one, other in combinations(members, 2):
            both = whole[one] & whole[other]
            shares = [int(both.sum()) / max(1, int(whole[index].sum())) for index in (one, other)]
            inner, outer = (one, other) if shares[0] >= shares[1] else (other, one)
            if max(shares) >= WITHIN and max(shares) >= MORE * min(shares):
                left[outer] = left[outer] & ~whole[inner]
        for index in members:
            if left[index] is not whole[index]:
                mask = encode(left[index])
                segments[index] = replace(masks.segments[index], mask=mask) if mask.area else None
    return replace(masks, segments=tuple(one for one in segments if one is not None))
