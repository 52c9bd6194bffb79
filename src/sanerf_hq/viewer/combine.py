"""Combine: the masks of an object's parts, joined view by view as the user said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sanerf_hq.errors import InputError
from sanerf_hq.masks import MaskSet, Segment
from sanerf_hq.masks.rle import decode, encode
from sanerf_hq.viewer.state import Operation


def combined(name: str, parts: Sequence[tuple[Operation, MaskSet]]) -> MaskSet:
    """One object of several parts.

    A view counts where the first part has a mask. What a further part says nothing of stays as it is, save
    that an intersection needs both.

    Args:
        name: What the object is called.
        parts: Masks of one object each, in the order they are joined; the first stands for itself.

    Raises:
        InputError: Nothing is left.
    """
    first, *others = (masks for _, masks in parts)
    segments = {one.view: one for one in first.segments}
    seeds = first.seeds[0]
    for (operation, _), masks in zip(parts[1:], others, strict=True):
        said = {one.view: one for one in masks.segments}
        joined = {view: _joined(one, said.get(view), operation) for view, one in segments.items()}
        segments = {view: one for view, one in joined.items() if one is not None}
        if operation == "add":
            seeds = (*seeds, *masks.seeds[0])
    if not any(one.mask.area for one in segments.values()):
        raise InputError(f"nothing is left of {name}; undo the last part")
    return MaskSet((name,), tuple(segments.values()), first.segmenter, (seeds,))


def _joined(one: Segment, other: Segment | None, operation: Operation) -> Segment | None:
    if other is None:
        return None if operation == "intersect" else one
    mine, theirs = decode(one.mask), decode(other.mask)
    mask = mine & theirs if operation == "intersect" else mine | theirs
    if operation == "subtract":
        mask = mine & ~theirs
    return replace(one, mask=encode(mask), score=min(one.score, other.score))
