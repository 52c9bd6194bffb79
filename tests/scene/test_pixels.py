from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.scene import (
    OWN_SIZE,
    PhotoSize,
    Scene,
    TrainingPixels,
    load_scene,
    load_training_pixels,
    read_image,
    read_mask,
)
from support.scene_files import INTRINSICS, frame, write_image, write_scene

RNG = np.random.default_rng(5)


def mixed_scene(tmp_path: Path) -> Scene:
    """Training views of 40x30 and 20x15 pixels with a test view between them."""
    write_image(tmp_path / "c.png", size=(20, 15))
    frames = [frame("a.png", split="train"), frame("b.png", split="test"), frame("c.png", split="train")]
    return load_scene(write_scene(tmp_path, frames))


def check_views(scene: Scene, pixels: TrainingPixels, size: PhotoSize, within: int = 0) -> None:
    """Every training view's pixels are its photo, its camera has their size."""
    assert len(pixels.cameras) == len(scene.train_views) == len(pixels.offsets) - 1
    for i, view in enumerate(scene.train_views):
        camera = pixels.cameras[i]
        part = pixels.rgb[pixels.offsets[i] : pixels.offsets[i + 1]].reshape(camera.height, camera.width, 3)
        assert (part.int() - read_image(view, size.sized(view.camera).width).int()).abs().max() <= within
    assert pixels.offsets[-1] == len(pixels.rgb)


def test_views_of_different_sizes_lie_one_after_the_other(tmp_path: Path):
    scene = mixed_scene(tmp_path)
    pixels = load_training_pixels(scene)
    assert pixels.offsets.tolist() == [0, 1200, 1500]
    assert pixels.alpha is None
    assert pixels.usable is None
    check_views(scene, pixels, OWN_SIZE)
    assert pixels.cameras[1].K[0].tolist() == pytest.approx([25.0, 0.0, 9.0])


def test_a_width_brings_all_views_to_it(tmp_path: Path):
    scene = mixed_scene(tmp_path)
    pixels = load_training_pixels(scene, PhotoSize(10))
    assert pixels.offsets.tolist() == [0, 80, 160]  # 7.5 rows are 8
    assert pixels.cameras[0].K[0].tolist() == pytest.approx([12.5, 0.0, 4.5])
    check_views(scene, pixels, PhotoSize(10))


def test_a_longest_side_leaves_what_is_smaller_as_it_is(tmp_path: Path):
    write_image(tmp_path / "m.png", np.ones((30, 40), np.uint8))
    write_image(tmp_path / "c.png", size=(15, 20))
    own = {"w": 15, "h": 20}
    frames = [frame("a.png", split="train", mask_path="m.png"), frame("c.png", split="train", **own)]
    scene = load_scene(write_scene(tmp_path, frames))
    pixels = load_training_pixels(scene, PhotoSize(longest=20))
    assert [(camera.width, camera.height) for camera in pixels.cameras] == [(20, 15), (15, 20)]
    check_views(scene, pixels, PhotoSize(longest=20))
    assert pixels.usable is not None
    assert pixels.usable.tolist() == list(range(600))


def test_transparent_pixels_are_white_and_opacity_is_kept(tmp_path: Path):
    clear = RNG.integers(0, 256, (30, 40, 4), dtype=np.uint8)
    write_image(tmp_path / "b.png", clear)
    solid = RNG.integers(0, 256, (30, 40, 4), dtype=np.uint8)
    solid[..., 3] = 255
    write_image(tmp_path / "a.png", solid)
    frames = [frame(f"{name}.png", split="train") for name in "ab"]
    scene = load_scene(write_scene(tmp_path, frames))
    pixels = load_training_pixels(scene)
    check_views(scene, pixels, OWN_SIZE, within=1)
    assert pixels.alpha is not None
    assert (pixels.alpha[:1200] == 255).all()
    assert (pixels.alpha[1200:] == torch.from_numpy(clear[..., 3]).flatten()).all()
    # Any other background, by the rule of the docstring.
    background = torch.tensor([0.0, 0.25, 0.5])
    rest = 255 - pixels.alpha[1200:, None].float()
    shown = pixels.rgb[1200:] + rest * (background - 1)
    opacity = clear[..., 3:].reshape(-1, 1) / 255
    wanted = clear[..., :3].reshape(-1, 3) * opacity + 255 * (1 - opacity) * background.numpy()
    assert np.abs(shown.numpy() - wanted).max() <= 1


def test_an_alpha_channel_that_hides_nothing_is_none(tmp_path: Path):
    write_image(tmp_path / "a.png", np.full((30, 40, 4), 255, np.uint8))
    assert load_training_pixels(load_scene(write_scene(tmp_path, [frame("a.png")]))).alpha is None


def test_masks_say_which_pixels_are_usable(tmp_path: Path):
    write_image(tmp_path / "m.png", (RNG.random((30, 40)) > 0.3).astype(np.uint8))
    frames = [frame("a.png", split="train"), frame("b.png", split="train", mask_path="m.png")]
    scene = load_scene(write_scene(tmp_path, frames))
    for width, n_pixels in ((None, 1200), (20, 300)):
        usable = load_training_pixels(scene, PhotoSize(width)).usable
        assert usable is not None
        assert usable[:n_pixels].tolist() == list(range(n_pixels))
        allowed = read_mask(scene.views[1], width).flatten()
        assert 0 < allowed.sum() < n_pixels
        assert usable[n_pixels:].tolist() == [n_pixels + i for i in range(n_pixels) if allowed[i]]


def test_masks_that_leave_nothing(tmp_path: Path):
    write_image(tmp_path / "m.png", np.zeros((30, 40), np.uint8))
    scene = load_scene(write_scene(tmp_path, [frame("a.png", mask_path="m.png")]))
    with pytest.raises(InputError, match="leave no pixel"):
        load_training_pixels(scene)


def test_a_scene_without_training_views_gives_nothing(tmp_path: Path):
    pixels = load_training_pixels(Scene(tmp_path, "none", ()))
    assert pixels.rgb.shape == (0, 3)
    assert pixels.offsets.tolist() == [0]
    assert pixels.cameras == ()


def test_progress_is_told_and_can_cancel(tmp_path: Path):
    frames = [frame(f"{i}.png", split="train") for i in range(9)]
    scene = load_scene(write_scene(tmp_path, frames, INTRINSICS))
    told: list[tuple[int, int]] = []
    load_training_pixels(scene, progress=lambda done, total: told.append((done, total)))
    assert told == [(i, 9) for i in range(1, 10)]

    def cancel(done: int, total: int) -> None:
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        load_training_pixels(scene, progress=cancel)


def test_a_truncated_photo_is_named(tmp_path: Path):
    frames = [frame(f"{i}.png", split="train") for i in range(4)]
    scene = load_scene(write_scene(tmp_path, frames))
    whole = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"2\.png is truncated or damaged"):
        load_training_pixels(scene)


def test_pixels_that_no_lens_reaches_are_not_usable(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    frames = [frame("a.png", split="train"), frame("b.png", split="train") | {"k1": -1.5}]
    scene = load_scene(write_scene(tmp_path, frames))
    usable = load_training_pixels(scene).usable
    assert usable is not None
    camera = scene.views[1].camera
    away = (camera.pixel_grid() - camera.K[:2, 2]) / camera.K.diagonal()[:2]
    fold = 4.5**-0.5  # of r - 1.5 r³, which reaches two thirds of it
    reached = int((away.norm(dim=-1) < fold * 2 / 3).sum())
    assert usable[:1200].tolist() == list(range(1200))
    assert len(usable) - 1200 == pytest.approx(reached, rel=0.1)
    assert f"{2400 - len(usable)} of 2400 pixels have no ray" in caplog.text
    assert len(caplog.records) == 1


def test_masks_and_lenses_are_both_asked(tmp_path: Path):
    write_image(tmp_path / "m.png", np.tile(np.array([0, 255], np.uint8).repeat(20), (30, 1)))
    frames = [frame("a.png", mask_path="m.png", split="train") | {"k1": -1.5}]
    usable = load_training_pixels(load_scene(write_scene(tmp_path, frames))).usable
    assert usable is not None and 0 < len(usable) < 600
    assert (usable % 40 >= 20).all()
