"""Masks in files, read by other decoders than ours."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.export import Target, export_masks
from sanerf_hq.export.masks import compressed, files_of
from sanerf_hq.masks.rle import encode
from sanerf_hq.runs import Progress
from sanerf_hq.segmenters import load_segmenter
from support.balls import ball_camera

# pycocotools' own arrays are of NumPy 1's kind.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
coco = pytest.importorskip("pycocotools.coco", reason="needs pycocotools, an independent decoder")
coco_mask = pytest.importorskip("pycocotools.mask")


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 2**31))
def test_compressed_runs_are_coco_s(height: int, width: int, share: float, seed: int):
    mask = torch.from_numpy(np.random.default_rng(seed).random((height, width)) < share)
    decoded = coco_mask.decode({"size": [height, width], "counts": compressed(encode(mask).counts).encode()})
    assert np.array_equal(decoded.astype(bool), mask.numpy())


def test_long_runs_are_compressed_right():
    mask = torch.zeros(3000, 2000, dtype=torch.bool)
    mask[100:2900, 900:1100] = True
    text = compressed(encode(mask).counts)
    assert text == coco_mask.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))["counts"].decode()


def test_a_png_for_each_view_that_segment_takes_back(red: Target, tmp_path: Path):
    told: list[Progress] = []
    scene = red.radiance.at_home().scene
    chosen = scene.views[3:7]
    export_masks(red, tmp_path / "masks", views=chosen, progress=told.append)
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == sorted(
        f"{view.stem}.png" for view in chosen
    )
    for view in chosen[:2]:
        image = Image.open(tmp_path / "masks" / f"{view.stem}.png")
        assert (image.mode, image.size) == ("L", (64, 48))
        expected = red.field.render(view.camera).mask.numpy().astype(np.uint8) * 255
        assert np.array_equal(np.asarray(image), expected)
        assert expected.any()
    assert [(step.done, step.total) for step in told] == [(i, 4) for i in range(5)]
    labels = load_segmenter(f"masks:{tmp_path / 'masks'}", scene)
    assert sorted(labels.paths) == ["images/3.png", "images/4.png", "images/6.png"]  # pyright: ignore


def test_soft_masks_hold_probabilities_in_16_bit(red: Target, tmp_path: Path):
    view = red.radiance.at_home().scene.view("3")
    export_masks(red, tmp_path / "soft", "soft", [view])
    (path,) = (tmp_path / "soft").iterdir()
    values = np.asarray(Image.open(path)).astype(np.int64)
    share = red.field.render(view.camera).probabilities[..., 1].numpy()
    assert values.max() > 65000
    assert np.array_equal(values, np.round(share * np.float32(65535)).astype(np.int64))
    assert values.min() < 100


def test_coco_is_read_by_its_own_library(red: Target, tmp_path: Path):
    path = tmp_path / "a" / "red.json"
    scene = red.radiance.at_home().scene
    chosen = scene.views[3:8]
    export_masks(red, path, "coco", chosen)
    with contextlib.redirect_stdout(io.StringIO()):
        read = coco.COCO(str(path))
    assert read.cats[1]["name"] == "red"
    assert [image["file_name"] for image in read.imgs.values()] == [view.name for view in chosen]
    seen = []
    for annotation in read.anns.values():
        image = read.imgs[annotation["image_id"]]
        mask = red.field.render(scene.view(image["file_name"]).camera).mask.numpy()
        assert np.array_equal(read.annToMask(annotation).astype(bool), mask)
        assert annotation["area"] == mask.sum()
        rows, columns = np.nonzero(mask)
        x, y, width, height = annotation["bbox"]
        assert (x, y, x + width, y + height) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        seen.append(image["file_name"])
    assert seen == [f"images/{index}.png" for index in (3, 4, 5, 7)], "in view 6 the green ball hides it"


def test_a_view_without_the_object_has_no_annotation(red: Target, tmp_path: Path):
    camera = ball_camera(3)
    turned = camera.camtoworld @ torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0]))
    view = replace(red.radiance.at_home().scene.views[3], camera=replace(camera, camtoworld=turned))
    export_masks(red, tmp_path / "red.json", "coco", [view])
    content = json.loads((tmp_path / "red.json").read_text())
    assert len(content["images"]) == 1
    assert content["annotations"] == []


def test_another_width(red: Target, tmp_path: Path):
    view = red.radiance.at_home().scene.view("3")
    export_masks(red, tmp_path / "small", views=[view], width=32)
    mask = np.asarray(Image.open(tmp_path / "small" / "3.png"))
    assert mask.shape == (24, 32)
    assert np.array_equal(mask > 0, red.field.render(view.camera.resized(32)).mask.numpy())


@pytest.mark.parametrize("form", ["png", "soft", "coco"])
def test_what_is_cancelled_leaves_nothing(red: Target, tmp_path: Path, form):
    def stop(progress: Progress) -> None:
        if progress.done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        export_masks(red, tmp_path / "out.json", form, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_not_written_into(red: Target, tmp_path: Path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(InputError, match="is not empty; choose a new or an empty folder"):
        export_masks(red, tmp_path)


def test_views_of_one_stem_keep_their_folders(red: Target):
    scene = red.radiance.at_home().scene
    left, right = (replace(scene.views[0], name=f"{side}/07.jpg") for side in ("left", "right"))
    alone = replace(scene.views[0], name="left/08.jpg")
    both = replace(scene, views=(left, right, alone))
    assert list(files_of(both).values()) == ["left/07.jpg", "right/07.jpg", "08"]
