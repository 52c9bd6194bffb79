"""Object fields on two balls: what comes out in a view that no mask was given for."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.evaluate import Confusion
from sanerf_hq.masks import MaskSet, Segment, decode_masks
from sanerf_hq.masks.rle import encode
from sanerf_hq.objects import (
    OBJECT_PRESETS,
    ObjectConfig,
    ObjectField,
    RayPairConfig,
    load_object_field,
    train_object_field,
)
from sanerf_hq.objects.labels import add_outlines, gather_pool, near_outline
from sanerf_hq.objects.train import label_loss
from sanerf_hq.prompts import PointPrompt
from sanerf_hq.radiance import GridConfig, load_view_samples
from sanerf_hq.runs import Key, Progress
from sanerf_hq.segmenters import load_segmenter
from support.balls import CENTERS, TEST_VIEW, BallField, ball_camera, ball_field, ball_photo, center_pixel

CONFIG = ObjectConfig(
    grid=GridConfig(n_levels=4, n_features=2, log2_table=12, finest=64),
    steps_where_exact=120,
    rays=2048,
    band_share=0.5,
    band_rays=8000,
)


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> BallField:
    return ball_field(tmp_path_factory.mktemp("balls"))


def truth(number: int) -> torch.Tensor:
    return torch.from_numpy(ball_photo(ball_camera(TEST_VIEW))[1].astype(np.int64)) == number


def masks_of(field: BallField, number: int, name: str) -> MaskSet:
    labels = load_segmenter("truth", field.at_home().scene)
    return decode_masks(field, labels, PointPrompt("3", [center_pixel(3, number)]), name)


@pytest.fixture(scope="module")
def red(field: BallField) -> ObjectField:
    return train_object_field(field, masks_of(field, 1, "red"), config=CONFIG)


def test_the_mask_holds_in_a_view_without_one(red: ObjectField):
    seen = red.render(ball_camera(TEST_VIEW))
    right, wrong = Confusion().add(seen.mask, truth(1)), Confusion().add(seen.mask, truth(2))
    assert right.iou is not None
    assert wrong.iou is not None
    assert right.iou > 0.93
    assert wrong.iou < 0.05
    assert torch.allclose(seen.probabilities.sum(-1), torch.ones(48, 64), atol=1e-5)


def test_points_are_asked_in_the_scenes_coordinates(red: ObjectField):
    side = torch.tensor([0.0, -0.5, 0.0])
    points = torch.stack([CENTERS[0] + side, CENTERS[1] + side, torch.tensor([0.0, 0.0, 8.0])])
    probability = red.probability(points)
    assert probability.shape == (3, 2)
    assert float(probability[0, 1]) > 0.9
    assert float(probability[1:, 1].max()) < 0.1
    assert red.probability(points[:0]).shape == (0, 2)


def test_a_ray_that_meets_nothing_is_background(red: ObjectField):
    away = replace(ball_camera(TEST_VIEW))
    bare = replace(red, radiance=replace(red.radiance, shell=False))  # pyright: ignore[reportCallIssue]
    seen = bare.render(away)
    assert not bool(seen.mask[0, 0])
    assert float(seen.probabilities[0, 0, 0]) > 0.99
    assert bool(seen.mask.any())


def test_a_cutout_shows_the_object_alone(red: ObjectField):
    cut = red.cutout(ball_camera(TEST_VIEW))
    assert cut.shape == (48, 64, 4)
    alpha = cut[..., 3]
    assert float(alpha[truth(1)].mean()) > 0.85
    assert float(alpha[~truth(1)].mean()) < 0.05


def test_a_field_is_read_back_as_it_was(field: BallField, red: ObjectField):
    again = load_object_field(field, "red")
    camera = ball_camera(TEST_VIEW)
    assert again.names == ("red",)
    assert torch.equal(again.region.cells, red.region.cells)
    assert torch.equal(again.render(camera).logits, red.render(camera).logits)
    with pytest.raises(InputError, match=r"no segmentation 'blue'; it has: .*red"):
        load_object_field(field, "blue")


def test_two_objects_in_one_field(field: BallField):
    red, green = masks_of(field, 1, "red"), masks_of(field, 2, "green")
    segments = red.segments + tuple(replace(segment, identity=2) for segment in green.segments)
    both = train_object_field(field, MaskSet(("red", "green"), segments, "truth"), "both", CONFIG)
    labels = both.render(ball_camera(TEST_VIEW)).labels
    for number in (1, 2):
        score = Confusion().add(labels == number, truth(number)).iou
        assert score is not None
        assert score > 0.9


def test_a_cancelled_training_ends_like_an_unbroken_one(field: BallField, red: ObjectField):
    masks = masks_of(field, 1, "red")

    def stop_half_way(progress: Progress) -> None:
        if progress.stage.startswith("segmentations/") and progress.done >= 30:
            raise Cancelled

    with pytest.raises(Cancelled):
        train_object_field(field, masks, "again", CONFIG, stop_half_way)
    assert "again" not in field.at_home().run.segmentation_names()
    with pytest.raises(InputError, match=r"segmentation 'again' of .* is not finished; run the same"):
        load_object_field(field, "again")
    resumed = train_object_field(field, masks, "again", CONFIG)
    whole = train_object_field(field, masks, "whole", CONFIG)
    # Chance depends on the segmentation's name, so the two differ from each other but not from themselves.
    field.at_home().run.remove_segmentation("again")
    unbroken = train_object_field(field, masks, "again", CONFIG)
    for name, value in unbroken.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    assert not torch.equal(whole.network.table, unbroken.network.table)


def test_pairs_drawn_before_a_stop_are_trained_on_after_it(field: BallField):
    masks = masks_of(field, 1, "red")
    pairs = RayPairConfig(maps=12, views=4, draw_every=25, sets=4, colours="photo")
    config = replace(CONFIG, pairs=pairs)

    def stop_between_drawings(progress: Progress) -> None:
        if progress.stage.startswith("segmentations/") and 70 <= progress.done < 80:
            raise Cancelled

    with pytest.raises(Cancelled):
        train_object_field(field, masks, "paired", config, stop_between_drawings)
    resumed = train_object_field(field, masks, "paired", config)
    field.at_home().run.remove_segmentation("paired")
    unbroken = train_object_field(field, masks, "paired", config)
    field.at_home().run.remove_segmentation("paired")
    without = train_object_field(field, masks, "paired", replace(config, pairs=RayPairConfig(weight=0)))
    for name, value in unbroken.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    assert not torch.equal(unbroken.network.table, without.network.table)


def test_outlines_are_learnt_from_only_where_masks_are_exact(field: BallField):
    exact = masks_of(field, 1, "red")
    assert exact.are_exact
    doubtful = replace(exact, segments=tuple(replace(one, score=0.8) for one in exact.segments))
    short = replace(CONFIG, steps=3, steps_where_exact=3)
    plain = replace(short, band_share=0.0, band_rays=0)

    def tables(masks: MaskSet) -> list[torch.Tensor]:
        found = []
        for config in (short, plain):
            found.append(train_object_field(field, masks, "outlined", config).network.table)
            field.at_home().run.remove_segmentation("outlined")
        return found

    assert not torch.equal(*tables(exact))
    with_band, without = tables(doubtful)
    assert torch.equal(with_band, without), "doubtful masks lend no rays along their outlines"


def test_labels_are_learnt_longer_than_a_segmenters_masks(field: BallField):
    exact = masks_of(field, 1, "red")
    doubtful = replace(exact, segments=tuple(replace(one, source="spread") for one in exact.segments))
    config = replace(CONFIG, steps=2, steps_where_exact=5)
    for masks, steps in ((exact, 5), (doubtful, 2)):
        told: list[Progress] = []
        made = train_object_field(field, masks, "longer", config, told.append)
        field.at_home().run.remove_segmentation("longer")
        assert {one.total for one in told if one.stage == "segmentations/longer"} == {steps}
        assert made.config.steps == steps


def test_a_name_is_not_taken_twice(field: BallField, red: ObjectField):
    with pytest.raises(InputError, match="holds a segmentation of other masks or settings"):
        train_object_field(field, masks_of(field, 2, "green"), "red", CONFIG)
    again = train_object_field(field, masks_of(field, 1, "red"), config=CONFIG)
    assert torch.equal(again.network.table, red.network.table), (
        "the same masks and settings are read, not trained"
    )


def test_what_was_cut_out_of_another_field_is_not_taken_for_this_ones(field: BallField):
    masks = masks_of(field, 1, "red")
    made = train_object_field(field, masks, "stale", CONFIG)
    geometry = load_view_samples(field).surfaces.geometry
    other = replace(field, network=deepcopy(field.network))
    with torch.no_grad():
        other.network.density[2].weight *= 2
    assert torch.equal(load_object_field(field, "stale").network.table, made.network.table)
    with pytest.raises(InputError, match=r"was cut out of another field .* again with --replace"):
        load_object_field(other, "stale")
    with pytest.raises(InputError, match="or of a field trained before; choose another name or delete it"):
        train_object_field(other, masks, "stale", CONFIG)
    own = load_view_samples(other).surfaces.geometry
    assert torch.allclose(own.float(), 2 * geometry.float(), atol=2e-7)  # the least that half precision has
    anew = train_object_field(other, masks, "stale", CONFIG, overwrite=True)
    assert load_object_field(other, "stale").names == anew.names == ("red",)


def test_what_has_the_name_stays_until_the_new_one_is_whole(field: BallField):
    first = train_object_field(field, masks_of(field, 1, "red"), "kept", CONFIG)
    green = masks_of(field, 2, "green")

    def stop(progress: Progress) -> None:
        if progress.stage.startswith("segmentations/"):
            raise Cancelled

    with pytest.raises(Cancelled):
        train_object_field(field, green, "kept", CONFIG, stop, overwrite=True)
    assert torch.equal(load_object_field(field, "kept").network.table, first.network.table)
    train_object_field(field, green, "kept", CONFIG, overwrite=True)
    assert load_object_field(field, "kept").names == ("green",)


def test_empty_masks_are_refused(field: BallField):
    nothing = encode(torch.zeros(48, 64, dtype=torch.bool))
    masks = MaskSet(("void",), (Segment("images/3.png", nothing),), "truth")
    with pytest.raises(InputError, match="the masks of void are empty in every view"):
        train_object_field(field, masks, config=CONFIG)


def test_unlabelled_views_lend_no_rays(field: BallField):
    whole = masks_of(field, 1, "red")
    one = MaskSet(("red",), whole.segments[:1], "truth")
    pool = load_view_samples(field)
    few, _ = gather_pool(field, one, pool, local=False)
    many, region = gather_pool(field, whole, pool, local=False)
    assert few.n_pool * len(whole.segments) == many.n_pool
    more = add_outlines(field, whole, many, region, 500, Key(0, "t", 0))
    assert more.n_pool == many.n_pool
    assert 300 < len(more.surfaces) - more.n_pool <= 500


def test_the_loss_of_a_set_is_that_of_any_of_its_identities():
    logits = torch.tensor([[0.3, -1.0, 2.0]] * 3)
    possible = torch.tensor([[0, 0, 1], [1, 1, 0], [1, 1, 1]]) > 0
    m = logits[0].softmax(-1)
    expected = -torch.stack([m[2], m[0] + m[1], torch.tensor(1.0)]).log()
    assert torch.allclose(label_loss(logits, possible), expected, atol=1e-6)
    one = torch.nn.functional.cross_entropy(logits[:1], torch.tensor([2]))
    assert float(label_loss(logits, possible)[0]) == pytest.approx(float(one)), "Eq. 8 where there is one"


def test_outlines_are_found_on_both_sides():
    labels = torch.zeros(12, 20, dtype=torch.int64)
    labels[4:8, 5:15] = 1
    band = near_outline(labels)
    assert bool(band[3, 6])
    assert bool(band[4, 6])
    assert not bool(band[0].any())


def test_the_presets_are_settings():
    assert set(OBJECT_PRESETS) == {"draft", "standard", "paper"}
    with pytest.raises(InputError, match="steps must be at least 1"):
        ObjectConfig(steps=0)
    with pytest.raises(InputError, match="band_share"):
        ObjectConfig(band_share=1.5)
