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


def possible(masks: MaskSet, view: str) -> torch.Tensor:
    found = masks.labelling(view)
    assert found is not None
    return found.possible


@pytest.mark.parametrize(
    ("source", "scores", "exact"),
    [
        ("labels", (1.0, 0.99, 0.3), True),
        ("labels", (1.0, 0.9, 0.97), False),
        ("user", (1.0, 1.0, 1.0), False),
        ("labels", (), False),
    ],
)
def test_only_labels_that_agree_are_exact(source: str, scores: tuple[float, ...], exact: bool):
    mask = encode(square(0))
    segments = tuple(Segment(str(i), mask, 1, score, source) for i, score in enumerate(scores))
    assert MaskSet(("cup",), segments, "any").are_exact is exact


def test_a_view_without_a_segment_of_an_object_says_nothing_of_it():
    masks = two_objects()
    assert masks.views == ("a", "b")
    assert masks.mask("c") is None
    assert masks.mask("b", 1) is None
    for identity, where in ((1, 0), (2, 3)):
        mask = masks.mask("a", identity)
        assert mask is not None
        assert torch.equal(mask, square(where))


def test_a_pixel_may_be_what_its_view_does_not_rule_out():
    masks = two_objects()
    both, one = possible(masks, "a"), possible(masks, "b")
    assert masks.labelling("c") is None
    free = ~(square(0) | square(3))
    assert torch.equal(both, torch.stack([free, square(0), square(3)])), "both objects are labelled in a"
    assert torch.equal(one[2], square(1))
    assert torch.equal(one[1], ~square(1)), "of the cup b says nothing: beside the lid it may be anywhere"
    assert torch.equal(one[0], ~square(1))


def test_where_masks_overlap_either_may_be_there():
    segments = (Segment("a", encode(square(0)), 1), Segment("a", encode(square(1)), 2))
    either = possible(MaskSet(("cup", "lid"), segments, "grabcut"), "a")
    assert either[:, 1, 3].tolist() == [False, True, True]
    assert either[:, 0, 3].tolist() == [False, True, False]


def test_a_label_is_trusted_as_its_segment_is():
    found = two_objects().labelling("a")
    assert found is not None
    trust = found.trust
    assert float(trust[0, 2]) == pytest.approx(0.9)
    assert float(trust[3, 2]) == pytest.approx(0.5)
    assert float(trust[5, 8]) == pytest.approx(0.7)


def test_sets_are_joined_and_parted():
    one = MaskSet(("pot",), (Segment("b", encode(square(2))),), "compact", (((1.0, 2.0, 3.0),),))
    joined = two_objects().joined(one)
    assert joined.names == ("cup", "lid", "pot")
    assert joined.segmenter == "grabcut, compact"
    assert joined.seeds == ((), (), ((1.0, 2.0, 3.0),))
    pot = joined.mask("b", 3)
    assert pot is not None
    assert torch.equal(pot, square(2))
    parted = joined.without({"cup"})
    assert parted.names == ("lid", "pot")
    assert [(one.view, one.identity) for one in parted.segments] == [("a", 1), ("b", 1), ("b", 2)]
    assert joined.without({"pot"}).segments == two_objects().segments
    with pytest.raises(InputError, match="there is an object 'lid' already"):
        joined.joined(two_objects().without({"cup"}))


def test_masks_are_read_back_as_they_were(tmp_path: Path):
    save_masks(two_objects(), tmp_path)
    assert load_masks(tmp_path) == two_objects()
    seeded = MaskSet(("pot",), (Segment("b", encode(square(2))),), "compact", (((1.0, 2.0, 3.0),),))
    save_masks(seeded, tmp_path)
    assert load_masks(tmp_path) == seeded
    assert seeded.digest == load_masks(tmp_path).digest
    assert seeded.digest != MaskSet(seeded.names, seeded.segments, "compact").digest


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 9),
        ("segments", [{"view": "a"}]),
        ("names", 3),
        ("segments", [{"counts": [1]}]),
        ("seeds", [[]]),
    ],
)
def test_damaged_masks_are_refused(tmp_path: Path, key: str, value: object):
    save_masks(two_objects(), tmp_path)
    path = tmp_path / "masks.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(InputError, match=r"masks\.json holds no masks of this version"):
        load_masks(tmp_path)
