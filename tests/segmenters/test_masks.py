"""Masks of the user's own: which file, which identity, what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
import torch
from PIL import Image

from sanerf_hq.errors import InputError
from sanerf_hq.scene import Scene, load_scene, read_instances
from sanerf_hq.segmenters import MaskFolder, Segmenter, load_segmenter
from sanerf_hq.segmenters import masks as module
from support.scene_files import frame, write_scene

NONE = torch.zeros(0, 2)


def ids() -> np.ndarray:
    """Identity 3 left, 7 right of it, 30 x 40."""
    pixels = np.zeros((30, 40), np.uint8)
    pixels[5:25, 4:14], pixels[5:25, 20:38] = 3, 7
    return pixels


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    frames = [
        frame("images/a.png", split="train"),
        frame("images/b.png", split="train"),
        frame("left/7.png", split="train"),
        frame("right/7.png", split="train"),
        frame("images/t.png", split="test"),
    ]
    return load_scene(write_scene(tmp_path / "scene", frames))


def load(folder: Path, scene: Scene) -> MaskFolder:
    loaded = load_segmenter(f"masks:{folder}", scene)
    assert isinstance(loaded, MaskFolder)
    return loaded


def test_files_are_found_by_name_or_by_unique_stem(tmp_path: Path, scene: Scene):
    folder = tmp_path / "own"
    save(folder / "a.png", ids())
    save(folder / "images/b.png.png", ids())
    save(folder / "left/7.png", ids() + 1)
    save(folder / "7.png", ids())  # whose? two views are called so
    save(folder / "t.png", ids())  # a test view's is not looked at
    masks = load(folder, scene)
    assert sorted(masks.paths) == ["images/a.png", "images/b.png", "left/7.png"]
    labels = [masks.labels(view) for view in scene.views]
    assert [found is not None for found in labels] == [True, True, True, False, False]
    assert labels[0] is not None and labels[2] is not None
    assert torch.equal(labels[0], torch.from_numpy(ids()).long())
    assert torch.equal(labels[2], torch.from_numpy(ids()).long() + 1)


def test_names_may_be_spelled_as_another_system_does(tmp_path: Path):
    composed, apart = (normalize(form, "Küche") for form in ("NFC", "NFD"))
    assert composed != apart
    root = write_scene(tmp_path / "scene", [frame(f"images/{composed}.png"), frame("images/b.png")])
    scene = load_scene(root)
    for name in (f"{apart}.png", "b.PNG"):
        save(tmp_path / "own" / name, ids())
    assert len(load(tmp_path / "own", scene).paths) == 2


def test_identities_may_be_of_16_bits(tmp_path: Path, scene: Scene):
    save(tmp_path / "own/a.png", ids().astype(np.uint16) * 1000)
    labels = load(tmp_path / "own", scene).labels(scene.view("a"))
    assert labels is not None
    assert labels.unique().tolist() == [0, 3000, 7000]


def test_a_black_and_white_mask_is_one_identity(tmp_path: Path, scene: Scene):
    save(tmp_path / "own/a.png", (ids() == 3).astype(np.uint8) * 255)
    save(tmp_path / "own/b.png", ids() == 3)  # one bit a pixel
    masks = load(tmp_path / "own", scene)
    for stem in "ab":
        view = scene.view(stem)
        labels = masks.labels(view)
        assert labels is not None
        identity = masks.identify(view, torch.tensor([[8.5, 10.5]]))
        assert torch.equal(labels == identity, torch.from_numpy(ids() == 3))


def test_one_object_in_view_keeps_its_identity(tmp_path: Path, scene: Scene):
    save(tmp_path / "own/a.png", np.where(ids() == 3, 3, 0).astype(np.uint8))
    save(tmp_path / "own/b.png", ids())
    masks = load(tmp_path / "own", scene)
    click = torch.tensor([[8.5, 10.5]])
    assert [masks.identify(scene.view(stem), click) for stem in "ab"] == [3, 3]


@pytest.mark.parametrize(
    ("white", "dtype"), [(255, np.uint8), (254, np.uint8), (65535, np.uint16), (65000, np.uint16)]
)
def test_soft_edges_are_hardened_to_one_label(tmp_path: Path, scene: Scene, white: int, dtype: type):
    soft = np.where(ids() == 7, white, 0).astype(dtype)
    soft[4, 4:38] = np.linspace(1, white - 1, 34)  # an edge of 34 greys
    save(tmp_path / "own/a.png", soft)
    labels = load(tmp_path / "own", scene).labels(scene.view("a"))
    assert labels is not None
    assert labels.unique().tolist() == [0, 255]
    assert torch.equal(labels == 255, torch.from_numpy(soft > white / 2))


def test_noise_of_a_network_near_black_and_white_is_hardened(tmp_path: Path, scene: Scene):
    chance = np.random.default_rng(0)
    noise = chance.integers(0, 12, (30, 40))
    save(tmp_path / "own/a.png", np.where(ids() == 7, 250 - noise, noise).astype(np.uint8))
    save(
        tmp_path / "own/b.png",
        np.where(ids() == 7, chance.integers(0, 30, (30, 40)), noise // 6).astype(np.uint8),
    )
    masks = load(tmp_path / "own", scene)
    inside, nothing = masks.labels(scene.view("a")), masks.labels(scene.view("b"))
    assert inside is not None and nothing is not None
    assert torch.equal(inside, torch.from_numpy((ids() == 7) * 255))
    assert not nothing.any()


def test_deep_white_is_the_white_of_other_views(tmp_path: Path, scene: Scene):
    save(tmp_path / "own/a.png", (ids() == 3).astype(np.uint16) * 65535)
    labels = load(tmp_path / "own", scene).labels(scene.view("a"))
    assert labels is not None
    assert torch.equal(labels, torch.from_numpy((ids() == 3) * 255))


def test_a_picture_is_no_image_of_labels(tmp_path: Path, scene: Scene):
    path = save(tmp_path / "own/a.png", np.random.default_rng(0).integers(0, 256, (30, 40), dtype=np.uint8))
    with pytest.raises(InputError, match="greys and is neither a mask nor an image of labels") as caught:
        load(tmp_path / "own", scene).labels(scene.view("a"))
    assert str(path) in str(caught.value)


def test_small_things_on_much_background_keep_their_labels(tmp_path: Path, scene: Scene):
    few = np.zeros((30, 40), np.int64)
    for i in range(20):
        few[5 * (i // 8) :, 5 * (i % 8) :][:4, :4] = 240 + i // 2 * (-1) ** i
    numbered = np.where(few > 0, 26000 + few, np.arange(40)[None] // 3)  # as Cityscapes numbers kinds, things
    for labels in (few, numbered):
        save(tmp_path / "own/a.png", labels.astype(np.uint16))
        found = load(tmp_path / "own", scene).labels(scene.view("a"))
        assert found is not None
        assert torch.equal(found, torch.from_numpy(labels))


def test_many_identities_are_not_taken_for_soft_edges(tmp_path: Path, scene: Scene):
    many = np.arange(30 * 40).reshape(30, 40) // 40 * 8 + 7  # thirty stripes, the last one 239
    many[-1] = 255
    save(tmp_path / "own/a.png", many.astype(np.uint8))
    labels = load(tmp_path / "own", scene).labels(scene.view("a"))
    assert labels is not None
    assert torch.equal(labels, torch.from_numpy(many))


def test_prompts_mean_the_identity_that_they_hit_most(tmp_path: Path, scene: Scene):
    save(tmp_path / "own/a.png", ids())
    masks = load(tmp_path / "own", scene)
    view = scene.view("a")
    seven, three, none = [25.5, 10.5], [8.5, 10.5], [1.5, 1.5]
    assert masks.identify(view, torch.tensor([seven])) == 7
    assert masks.identify(view, torch.tensor([seven, three, three, none])) == 3
    assert masks.identify(view, torch.tensor([seven, three])) == 7  # a tie: the first click
    assert masks.identify(view, torch.tensor([none, none, three])) == 3
    assert masks.identify(view, NONE, torch.tensor([0.0, 0.0, 40.0, 30.0])) == 7  # 360 pixels against 200
    assert masks.identify(view, NONE, torch.tensor([-9.0, 2.0, 22.0, 28.0])) == 3
    assert masks.identify(view, torch.tensor([three]), torch.tensor([20.0, 5.0, 38.0, 25.0])) == 3
    # The pixel that holds a point: identity 3 ends before x = 14.
    assert masks.identify(view, torch.tensor([[13.99, 5.0]])) == 3
    with pytest.raises(InputError, match=r"clicks in view images/a\.png hit only background"):
        masks.identify(view, torch.tensor([[14.0, 5.0], [99.0, 5.0]]))
    with pytest.raises(InputError, match=r"box in view images/a\.png hit only background"):
        masks.identify(view, NONE, torch.tensor([15.0, 0.0, 19.0, 30.0]))
    with pytest.raises(InputError, match="hit only background"):
        masks.identify(view, NONE)


def test_a_view_without_a_file_cannot_be_prompted(tmp_path: Path, scene: Scene):
    save(tmp_path / "own/a.png", ids())
    with pytest.raises(InputError, match=r"no mask of view images/b\.png"):
        load(tmp_path / "own", scene).identify(scene.view("b"), torch.tensor([[8.5, 10.5]]))


@pytest.mark.parametrize(
    ("pixels", "why"),
    [
        (np.zeros((20, 15), np.uint8), "15x20"),
        (np.eye(3, dtype=np.uint8)[np.zeros((30, 40), int)], "mode RGB"),
    ],
    ids=["shape", "colour"],
)
def test_a_mask_that_does_not_fit_is_refused(tmp_path: Path, scene: Scene, pixels: np.ndarray, why: str):
    path = save(tmp_path / "own/a.png", pixels)
    with pytest.raises(InputError, match=why) as caught:
        load(tmp_path / "own", scene).labels(scene.view("a"))
    assert str(path) in str(caught.value)


def test_a_truncated_mask_is_refused(tmp_path: Path, scene: Scene):
    chance = np.random.default_rng(0)
    path = save(tmp_path / "own/a.png", chance.integers(0, 9, (30, 40), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"a\.png"):
        load(tmp_path / "own", scene).labels(scene.view("a"))


def test_a_folder_must_be_there_and_fit_the_scene(tmp_path: Path, scene: Scene):
    with pytest.raises(InputError, match="is no folder"):
        load_segmenter(f"masks:{tmp_path / 'none'}", scene)
    save(tmp_path / "own/other.png", ids())
    with pytest.raises(InputError, match="holds no mask of any training view"):
        load_segmenter(f"masks:{tmp_path / 'own'}", scene)


def test_truth_reads_training_views_only(tmp_path: Path):
    frames = [
        frame("images/a.png", split="train", instance_path="instances/a.png"),
        frame("images/b.png", split="train"),
        frame("images/t.png", split="test", instance_path="instances/t.png"),
    ]
    root = tmp_path / "scene"
    for stem in "at":
        save(root / f"instances/{stem}.png", ids())
    scene = load_scene(write_scene(root, frames))
    truth = load_segmenter("truth", scene)
    assert isinstance(truth, MaskFolder)
    assert truth.name == "truth"
    labels = [truth.labels(view) for view in scene.views]
    assert labels[0] is not None and labels[1] is None and labels[2] is None
    assert torch.equal(labels[0], torch.from_numpy(ids()).long())


def test_truth_needs_instances(tmp_path: Path, scene: Scene):
    with pytest.raises(InputError, match="no instance_path"):
        load_segmenter("truth", scene)


def test_labels_are_no_segmenter(tmp_path: Path, scene: Scene):
    save(tmp_path / "own/a.png", ids())
    assert not isinstance(load(tmp_path / "own", scene), Segmenter)


@pytest.mark.parametrize("pixels", [ids(), ids().astype(np.uint16) * 9000])
def test_an_image_is_read_once_for_all_objects(
    tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch, pixels: np.ndarray
):
    path = save(tmp_path / "own/a.png", pixels)
    masks, view = load(tmp_path / "own", scene), scene.view("images/a.png")
    read: list[str] = []
    monkeypatch.setattr(module, "read_instances", lambda view: read.append(view.name) or read_instances(view))
    for identity in np.unique(pixels):
        mask = masks.mask(view, int(identity))
        assert mask is not None and np.array_equal(mask.numpy(), pixels == identity)
    assert read == ["images/a.png"]
    os.utime(save(path, pixels + (pixels > 0)), ns=(0, 0))
    labels = masks.labels(view)
    assert labels is not None and np.array_equal(labels.numpy(), pixels.astype(np.int64) + (pixels > 0))
    assert len(read) == 2, "another file is read anew"
    path.unlink()
    with pytest.raises(InputError):
        masks.labels(view)
