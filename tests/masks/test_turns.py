"""Turns: clicks that come after others, on two balls, with a segmenter that takes two clicks for a whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.masks import DecodeConfig, MaskSet, decode_masks
from sanerf_hq.prompts import BoxPrompt, PointPrompt, Prompt, SpacePrompt
from sanerf_hq.segmenters import DecoderPrompt, Embedding, Masks
from support.balls import (
    CENTERS,
    RADIUS,
    BallField,
    ball_camera,
    ball_field,
    ball_photo,
    box_of,
    center_pixel,
)

NEAR = 2.0  # pixels


@dataclass
class Wholesale:
    """The ball that is clicked, or, of two clicks that are not both on it, the whole picture.

    With a mask prompt it is that mask, and the pixels near the clicks on the object, without those near
    the clicks beside it. ``at_once`` counts prompts that are answered by the whole picture.
    """

    name: str = "wholesale"
    identity: str = "wholesale"
    at_once: int = 0
    prompts: int = 0

    def embed(self, image: Tensor, view: str = "") -> Embedding:
        return Embedding({"image": image}, image.shape[0], image.shape[1], view)

    def mask_prompt(self, embedding: Embedding, logits: Tensor) -> Tensor:
        size = embedding.height, embedding.width
        return torch.nn.functional.interpolate(logits[None, None], size, mode="nearest")[0, 0]

    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        found = []
        for prompt in prompts:
            image = embedding.tensors["image"].int()
            xy, on = prompt.point_coords, prompt.point_labels == 1
            assert prompt.mask_logits is not None or prompt.box is not None or bool(on.any())
            self.prompts += 1
            if prompt.mask_logits is not None:
                mask = (prompt.mask_logits > 0) | near(image, xy[on])
            else:
                box = prompt.box
                points = xy[on] if box is None else ((box[:2] + box[2:]) / 2)[None]
                x, y = points[0].long().tolist()
                mask = (image - image[y, x]).abs().sum(-1) < 30
                if not bool(mask[points[:, 1].long(), points[:, 0].long()].all()):
                    mask = torch.ones_like(mask)
                    self.at_once += 1
            mask &= ~near(image, xy[~on])
            logits = mask[None].float() * 8 - 4
            found.append(Masks(logits, torch.tensor([0.9]), logits))
        return found


def near(image: Tensor, xy: Tensor) -> Tensor:
    rows, columns = image.shape[:2]
    y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
    every = torch.stack([x, y], -1).reshape(-1, 2)
    if not len(xy):
        return torch.zeros(rows, columns, dtype=torch.bool)
    return (torch.cdist(every, xy).amin(1) <= NEAR).view(rows, columns)


@dataclass
class Misreading(Wholesale):
    """All of the picture; the red ball once a click beside it comes with a mask prompt."""

    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        found = []
        for prompt in prompts:
            image, beside = embedding.tensors["image"], prompt.point_labels == 0
            mask = torch.ones(image.shape[:2], dtype=torch.bool)
            if prompt.mask_logits is not None and bool(beside.any()):
                mask = ball(int(Path(embedding.view).stem))
            logits = (mask & ~near(image, prompt.point_coords[beside]))[None].float() * 8 - 4
            found.append(Masks(logits, torch.tensor([0.9]), logits))
        return found


@pytest.fixture
def field_(tmp_path: Path) -> BallField:
    return ball_field(tmp_path)


def ball(index: int, number: int = 1) -> Tensor:
    return torch.from_numpy(ball_photo(ball_camera(index))[1].astype(np.int64)) == number


def beyond(index: int, away: int) -> tuple[int, int]:
    """A pixel below the red ball, so many pixels from its outline."""
    mask = ball(index)
    rows = mask.any(1).nonzero()[:, 0]
    column = int(mask[rows[-1]].nonzero().float().mean())
    return column, int(rows[-1]) + away


def mean_iou(masks: MaskSet) -> float:
    ious = []
    for view in masks.views:
        mask, truth = masks.mask(view), ball(int(Path(view).stem))
        assert mask is not None
        ious.append(int((mask & truth).sum()) / max(1, int((mask | truth).sum())))
    return float(np.mean(ious))


FIRST = PointPrompt("3", [center_pixel(3, 1)])


def test_a_click_just_beyond_the_rim_given_by_itself_adds_what_lies_there(field_: BallField):
    rim, segmenter = beyond(3, 2), Wholesale()
    assert not ball(3)[rim[1], rim[0]]
    masks = decode_masks(field_, segmenter, [FIRST, PointPrompt("3", [rim])])
    own = masks.mask("images/3.png")
    assert own is not None and bool(own[rim[1], rim[0]])
    assert segmenter.at_once == 0 and mean_iou(masks) > 0.9


def test_the_same_clicks_in_one_prompt_are_two_places_of_one_thing(field_: BallField):
    segmenter = Wholesale()
    decode_masks(field_, segmenter, PointPrompt("3", [*FIRST.positive, beyond(3, 2)]))
    assert segmenter.at_once > 0


def test_a_click_beside_the_object_takes_away_what_it_shows(field_: BallField):
    x, y = center_pixel(3, 1)
    inside = (x, y - 5)
    assert bool(ball(3)[inside[1], inside[0]])
    masks = decode_masks(field_, Wholesale(), [FIRST, PointPrompt("3", [], [inside])])
    own = masks.mask("images/3.png")
    assert own is not None and not bool(own[inside[1], inside[0]]) and bool(own[y, x])
    assert mean_iou(masks) > 0.7


def test_a_click_beside_the_object_that_leaves_nothing_of_it_shows_that_it_was_misread(field_: BallField):
    sides = torch.tensor([[RADIUS, 0, 0], [-RADIUS, 0, 0], [0, RADIUS, 0], [0, -RADIUS, 0]])
    aside = SpacePrompt([], [(x, y, z) for x, y, z in (CENTERS[1] + sides).tolist()])
    assert mean_iou(decode_masks(field_, Misreading(), FIRST)) < 0.3
    assert mean_iou(decode_masks(field_, Misreading(), [FIRST, aside])) > 0.95


ON_TOP = SpacePrompt([tuple((CENTERS[0] - torch.tensor([0, RADIUS, 0])).tolist())])


@pytest.mark.parametrize("first", [BoxPrompt("3", box_of(3, 1)), ON_TOP])
def test_boxes_and_points_in_space_are_corrected_alike(field_: BallField, first: Prompt):
    rim, segmenter = beyond(3, 2), Wholesale()
    masks = decode_masks(field_, segmenter, [first, PointPrompt("3", [rim])])
    own = masks.mask("images/3.png")
    assert own is not None and bool(own[rim[1], rim[0]])
    assert segmenter.at_once == 0 and mean_iou(masks) > 0.85


def test_a_box_comes_first_wherever_it_stands(field_: BallField):
    given = [PointPrompt("3", [beyond(3, 2)]), BoxPrompt("3", box_of(3, 1))]
    first, second = (decode_masks(field_, Wholesale(), prompts) for prompts in (given, given[::-1]))
    check_same(first, second)


def test_a_correction_may_be_made_in_any_picture_or_in_space(field_: BallField):
    x, y = center_pixel(3, 1)
    camera, inside = ball_camera(3), torch.tensor([[x + 0.5, y - 4.5]])
    (point,) = camera.unproject(inside, field_.depth_at(camera, inside)).tolist()
    for second in (PointPrompt(camera, [], [(x, y - 5)]), SpacePrompt([], [tuple(point)])):
        masks = decode_masks(field_, Wholesale(), [FIRST, second])
        own = masks.mask("images/3.png")
        assert own is not None and not bool(own[y - 5, x]) and bool(own[y, x]), second


def test_negative_clicks_that_come_first_wait_for_one_on_the_object(field_: BallField):
    aside = PointPrompt("7", [], [center_pixel(7, 2)])
    check_same(*(decode_masks(field_, Wholesale(), given) for given in ([aside, FIRST], [FIRST, aside])))


def check_same(one: MaskSet, other: MaskSet) -> None:
    assert one.views == other.views
    for view in one.views:
        a, b = one.mask(view), other.mask(view)
        assert a is not None and b is not None and torch.equal(a, b)


def test_a_click_that_shows_what_lies_far_behind_counts_in_its_own_picture_alone(field_: BallField):
    rim, (x, y) = beyond(3, 2), center_pixel(3, 1)
    alone = decode_masks(field_, Wholesale(), FIRST)
    # Neither is a training view: there is no picture for it to count in.
    for astray in (PointPrompt(ball_camera(3), [rim]), PointPrompt("5", [beyond(5, 2)])):
        check_same(decode_masks(field_, Wholesale(), [FIRST, astray]), alone)
        after = decode_masks(field_, Wholesale(), [FIRST, astray, PointPrompt("3", [], [(x, y - 5)])])
        assert len(after.views) == len(alone.views) and len(after.seeds[0]) == len(alone.seeds[0])


def test_a_lone_point_in_space_does_not_say_how_far_the_object_reaches(field_: BallField):
    x, y = center_pixel(3, 1)
    for more in ([], [PointPrompt("3", [(x + 3, y)])], [ON_TOP]):
        masks = decode_masks(field_, Wholesale(), [ON_TOP, *more], config=DecodeConfig(preview_views=2))
        assert len(masks.views) == 10, more


def test_clicks_beside_the_object_are_waited_for_before_views_are_asked(field_: BallField):
    x, y = center_pixel(3, 1)
    beside = [PointPrompt("3", [], [(x, y - 5 + n)]) for n in range(3)]
    one, three = Wholesale(), Wholesale()
    decode_masks(field_, one, [FIRST, beside[0]])
    decode_masks(field_, three, [FIRST, *beside])
    assert three.prompts <= one.prompts + 4, "the clicked picture is asked with each"


def test_a_click_beside_the_object_in_a_view_not_yet_looked_at_does_no_harm(field_: BallField):
    given = [FIRST, PointPrompt("3", [beyond(3, 2)]), PointPrompt("0", [], [(1, 1)])]
    masks = decode_masks(field_, Wholesale(), given, config=DecodeConfig(preview_views=2))
    assert len(masks.views) == 10 and mean_iou(masks) > 0.95


def test_what_is_wrong_with_a_later_prompt_is_said_before_views_are_asked(field_: BallField):
    segmenter = Wholesale()
    with pytest.raises(InputError, match="lies off"):
        decode_masks(field_, segmenter, [FIRST, PointPrompt("4", [(999, 1)])])
    assert segmenter.prompts <= 1
