"""Damage: at the rates asked for, the same each time, and of the kind that its name says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.runs import Key
from sanerf_hq.scene import Scene, load_scene
from sanerf_hq.segmenters import MaskFolder, load_segmenter
from sanerf_hq.segmenters.damaged import Damage, moved_aside, without_part, wobbled
from support.scene_files import frame, write_image, write_scene

N = 20
HEIGHT, WIDTH = 30, 40


def labels(index: int, others: bool = True) -> np.ndarray:
    """Object 1, beside it object 2, far away object 3; all move a little from view to view."""
    plane = np.zeros((HEIGHT, WIDTH), np.uint8)
    left = 4 + index % 3
    plane[8:18, left : left + 8] = 1
    if others:
        plane[8:18, left + 8 : left + 14] = 2
        plane[24:28, 32:38] = 3
    return plane


def scene_of(folder: Path, others: bool = True) -> Scene:
    frames = []
    for index in range(N):
        write_image(folder / f"images/{index:02d}.png")
        write_image(folder / f"instances/{index:02d}.png", labels(index, others))
        path = f"instances/{index:02d}.png"
        frames.append(frame(f"images/{index:02d}.png", instance_path=path, split="train"))
    return load_scene(write_scene(folder, frames))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return scene_of(tmp_path / "three")


def load(spec: str, scene: Scene) -> MaskFolder:
    found = load_segmenter(spec, scene)
    assert isinstance(found, MaskFolder)
    return found


def masks(spec: str, scene: Scene, identity: int = 1) -> list[torch.Tensor | None]:
    segmenter = load(spec, scene)
    return [segmenter.mask(view, identity) for view in scene.train_views]


def truth(index: int, identity: int = 1, others: bool = True) -> torch.Tensor:
    return torch.from_numpy(labels(index, others)) == identity


def is_exactly(found: torch.Tensor | None, expected: torch.Tensor) -> bool:
    return found is not None and torch.equal(found, expected)


def test_without_rates_it_is_the_truth(scene: Scene):
    for index, mask in enumerate(masks("damaged:seed=3", scene)):
        assert is_exactly(mask, truth(index))
    assert load("damaged:seed=3", scene).name == "damaged:seed=3"
    for index, mask in enumerate(masks("truth", scene, 2)):
        assert is_exactly(mask, truth(index, 2))


def test_the_wrong_views_follow_each_other_and_carry_one_neighbour(scene: Scene):
    places = set()
    for seed in range(6):
        found = masks(f"damaged:wrong=0.4,seed={seed}", scene)
        wrong = [is_exactly(mask, truth(index, 2)) for index, mask in enumerate(found)]
        right = [is_exactly(mask, truth(index, 1)) for index, mask in enumerate(found)]
        assert sum(wrong) == 8
        assert sum(right) == 12
        changes = sum(wrong[i] != wrong[i - 1] for i in range(N))
        assert changes == 2, "one run of views, round the end if need be"
        places.add(tuple(wrong))
    assert len(places) > 1, "where it begins is drawn by lot"


def test_a_lone_objects_mask_is_moved_by_half_its_box(tmp_path: Path):
    found = masks("damaged:wrong=1,seed=0", scene_of(tmp_path / "one", others=False))
    for index, mask in enumerate(found):
        expected = torch.from_numpy(np.roll(labels(index, False), 4, 1)) == 1
        assert is_exactly(mask, expected)
    at_the_right = torch.zeros(6, 12, dtype=torch.bool)
    at_the_right[2:4, 8:12] = True
    assert moved_aside(at_the_right)[2].nonzero()[:, 0].tolist() == [6, 7, 8, 9]
    nothing = torch.zeros(6, 12, dtype=torch.bool)
    assert torch.equal(moved_aside(nothing), nothing)


def test_a_leak_takes_in_the_neighbour_and_a_part_is_missing_in_the_set_shares(scene: Scene):
    leaking = masks("damaged:leak=0.5,seed=1", scene)
    whole = [is_exactly(mask, truth(i)) for i, mask in enumerate(leaking)]
    both = [is_exactly(mask, truth(i) | truth(i, 2)) for i, mask in enumerate(leaking)]
    assert sum(whole) + sum(both) == N
    assert 5 <= sum(both) <= 15
    for index, mask in enumerate(masks("damaged:missing=1,seed=1", scene)):
        assert mask is not None
        assert not bool((mask & ~truth(index)).any())
        assert 0.4 <= float(mask.sum() / truth(index).sum()) <= 0.95


def test_a_dropped_view_has_no_mask_at_all(scene: Scene):
    found = masks("damaged:dropped=0.5,seed=0", scene)
    assert 5 <= sum(mask is None for mask in found) <= 15
    assert all(mask is None for mask in masks("damaged:dropped=1", scene))


def test_damage_is_the_same_each_time_and_another_for_another_seed(scene: Scene):
    spec = "damaged:wobble=2,missing=0.5,leak=0.5,dropped=0.2,seed={}"
    one, same, other = (masks(spec.format(seed), scene) for seed in (4, 4, 5))
    pairs = list(zip(one, same, other, strict=True))
    assert all(a is b is None or (a is not None and is_exactly(b, a)) for a, b, _ in pairs)
    assert any(a is not None and c is not None and not torch.equal(a, c) for a, _, c in pairs)


def test_a_wobble_moves_the_outline_by_as_many_pixels():
    mask = torch.zeros(400, 300, dtype=torch.bool)
    mask[:, :150] = True
    for pixels in (2.0, 5.0):
        ends = wobbled(mask, pixels, Key(0, "test", 0)).sum(1).float() - 150
        assert float(ends.mean().abs()) < pixels
        assert 0.6 * pixels < float(ends.std()) < 1.5 * pixels
    nothing = torch.zeros(5, 7, dtype=torch.bool)
    assert torch.equal(wobbled(nothing, 3, Key(0, "test", 0)), nothing)
    assert torch.equal(without_part(nothing, Key(0, "test", 0)), nothing)


@pytest.mark.parametrize(
    "words",
    ["wrong", "wrong=2", "wrong=-1", "wrong=x", "wrong=nan", "colour=1", "wrong=0,wrong=0", "seed=0.5", ""],
)
def test_settings_that_are_none_are_refused(words: str):
    with pytest.raises(InputError, match=r"write damaged:wobble=PIXELS"):
        Damage.parse(words)


def test_it_needs_a_scene_and_settings(scene: Scene):
    with pytest.raises(InputError, match="open the scene first"):
        load_segmenter("damaged:wrong=0.4")
    with pytest.raises(InputError, match="there is no segmenter 'damaged'"):
        load_segmenter("damaged", scene)
