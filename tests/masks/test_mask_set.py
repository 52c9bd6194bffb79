"""Mask sets: what is unlabelled, and files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.masks import MaskSet, Segment, load_masks, save_masks
from sanerf_hq.masks.rle import encode


def square(row: int) -> torch.Tensor:
    mask = torch.zeros(6, 9, dtype=torch.bool)
    mask[row : row + 2, 2:5] = True
    return mask


def two_objects() -> MaskSet:
    segments = (
        Segment("a", encode(square(0)), 1, 0.9, "user"),
        Segment("a", encode(square(3)), 2, 0.5, "spread"),
        Segment("b", encode(square(1)), 2),
    )
    return MaskSet(("cup", "lid"), segments, "grabcut")


def test_a_view_without_a_segment_is_unlabelled_and_one_with_another_objects_is_background():
    masks = two_objects()
    assert masks.views == ("a", "b")
    assert masks.mask("c") is None
    assert masks.labels("c") is None
    empty = masks.mask("b", 1)
    assert empty is not None
    assert not bool(empty.any())
    labels = masks.labels("a")
    assert labels is not None
    assert torch.equal(labels == 1, square(0))
    assert torch.equal(labels == 2, square(3))


def test_masks_are_read_back_as_they_were(tmp_path: Path):
    save_masks(two_objects(), tmp_path)
    assert load_masks(tmp_path) == two_objects()


@pytest.mark.parametrize(
    ("key", "value"),
    [("format", 9), ("segments", [{"view": "a"}]), ("names", 3), ("segments", [{"counts": [1]}])],
)
def test_damaged_masks_are_refused(tmp_path: Path, key: str, value: object):
    save_masks(two_objects(), tmp_path)
    path = tmp_path / "masks.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(InputError, match=r"masks\.json holds no masks of this version"):
        load_masks(tmp_path)
