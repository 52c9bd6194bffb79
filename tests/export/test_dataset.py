"""Cut-out training sets, read as a scene is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.export import Target, export_dataset
from sanerf_hq.export.dataset import OUTLINE, with_photo
from sanerf_hq.geometry import Distortion
from sanerf_hq.runs import Progress
from sanerf_hq.scene import load_scene, read_image, read_rgba
from support.balls import COLOURS


def test_it_is_a_scene_with_the_same_cameras(red: Target, tmp_path: Path):
    scene = red.radiance.at_home().scene
    chosen = scene.views[3:7]
    export_dataset(red, tmp_path / "red", chosen)
    alone = load_scene(tmp_path / "red")
    for before, after in zip(chosen, alone.views, strict=True):
        assert after.stem == before.stem
        assert after.split == before.split
        assert torch.allclose(after.camera.K, before.camera.K)
        assert torch.allclose(after.camera.camtoworld, before.camera.camtoworld, atol=1e-6)
        assert (after.camera.width, after.camera.height) == (64, 48)
    content = json.loads((tmp_path / "red" / "transforms.json").read_text())
    assert content["fl_x"] == 70
    assert set(content["frames"][0]) == {"file_path", "transform_matrix"}
    by_split = {
        split: [f"images/{view.stem}.png" for view in chosen if view.split == split]
        for split in ("train", "test")
    }
    assert all(by_split.values())
    assert content["train_filenames"] == by_split["train"]
    assert content["val_filenames"] == content["test_filenames"] == by_split["test"]


def test_its_images_hold_the_object_alone(red: Target, tmp_path: Path):
    scene = red.radiance.at_home().scene
    export_dataset(red, tmp_path / "red", [scene.views[3], scene.views[6]])
    for view in load_scene(tmp_path / "red").views:
        rgba = read_rgba(view)
        truth = red.field.render(view.camera).mask
        alpha = rgba[..., 3].float() / 255
        if view.stem == "3":
            assert float((alpha - truth.float()).abs().mean()) < 0.02
        else:  # green stands before it, and yet it is whole
            assert float(alpha.sum()) > 1.3 * float(truth.sum())
        colours = rgba[alpha > 0.99][:, :3].float()
        assert float((colours.mean(0) - COLOURS[1]).abs().max()) < 6
        assert not bool(rgba[alpha == 0].any())


def test_colours_are_the_photo_s_where_it_shows_the_object(red: Target, tmp_path: Path):
    scene = red.radiance.at_home().scene
    picture = torch.full((48, 64, 4), 255, dtype=torch.uint8)
    picture[..., :3] = 10
    picture[:, 40:, 3] = 100
    photo = torch.full((48, 64, 3), 200, dtype=torch.uint8)
    seen = torch.zeros(48, 64, dtype=torch.bool)
    seen[10:30, 20:60] = True
    mixed = with_photo(picture, photo, seen)
    assert torch.equal(mixed[..., 3], picture[..., 3])
    from_photo = mixed[..., 0] == 200
    expected = torch.zeros_like(seen)
    expected[10 + OUTLINE : 30 - OUTLINE, 20 + OUTLINE : 40 - OUTLINE] = True
    assert torch.equal(from_photo, expected)
    export_dataset(red, tmp_path / "render", [scene.views[3]], colours="render")
    export_dataset(red, tmp_path / "photo", [scene.views[3]], colours="photo")
    photo, render = (
        read_rgba(load_scene(tmp_path / kind).views[0])[24, :, :3] for kind in ("photo", "render")
    )
    inside = red.field.render(scene.views[3].camera).mask[24]
    middle = int(inside.nonzero().float().mean())
    assert torch.equal(photo[middle], read_image(scene.views[3])[24, middle])
    assert (render[middle] - photo[middle].int()).abs().max() < 6


def test_lenses_that_differ_stand_at_each_frame(red: Target, tmp_path: Path):
    scene = red.radiance.at_home().scene
    first = scene.views[3]
    bent = replace(scene.views[4].camera, distortion=Distortion(k1=0.05, p2=-0.001))
    second = replace(scene.views[4], camera=bent)
    export_dataset(red, tmp_path / "red", [first, second], colours="render")
    one, two = load_scene(tmp_path / "red").views
    assert one.camera.distortion == first.camera.distortion
    assert two.camera.distortion == bent.distortion


def test_another_width(red: Target, tmp_path: Path):
    export_dataset(red, tmp_path / "red", [red.radiance.at_home().scene.views[3]], width=32)
    (view,) = load_scene(tmp_path / "red").views
    before = red.radiance.at_home().scene.views[3].camera
    assert torch.allclose(view.camera.K, before.resized(32).K)
    assert read_rgba(view).shape == (24, 32, 4)


def test_nothing_to_train_on_is_refused(red: Target, tmp_path: Path):
    scene = red.radiance.at_home().scene
    with pytest.raises(InputError, match="no training view is among the views"):
        export_dataset(red, tmp_path / "red", scene.test_views)
    assert list(tmp_path.iterdir()) == []


def test_what_is_cancelled_leaves_nothing(red: Target, tmp_path: Path):
    told: list[int] = []

    def stop(progress: Progress) -> None:
        told.append(progress.done)
        if progress.done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        export_dataset(red, tmp_path / "red", progress=stop)
    assert list(tmp_path.iterdir()) == []
    assert sorted(set(told)) == [0, 1, 2]
