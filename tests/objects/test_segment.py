"""From prompts to objects: preview, several identities, further ones beside; on two balls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.masks import DecodeConfig, MaskSet, decode_masks
from sanerf_hq.objects import ObjectConfig, Preview, load_object_field, preview_of, segment_objects
from sanerf_hq.prompts import PointPrompt
from sanerf_hq.radiance import GridConfig, ViewSamples, load_view_samples
from sanerf_hq.runs import SegmentationFolder
from sanerf_hq.segmenters import load_segmenter
from support.balls import TEST_VIEW, BallField, ball_camera, ball_field, ball_photo, center_pixel

CONFIG = ObjectConfig(
    grid=GridConfig(n_levels=4, n_features=2, log2_table=12, finest=64),
    steps=20,
    steps_where_exact=20,
    rays=1024,
    band_share=0.5,
    band_rays=3000,
)
RED, GREEN = (PointPrompt("3", [center_pixel(3, number)]) for number in (1, 2))


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> BallField:
    return ball_field(tmp_path_factory.mktemp("balls"))


@pytest.fixture(scope="module")
def pool(field: BallField) -> ViewSamples:
    return load_view_samples(field)


def truth(number: int, view: int = TEST_VIEW) -> torch.Tensor:
    return torch.from_numpy(ball_photo(ball_camera(view))[1].astype(np.int64)) == number


def iou(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one & other).sum() / (one | other).sum())


def masks_of(field: BallField, spec: str = "truth", config: DecodeConfig | None = None) -> MaskSet:
    return decode_masks(field, load_segmenter(spec, field.at_home().scene), RED, "red", config)


def test_the_preview_is_the_object_without_any_training(field: BallField, pool: ViewSamples):
    preview = preview_of(field, masks_of(field), pool)
    seen = preview.render(ball_camera(TEST_VIEW))
    assert iou(seen.mask, truth(1)) > 0.93
    assert torch.allclose(seen.probabilities.sum(-1), torch.ones(48, 64), atol=1e-5)
    assert preview.names == ("red",)


def test_a_preview_in_a_training_view_is_as_if_rendered(field: BallField, pool: ViewSamples):
    preview = preview_of(field, masks_of(field), pool)
    number = 3
    at_once = preview.mask_in(pool, number)
    rendered = preview.render(field.at_home().cameras[number]).mask
    assert iou(at_once, rendered) > 0.97
    assert iou(at_once, truth(1, 3)) > 0.93


def test_a_stricter_threshold_leaves_less_without_counting_again(field: BallField, pool: ViewSamples):
    equal = DecodeConfig(weigh=False, reject=False, choose=False, rounds=0, again=0)
    preview = preview_of(field, masks_of(field, "damaged:wobble=2,leak=0.5,seed=1", equal), pool)
    sizes = [int(preview.with_gamma(g).render(ball_camera(3)).mask.sum()) for g in (-0.7, 0.0, 0.7)]
    assert sizes[0] > sizes[1] > sizes[2] > 0
    assert preview.with_gamma(0.7).grid is preview.grid
    with pytest.raises(InputError, match="gamma must lie between -1 and 1"):
        preview.with_gamma(1.0)


def test_a_field_starts_as_the_votes_have_it(field: BallField, pool: ViewSamples):
    from sanerf_hq.objects.field import ObjectField
    from sanerf_hq.objects.train import new_state
    from sanerf_hq.runs import Key

    preview = preview_of(field, masks_of(field), pool)
    state = new_state(CONFIG, field.network.n_geometry, 1, 0, Key(0, "t", 0), torch.device("cpu"))
    start = ObjectField(field, state.network, preview.region, ("red",), CONFIG, preview.grid)
    camera = ball_camera(TEST_VIEW)
    assert iou(start.render(camera).mask, preview.render(camera).mask) > 0.97


def test_two_objects_are_previewed_and_trained_in_one_field(field: BallField):
    shown: list[Preview] = []
    segmenter = load_segmenter("truth", field.at_home().scene)
    decoding = DecodeConfig(preview_views=8)
    made = segment_objects(
        field, segmenter, {"red": RED, "green": GREEN}, "both", decoding, CONFIG, on_preview=shown.append
    )
    assert made.masks.names == ("red", "green")
    assert [len(preview.names) for preview in shown] == [2]
    assert made.preview is shown[0]
    for number in (1, 2):
        labels = made.field.render(ball_camera(TEST_VIEW)).labels
        assert iou(labels == number, truth(number)) > 0.9
        assert iou(shown[0].render(ball_camera(TEST_VIEW)).labels == number, truth(number)) > 0.85


def test_a_further_object_leaves_the_others_as_they_were(field: BallField):
    segmenter = load_segmenter("truth", field.at_home().scene)
    alone = segment_objects(field, segmenter, {"red": RED}, "first", config=CONFIG)
    camera = ball_camera(TEST_VIEW)
    before = alone.field.render(camera).mask
    told: list[bool] = []

    def record(folder: SegmentationFolder, names: tuple[str, ...]) -> None:
        told.append(load_object_field(field, "first").names == ("red",) and names == ("red", "green"))
        (folder.folder / "notes").write_text("of both")

    more = segment_objects(
        field,
        segmenter,
        {"green": GREEN},
        "first",
        config=CONFIG,
        beside=alone.masks,
        overwrite=True,
        record=record,
    )
    assert told == [True], "what was there stays until the new one is whole"
    assert (field.at_home().run.segmentation("first").folder / "notes").read_text() == "of both"
    assert more.field.names == ("red", "green")
    labels = more.field.render(camera).labels
    assert iou(labels == 1, before) > 0.97
    assert iou(labels == 2, truth(2)) > 0.9


def test_an_object_that_is_not_labelled_in_a_view_may_be_there(field: BallField, pool: ViewSamples):
    """Each is labelled in every second view alone; neither is background where the other is labelled."""
    red, green = (
        decode_masks(field, load_segmenter("truth", field.at_home().scene), prompt, name)
        for prompt, name in ((RED, "red"), (GREEN, "green"))
    )
    half = replace(red, segments=red.segments[::2]).joined(replace(green, segments=green.segments[1::2]))
    assert len(half.views) == 11
    labels = preview_of(field, half, pool).render(ball_camera(TEST_VIEW)).labels
    assert iou(labels == 1, truth(1)) > 0.85
    assert iou(labels == 2, truth(2)) > 0.85


def test_wrong_masks_are_outvoted_only_where_they_are_weighed(field: BallField, pool: ViewSamples):
    spec = "damaged:wrong=0.45,seed=0"
    equal = DecodeConfig(weigh=False, reject=False, choose=False, rounds=0, again=0)
    good, bad = (
        sum(iou(preview.render(ball_camera(view)).mask, truth(1, view)) for view in (1, 3, 7, 9)) / 4
        for preview in (preview_of(field, masks_of(field, spec, config), pool) for config in (None, equal))
    )
    assert good > 0.8
    assert bad < 0.6


def test_damaged_masks_are_nobodys_labels(field: BallField):
    equal = DecodeConfig(weigh=False, reject=False, choose=False, rounds=0, again=0)
    assert masks_of(field, "truth", equal).are_exact
    assert not masks_of(field, "damaged:wobble=1,seed=0", equal).are_exact


def test_nothing_prompted_is_an_error(field: BallField):
    segmenter = load_segmenter("truth", field.at_home().scene)
    with pytest.raises(InputError, match="nothing is prompted"):
        segment_objects(field, segmenter, {})
    with pytest.raises(InputError, match="there is an object 'red' already"):
        segment_objects(field, segmenter, {"red": RED}, "x", beside=masks_of(field))
    assert "x" not in field.at_home().run.segmentation_names()
