"""Names to objects: segmentations, identities of theirs, and what is ambiguous."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.export.target import Target, find_target
from sanerf_hq.masks import MaskSet, Segment
from sanerf_hq.masks.mask_set import save_masks
from sanerf_hq.masks.rle import encode
from sanerf_hq.objects.field import save_object_field
from sanerf_hq.runs import read_tensors, write_json, write_tensors
from support.balls import CENTERS
from support.hollow_balls import HollowField, ball_objects, hollow_field

MIDDLES = CENTERS.clone()


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> HollowField:
    """A run with the segmentations ``both`` (red, green) and ``one`` (green)."""
    field = hollow_field(tmp_path_factory.mktemp("balls"))
    both = ball_objects(field)
    run = field.at_home().run
    save_object_field(both, run.segmentation("both").field)
    save_object_field(replace(both, names=("blue", "green")), run.segmentation("one").field)
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[1, 2:5] = True
    segments = (
        Segment("images/3.png", encode(mask), 1),
        Segment("images/3.png", encode(mask.roll(2, 0)), 2),
        Segment("images/4.png", encode(mask), 1),
        Segment("images/4.png", encode(mask.roll(1, 1)), 2),
        Segment("images/6.png", encode(torch.zeros_like(mask)), 1),
        Segment("images/7.png", encode(mask), 2),
    )
    save_masks(MaskSet(("red", "green"), segments, "test"), run.segmentation("both").masks)
    return field


@pytest.mark.parametrize(
    ("name", "segmentation", "channels"),
    [
        ("both", "both", (1, 2)),
        ("both/green", "both", (2,)),
        ("one/blue", "one", (1,)),
        ("red", "both", (1,)),
    ],
)
def test_a_name_is_a_segmentation_or_one_of_its_identities(
    field: HollowField, name: str, segmentation: str, channels: tuple[int, ...]
):
    target = find_target(field, name)
    assert (target.name, target.segmentation, target.channels) == (name, segmentation, channels)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("green", "several segmentations of .*; say both/green or one/green"),
        ("both/blue", "segmentation 'both' of .* has no identity 'blue'; it has: red, green"),
        ("cup", r"has no object \'cup\'; its segmentations: both \(red, green\), one \(blue, green\)"),
        ("cup/red", "has no object 'cup/red'"),
    ],
)
def test_what_is_not_there_or_not_clear_is_said(field: HollowField, name: str, sentence: str):
    with pytest.raises(InputError, match=sentence):
        find_target(field, name)


def test_an_identity_may_have_a_slash_in_its_name(field: HollowField):
    run = field.at_home().run
    save_object_field(
        replace(ball_objects(field), names=("left/ball", "right")), run.segmentation("sides").field
    )
    for name in ("sides/left/ball", "left/ball"):
        assert (found := find_target(field, name)).segmentation == "sides" and found.channels == (1,)
    run.remove_segmentation("sides")


@pytest.mark.parametrize("change", ["cut short", "all zero", "another version"])
def test_a_segmentation_that_cannot_be_read_is_known_by_its_names_and_is_in_nobodys_way(
    field: HollowField, change: str
):
    run = field.at_home().run
    folder = run.segmentation("old")
    save_object_field(replace(ball_objects(field), names=("cup", "lid")), folder.field)
    write_json(folder.identities, {"identities": ["cup", "lid"]})
    content = folder.field.read_bytes()
    if change == "another version":
        tensors = read_tensors(folder.field)
        write_tensors(folder.field, tensors.tensors, tensors.metadata | {"format": "1"})
    else:
        folder.field.write_bytes(content[:-9] if change == "cut short" else b"\0" * len(content))
    assert find_target(field, "red").segmentation == "both"
    with pytest.raises(
        InputError, match=r"old.field\.safetensors .* segment again with --replace; .*--prompts"
    ):
        find_target(field, "lid")
    run.remove_segmentation("old")


def test_probabilities_are_those_of_the_identities_together(field: HollowField):
    both = ball_objects(field)
    assert Target.whole(both).probability(MIDDLES).tolist() == pytest.approx([1, 1], abs=2e-3)
    assert Target(both, (2,), "green").probability(MIDDLES).tolist() == pytest.approx([0, 1], abs=2e-3)
    assert Target.whole(both).name == "red, green"


def test_masks_are_those_it_was_made_from(field: HollowField):
    assert int(find_target(field, "both").masks()["images/3.png"].sum()) == 6
    assert find_target(field, "both/red").masks()["images/3.png"].nonzero().tolist() == [
        [1, 2],
        [1, 3],
        [1, 4],
    ]
    assert Target.whole(ball_objects(field)).masks() == {}


def test_pixels_that_another_object_claims_too_are_its_own_all_the_same(field: HollowField):
    red, green = (find_target(field, f"both/{name}").masks() for name in ("red", "green"))
    assert red["images/4.png"][1].tolist() == [False, False, True, True, True, False]
    assert green["images/4.png"][1].tolist() == [False, False, False, True, True, True]
    assert int(find_target(field, "both").masks()["images/4.png"].sum()) == 4
    assert "images/7.png" not in red, "of it, that view says nothing"


def test_cameras_that_see_it_are_those_whose_masks_show_it(field: HollowField):
    home = field.at_home()
    names_at = {tuple(view.camera.center.tolist()): view.name for view in home.views}

    def names(target: Target) -> list[str]:
        return [names_at[tuple(camera.center.tolist())] for camera in target.cameras()]

    assert names(find_target(field, "both/red")) == ["images/3.png", "images/4.png"]
    assert names(find_target(field, "both")) == ["images/3.png", "images/4.png", "images/7.png"]
    assert Target.whole(ball_objects(field)).cameras() == home.cameras
