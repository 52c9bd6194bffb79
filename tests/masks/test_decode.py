"""Decoding: labels of the user's own, and the wavefront, on two balls."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.geometry import Rays
from sanerf_hq.masks import (
    DecodeConfig,
    MaskSet,
    Polls,
    begin_survey,
    clicked_points,
    decode_masks,
    mask_set,
    shown_to,
)
from sanerf_hq.masks.vouched import Vouched, behind
from sanerf_hq.prompts import BoxPrompt, PointPrompt, Prompt, SpacePrompt, lift, marks_by_view
from sanerf_hq.radiance import SurfaceSamples, load_view_samples
from sanerf_hq.runs import Progress
from sanerf_hq.segmenters import DecoderPrompt, Embedding, Masks, load_segmenter
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
from support.greedy import Greedy

CLICK = PointPrompt("3", [center_pixel(3, 1)])


@dataclass
class ByColour:
    """Masks of one colour: that of the first positive point, or of the box's middle."""

    name: str = "by_colour"
    identity: str = "by_colour"
    leak_in: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)

    def embed(self, image: Tensor, view: str = "") -> Embedding:
        return Embedding({"image": image}, image.shape[0], image.shape[1], view)

    def mask_prompt(self, embedding: Embedding, logits: Tensor) -> Tensor:
        return logits

    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        self.asked.append(embedding.view)
        found = []
        for prompt in prompts:
            image = embedding.tensors["image"].int()
            points = prompt.point_coords[prompt.point_labels == 1]
            if not len(points):
                assert prompt.box is not None
                points = ((prompt.box[:2] + prompt.box[2:]) / 2)[None]
            x, y = points[0].long().tolist()
            mask = ((image - image[y, x]).abs().sum(-1) < 30)[None]
            mask = torch.ones_like(mask) if embedding.view in self.leak_in else mask
            logits = mask.float() * 8 - 4
            both = torch.cat([-logits, logits])  # the wrong one first, and with the better score
            found.append(Masks(both, torch.tensor([0.95, 0.9]), both))
        return found


@pytest.fixture
def field_(tmp_path: Path) -> BallField:
    return ball_field(tmp_path)


def truth(index: int, number: int = 1) -> Tensor:
    return torch.from_numpy(ball_photo(ball_camera(index))[1].astype(np.int64)) == number


def views_seeing(number: int) -> set[str]:
    return {f"images/{index}.png" for index in range(12) if index != 5 and bool(truth(index, number).any())}


def check_equals_truth(masks: MaskSet, number: int) -> None:
    for view in masks.views:
        mask = masks.mask(view)
        assert mask is not None
        assert torch.equal(mask, truth(int(Path(view).stem), number)), view


@pytest.mark.parametrize(
    "prompt",
    [
        CLICK,
        BoxPrompt("3", box_of(3, 1)),
        PointPrompt("5", [center_pixel(5, 1)]),
        PointPrompt(ball_camera(8), [center_pixel(8, 1)]),
        SpacePrompt([tuple((CENTERS[0] - torch.tensor([0, RADIUS, 0])).tolist())]),
    ],
)
def test_labels_of_ones_own_are_told_which_object_is_meant(field_: BallField, prompt: Prompt):
    masks = decode_masks(field_, load_segmenter("truth", field_.at_home().scene), prompt, "red")
    assert masks.names == ("red",)
    assert len(masks.views) == 11, "every training view is labelled, those that do not see it as background"
    check_equals_truth(masks, 1)


def test_views_that_call_the_object_otherwise_are_warned_of(
    field_: BallField, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    for other, said in ((255, False), (1, True)):
        folder = tmp_path / f"own{other}"
        folder.mkdir()
        for index in range(12):
            values = truth(index).numpy() * (other if index % 2 else 255)
            Image.fromarray(values.astype(np.uint8)).save(folder / f"{index}.png")
        decode_masks(field_, load_segmenter(f"masks:{folder}", field_.at_home().scene), CLICK)
        asked_for_one_value = "give an object the same value in all views" in caplog.text
        assert asked_for_one_value == said, caplog.text


@pytest.mark.parametrize(
    "prompt", [CLICK, BoxPrompt("3", box_of(3, 1)), PointPrompt("5", [center_pixel(5, 1)])]
)
def test_the_wavefront_reaches_every_view_that_sees_the_object(field_: BallField, prompt: Prompt):
    masks = decode_masks(field_, ByColour(), prompt)
    assert set(masks.views) == views_seeing(1)
    check_equals_truth(masks, 1)


def test_clicks_beside_the_object_count_with_those_before(field_: BallField):
    (x, y), beside = center_pixel(3, 1), center_pixel(3, 2)
    on, off = [(x, y), (x + 6, y), (x - 6, y)], [beside, (beside[0] + 1, beside[1])]
    in_one = PointPrompt("3", on, off)
    apart = [PointPrompt("3", on, off[:1]), PointPrompt("images/3.png", [], off[1:])]
    whole, split = (decode_masks(field_, Greedy(), prompts) for prompts in (in_one, apart))
    assert whole.views == split.views
    for view in whole.views:
        one, other = whole.mask(view), split.mask(view)
        assert one is not None and other is not None
        assert torch.equal(one, other), view
    mask = split.mask("images/3.png")
    assert mask is not None
    assert mask[int(y), int(x)] and not mask[int(beside[1]), int(beside[0])]


def test_two_boxes_of_one_view_stay_two_prompts(field_: BallField):
    boxes = [BoxPrompt("3", box_of(3, number), [center_pixel(3, number)]) for number in (1, 2)]
    marks = marks_by_view(field_, [*boxes, CLICK, CLICK])
    assert [(len(one.xy), one.box is not None) for one in marks] == [(1, True), (1, True), (2, False)]


def test_without_spreading_only_views_that_see_the_click_are_decoded(field_: BallField):
    few = decode_masks(field_, ByColour(), CLICK, config=DecodeConfig(spread=False))
    assert "images/3.png" in few.views
    assert "images/9.png" not in few.views, "the far side does not see the click"
    assert 2 <= len(few.views) < len(views_seeing(1))


def test_the_release_asks_for_most_of_the_points(field_: BallField):
    front, back = center_pixel(3, 1), center_pixel(9, 1)
    prompts = [PointPrompt("3", [front]), PointPrompt("9", [back])]
    both = decode_masks(field_, ByColour(), prompts, config=DecodeConfig(visible="most", spread=False))
    assert set(both.views) == {"images/3.png", "images/9.png"}, "no other view sees both sides"


@dataclass
class Everything(ByColour):
    """As ``ByColour``, but the whole picture comes first, and with by far the better score."""

    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        answers = super().decode(embedding, prompts)
        both = [
            torch.stack([torch.full_like(one.mask_logits[1], 4.0), one.mask_logits[1]]) for one in answers
        ]
        return [Masks(logits, torch.tensor([0.95, 0.5]), logits) for logits in both]


def test_what_reaches_far_beyond_several_clicks_is_not_meant(field_: BallField):
    x, y = center_pixel(3, 1)
    several = decode_masks(field_, Everything(), PointPrompt("3", [(x - 6, y), (x + 6, y), (x, y + 6)]))
    check_equals_truth(several, 1)
    alone = decode_masks(field_, Everything(), CLICK)
    mask = alone.mask("images/3.png")
    assert mask is not None and bool(mask.all()), "a lone click does not say how large a thing is"


X, Y = center_pixel(3, 1)
NEAREST = CENTERS[0] + RADIUS * torch.nn.functional.normalize(ball_camera(3).center - CENTERS[0], dim=0)
FROM_4 = tuple(int(value) for value in ball_camera(4).project(NEAREST[None]).xy[0].tolist())


@pytest.mark.parametrize(
    "prompts",
    [
        [PointPrompt("3", [(X, Y), (X, Y)])],
        [PointPrompt("3", [(X, Y), (X + 1, Y)])],
        [PointPrompt("3", [(X, Y)]), PointPrompt("4", [FROM_4])],
    ],
    ids=["twice", "side by side", "one spot in two views"],
)
def test_clicks_close_together_do_not_say_how_far_an_object_reaches(
    field_: BallField, prompts: list[PointPrompt]
):
    check_equals_truth(decode_masks(field_, ByColour(), prompts), 1)


def on_ball(azimuth_of: int) -> tuple[float, float, float]:
    """The point of the first ball that faces a camera of the ring."""
    towards = torch.nn.functional.normalize(ball_camera(azimuth_of).center - CENTERS[0], dim=-1)
    x, y, z = (CENTERS[0] + RADIUS * towards).tolist()
    return x, y, z


def test_a_click_that_has_no_point_in_space_is_stood_for_by_its_mask(field_: BallField):
    x, y = center_pixel(3, 1)
    past = int(truth(3)[y].nonzero().max()) + 2
    prompt = PointPrompt("3", [(x, y), (x + 1, y), (past, y)])
    assert len(clicked_points(field_, prompt)) == 2, "it lies on what is behind the ball"
    home, pool = field_.at_home(), load_view_samples(field_)
    pictures = shown_to(field_, ByColour(), DecodeConfig())
    survey = begin_survey(field_, pictures, prompt, Polls(home, pool), DecodeConfig())
    points = torch.tensor(survey.seeds())
    assert len(points) == 3
    assert float(((points - CENTERS[0]).norm(dim=-1) - RADIUS).abs().max()) < 1e-3, "all on the ball"
    x_there = float(ball_camera(3).project(points).xy[2, 0])
    assert x + 2 < x_there < past, "on the lost click's side, well inside the mask"


def test_a_click_that_lies_far_behind_what_its_mask_shows_is_forgotten(field_: BallField):
    x, y = center_pixel(3, 1)
    past = int(truth(3)[y].nonzero().max()) + 2
    home, pool = field_.at_home(), load_view_samples(field_)

    def seeds(*clicks: tuple[int, int]) -> Tensor:
        pictures = shown_to(field_, ByColour(), DecodeConfig())
        prompt = BoxPrompt("3", box_of(3, 1), clicks)
        survey = begin_survey(field_, pictures, prompt, Polls(home, pool), DecodeConfig())
        return torch.tensor(survey.seeds())

    prompt = PointPrompt("3", [(x, y), (past, y)])
    assert len(clicked_points(field_, prompt)) == 2, "of two clicks, lifting keeps both"
    for clicks in ([(x, y), (past, y)], [(x, y), (x + 3, y)]):
        off = (seeds(*clicks) - CENTERS[0]).norm(dim=-1) - RADIUS
        assert float(off.abs().max()) < 1e-3, "all on the ball"
    assert len(seeds((x, y), (x + 3, y))) == len(seeds((x, y), (past, y))) + 1


def test_a_3d_prompt_may_say_which_points_a_view_must_see(field_: BallField):
    points = [on_ball(3), on_ball(9)]
    release = DecodeConfig(visible="most", spread=False)

    def views(least: int | None, crucial: tuple[int, ...]) -> set[str]:
        prompt = SpacePrompt(points, least_visible=least, crucial=crucial)
        return set(decode_masks(field_, ByColour(), prompt, config=release).views)

    any_of_them, front, back = views(1, ()), views(1, (0,)), views(1, (1,))
    assert front | back == any_of_them
    assert "images/3.png" in front - back
    assert "images/9.png" in back - front
    with pytest.raises(InputError, match="no view came out"):
        views(None, ())  # both: no view sees the front and the back
    with pytest.raises(InputError, match="no view came out"):
        views(1, (0, 1))


def test_a_mask_that_leaks_is_left_out_and_its_view_unlabelled(field_: BallField):
    leaking = ByColour(leak_in=("images/4.png",))
    masks = decode_masks(field_, leaking, CLICK)
    assert "images/4.png" in leaking.asked
    assert set(masks.views) == views_seeing(1) - {"images/4.png"}
    check_equals_truth(masks, 1)


def test_a_rejected_view_is_asked_again_from_the_3d_mask_twice_at_most(field_: BallField):
    leaking = ByColour(leak_in=("images/4.png",))
    decode_masks(field_, leaking, CLICK, config=DecodeConfig(again=0))
    assert leaking.asked.count("images/4.png") == 3
    once = ByColour(leak_in=("images/4.png",))
    decode_masks(field_, once, CLICK, config=DecodeConfig(rounds=0, again=0))
    assert once.asked.count("images/4.png") == 1


@dataclass
class Dented(ByColour):
    """Shows only the left part of what is meant in some views, until it is asked by a mask."""

    dented: tuple[str, ...] = ()

    def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
        answers = super().decode(embedding, prompts)
        if embedding.view in self.dented:
            for prompt, masks in zip(prompts, answers, strict=True):
                if prompt.mask_logits is None:
                    columns = (masks.mask_logits[1] > 0).any(0).nonzero()[:, 0]
                    masks.mask_logits[:, :, int(columns[0]) + int(0.65 * len(columns)) :] = -4
        return answers


def test_in_the_end_views_that_differ_are_asked_again_by_the_3d_mask(field_: BallField):
    once, again = (Dented(dented=("images/4.png",)) for _ in range(2))
    dented = decode_masks(field_, once, CLICK, config=DecodeConfig(rounds=0, again=0))
    assert set(dented.views) == views_seeing(1)
    mask = dented.mask("images/4.png")
    assert mask is not None and int(mask.sum()) < 0.9 * int(truth(4).sum())
    masks = decode_masks(field_, again, CLICK, config=DecodeConfig(rounds=0, again=1))
    check_equals_truth(masks, 1)
    more = {view: again.asked.count(view) - once.asked.count(view) for view in masks.views}
    assert more == {view: int(view == "images/4.png") for view in masks.views}
    few = decode_masks(field_, ByColour(), CLICK, config=DecodeConfig(spread=False, again=1))
    assert "images/9.png" not in few.views, "the far side does not see the click"


def test_a_view_that_answers_better_when_asked_again_is_taken_in(field_: BallField):
    @dataclass
    class AtSecondTry(ByColour):
        def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
            first = embedding.view not in self.asked
            self.leak_in = ("images/4.png",) if first else ()
            return super().decode(embedding, prompts)

    masks = decode_masks(field_, AtSecondTry(), CLICK)
    assert set(masks.views) == views_seeing(1)
    check_equals_truth(masks, 1)
    assert {one.source for one in masks.segments if one.view == "images/4.png"} == {"repeated"}


@pytest.mark.parametrize("threads", [1, 2])
def test_no_mask_holds_what_was_clicked_for_another_object(field_: BallField, threads: int):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rivals = clicked_points(field_, PointPrompt("3", [center_pixel(3, 2)]))
        polls = Polls(field_.at_home(), load_view_samples(field_))
        config = DecodeConfig(spread=False)
        shares = []
        for others in (None, rivals):
            survey = begin_survey(field_, shown_to(field_, Greedy(), config), CLICK, polls, config, others)
            survey.decode(None, lambda *_: None)
            masks = mask_set({"one": survey}, "greedy")
            both = either = 0
            for view in masks.views:
                mask, true = masks.mask(view), truth(int(Path(view).stem))
                assert mask is not None
                both, either = both + int((mask & true).sum()), either + int((mask | true).sum())
            shares.append(both / either)
    finally:
        torch.set_num_threads(before)
    assert shares[0] < 0.8 and shares[1] > 0.95


def test_the_preview_needs_only_the_first_views(field_: BallField):
    config = DecodeConfig(preview_views=3)
    segmenter = ByColour()
    polls = Polls(field_.at_home(), load_view_samples(field_))
    survey = begin_survey(field_, shown_to(field_, segmenter, config), CLICK, polls, config)
    survey.decode(config.preview_views, lambda done, total: None)
    assert len(set(segmenter.asked)) == 3
    assert segmenter.asked[0] == "images/3.png", "the clicked view comes first"
    assert 1 <= len(survey.segments()) <= 3
    survey.decode(None, lambda done, total: None)
    assert {one.view for one in survey.segments()} == views_seeing(1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_views_that_carry_the_neighbours_mask_are_left_out(field_: BallField, seed: int):
    damaged = load_segmenter(f"damaged:wrong=0.4,seed={seed}", field_.at_home().scene)
    masks = decode_masks(field_, damaged, CLICK, "red")
    assert len(masks.views) == 7, "of 11 views 4 are wrong"
    check_equals_truth(masks, 1)
    equal = DecodeConfig(weigh=False, reject=False, choose=False, rounds=0, again=0)
    assert len(decode_masks(field_, damaged, CLICK, "red", equal).views) == 11


def test_views_are_encoded_once_for_two_objects(field_: BallField):
    @dataclass
    class Counting(ByColour):
        encoded: list[str] = field(default_factory=list)

        def embed(self, image: Tensor, view: str = "") -> Embedding:
            self.encoded.append(view)
            return super().embed(image, view)

    segmenter = Counting()
    decode_masks(field_, segmenter, CLICK)
    first = list(segmenter.encoded)
    decode_masks(field_, segmenter, CLICK)
    assert sorted(first) == sorted(views_seeing(1))
    assert segmenter.encoded == first


def test_renders_can_be_segmented_instead_of_photos(field_: BallField):
    masks = decode_masks(field_, ByColour(), CLICK, config=DecodeConfig(segment_on="render"))
    check_equals_truth(masks, 1)


def test_cancelling_stops_the_wavefront(field_: BallField):
    def stop(progress: Progress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        decode_masks(field_, ByColour(), CLICK, progress=stop)


def test_nothing_prompted_and_nothing_found_are_errors(field_: BallField):
    with pytest.raises(InputError, match="there is no prompt"):
        decode_masks(field_, ByColour(), [])
    labels = load_segmenter("truth", field_.at_home().scene)
    with pytest.raises(InputError, match="labels nothing where the points are seen"):
        decode_masks(field_, labels, SpacePrompt([(0.0, 8.0, 0.0)]))
    hidden = SpacePrompt([(0.0, 0.0, 0.0)])
    with pytest.raises(InputError, match="no view came out with a mask"):
        decode_masks(field_, ByColour(), hidden)


def test_a_negative_click_in_another_view_reaches_every_view_that_sees_it(tmp_path: Path):
    field, other = ball_field(tmp_path), center_pixel(6, 2)
    asked: list[DecoderPrompt] = []

    class Listening(ByColour):
        def decode(self, embedding: Embedding, prompts: list[DecoderPrompt]) -> list[Masks]:
            asked.extend(prompts)
            return super().decode(embedding, prompts)

    decode_masks(field, Listening(), [CLICK, PointPrompt("6", [], [other])])
    assert sum(bool((prompt.point_labels == 0).any()) for prompt in asked) > 2
    with pytest.raises(InputError, match="no prompt says where the object is"):
        decode_masks(field, ByColour(), PointPrompt("6", [], [other]))


class Rough(BallField):
    """Of which distances differ in the last bits by the number of rays that are computed together."""

    def surfaces(self, rays: Rays) -> SurfaceSamples:
        found = super().surfaces(rays)
        return replace(found, distance=found.distance * (1 + 1e-6 * len(rays)))


@pytest.mark.parametrize("beside", [[], [(1, 1)], [(1, 1), (62, 1), (1, 46)]])
def test_negative_clicks_do_not_keep_a_click_that_went_astray(
    field_: BallField, beside: list[tuple[int, int]]
):
    x, y = center_pixel(3, 1)
    past = int(truth(3)[y].nonzero().max()) + 2
    rough = Rough(**vars(field_))
    (marks,) = marks_by_view(rough, [PointPrompt("3", [(x, y), (past, y)], beside)])
    user = Vouched(rough, rough.at_home().cameras)
    user.add(lift(rough, marks))
    clicks, points = behind(rough, marks, 4.0)
    assert clicks.tolist() == [[past + 0.5, y + 0.5]]
    user.forget(points)
    assert len(user.on_object) == 1
    assert int((user.cloud.labels == 0).sum()) == len(beside)


@pytest.mark.parametrize("first", [PointPrompt("4", [], [center_pixel(4, 2)]), PointPrompt("4", [(1, 1)])])
def test_labels_are_told_by_the_first_view_whose_prompts_hit_one(field_: BallField, first: PointPrompt):
    labels = load_segmenter("truth", field_.at_home().scene)
    masks = decode_masks(field_, labels, [first, CLICK], "red")
    check_equals_truth(masks, 1)
    with pytest.raises(InputError, match=r"view images/4\.png hit only"):
        decode_masks(field_, labels, [PointPrompt("4", [(1, 1)]), PointPrompt("3", [(1, 1)])])
