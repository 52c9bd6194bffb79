"""Which segmentation of a run an object of its scene is scored in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sanerf_hq.evaluate import find_held, score_run
from sanerf_hq.masks import MaskSet
from sanerf_hq.masks.mask_set import save_masks
from sanerf_hq.objects.field import save_object_field
from support.hollow_balls import HollowField, ball_objects, hollow_field


@pytest.fixture
def field(tmp_path: Path) -> HollowField:
    """A run of a scene with the objects red and green, whose training is on record."""
    field = hollow_field(tmp_path)
    field.at_home().run.mark("radiance", "complete", {}, {"train_seconds": 1.0, "peak_memory_mb": None})
    return field


def keep(field: HollowField, name: str, identities: tuple[str, str]) -> None:
    folder = field.at_home().run.segmentation(name)
    save_object_field(replace(ball_objects(field), names=identities), folder.field)
    save_masks(MaskSet(identities, (), f"made {name}"), folder.masks)


def holders(field: HollowField) -> list[tuple[str, str, tuple[int, ...] | None]]:
    return [(one.target.name, one.segmentation, one.channels) for one in find_held(field).held]


def test_an_identity_is_found_by_its_name_and_a_segmentation_of_the_objects_name_comes_first(
    field: HollowField,
):
    keep(field, "all", ("green", "red"))
    keep(field, "green", ("thing 1", "thing 2"))
    keep(field, "rest", ("thing 1", "thing 2"))
    field.at_home().run.segmentation("stopped").masks.mkdir(parents=True)
    assert holders(field) == [("red", "all", (2,)), ("green", "green", None), ("green", "all", (1,))]


def test_a_segmentation_named_like_one_object_that_holds_others_is_those(field: HollowField):
    keep(field, "red", ("thing 1", "green"))
    assert holders(field) == [("green", "red", (2,))]


def test_each_object_is_scored_once(field: HollowField):
    keep(field, "all", ("green", "red"))
    keep(field, "green", ("green", "thing 2"))
    scores = score_run(field)
    assert [item.name for item in scores.scene.result.objects] == ["red", "green"]
    assert all(item.iou is not None for item in scores.scene.result.objects)
    assert [(one.target.name, one.segmentation) for one in scores.scored] == [
        ("red", "all"),
        ("green", "green"),
    ]
    assert [(one.target.name, one.segmentation) for one in scores.others] == [("green", "all")]
    assert scores.segmenters == "made all, made green"


def test_what_cannot_be_read_is_told_and_the_rest_is_scored(field: HollowField):
    keep(field, "all", ("green", "red"))
    keep(field, "green", ("green", "thing 2"))
    keep(field, "red", ("red", "thing 2"))
    keep(field, "other", ("thing 1", "thing 2"))
    run = field.at_home().run
    for name in ("green", "other"):
        path = run.segmentation(name).field
        path.write_bytes(path.read_bytes()[:-9])
    (run.segmentation("red").masks / "masks.json").unlink()
    scores = score_run(field)
    assert [(one.target.name, one.segmentation) for one in scores.scored] == [
        ("red", "all"),
        ("green", "all"),
    ]
    assert list(scores.unread) == ["green", "red"]
    assert "green/field.safetensors is damaged" in scores.unread["green"]
    assert "segment again with --replace" in scores.unread["green"]
    assert "masks.json does not exist" in scores.unread["red"]


def test_a_scene_without_segmentations_is_scored_without_objects(field: HollowField):
    scores = score_run(field)
    assert (scores.scored, scores.segmenters) == ((), "none")
    assert scores.scene.result.psnr is not None
