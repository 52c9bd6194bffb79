from __future__ import annotations

import errno
import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.scene import (
    View,
    instance_mask,
    load_scene,
    read_depth,
    read_image,
    read_instances,
    read_mask,
    read_rgba,
)
from support.colour_profiles import P3_RED, display_p3
from support.scene_files import frame, write_image, write_scene

RNG = np.random.default_rng(3)


def view_of(tmp_path: Path, name: str = "a.png", **fields: object) -> View:
    return load_scene(write_scene(tmp_path, [frame(name, **fields)])).views[0]


def view_of_pixels(tmp_path: Path, pixels: np.ndarray) -> View:
    write_image(tmp_path / "a.png", pixels)
    return view_of(tmp_path)


def area_average(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Each new pixel's mean over the area that it covers, weight by weight."""

    def weights(new: int, old: int) -> np.ndarray:
        edges = np.arange(new + 1) * old / new
        covered = [
            [max(0.0, min(edges[i + 1], j + 1) - max(edges[i], j)) for j in range(old)] for i in range(new)
        ]
        return np.array(covered) * new / old

    across = np.einsum("rh,hwc->rwc", weights(rows, image.shape[0]), image.astype(float))
    return np.einsum("cw,rwk->rck", weights(columns, image.shape[1]), across)


def close(found: Tensor, wanted: np.ndarray, within: float = 0.51) -> bool:
    return found.shape == wanted.shape and bool(np.abs(found.numpy().astype(float) - wanted).max() <= within)


def test_photos_of_other_colours_are_read_as_srgb(tmp_path: Path):
    pixels = np.full((8, 16, 4), (*P3_RED, 255), np.uint8)
    pixels[4:, :, 3] = 51
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=display_p3())
    Image.fromarray(pixels[..., :3]).save(tmp_path / "b.png", icc_profile=display_p3())
    views = load_scene(write_scene(tmp_path, [frame("a.png", w=16, h=8), frame("b.png", w=16, h=8)])).views
    rgba = read_rgba(views[0])
    assert close(rgba[..., :3], np.full((8, 16, 3), (255, 0, 0)), within=2)
    assert torch.equal(rgba[..., 3], torch.from_numpy(pixels[..., 3]))
    assert close(read_image(views[1]), np.full((8, 16, 3), (255, 0, 0)), within=2)


def test_pixels_are_those_of_the_file(tmp_path: Path):
    pixels = RNG.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    view = view_of_pixels(tmp_path, pixels)
    assert (read_image(view).numpy() == pixels).all()
    rgba = read_rgba(view)
    assert (rgba[..., :3].numpy() == pixels).all()
    assert (rgba[..., 3] == 255).all()


@pytest.mark.parametrize("width", [1, 16, 20, 27, 40])
def test_scaled_photos_are_area_averages_of_the_cameras_size(tmp_path: Path, width: int):
    pixels = RNG.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    view = view_of_pixels(tmp_path, pixels)
    camera = view.camera.resized(width)
    assert close(read_image(view, width), area_average(pixels, camera.height, camera.width))


def test_transparent_photos_are_averaged_by_opacity(tmp_path: Path):
    pixels = RNG.integers(0, 256, (30, 40, 4), dtype=np.uint8)
    pixels[..., 3] = np.where(RNG.random((30, 40)) > 0.5, pixels[..., 3], 0)
    pixels[:10, :10, 3] = 0
    view = view_of_pixels(tmp_path, pixels)
    opacity = pixels[..., 3:] / 255.0
    for width in (16, 20):  # by 2.5 and by 2
        rows = width * 3 // 4
        alpha = area_average(opacity, rows, width)
        on_white = area_average(pixels[..., :3] * opacity + 255 * (1 - opacity), rows, width)
        rgba = read_rgba(view, width)
        assert close(rgba[..., 3:], alpha * 255, 1.0)
        assert (rgba[:3, :3, 3] == 0).all()
        colors = rgba[..., :3].numpy() * alpha + 255 * (1 - alpha)
        assert np.abs(colors - on_white).max() < 3
        assert close(read_image(view, width), on_white, 1.0)


def test_enlarged_photos_repeat_pixels(tmp_path: Path):
    pixels = RNG.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    view = view_of_pixels(tmp_path, pixels)
    assert (read_image(view, 80).numpy() == pixels.repeat(2, 0).repeat(2, 1)).all()


@pytest.mark.parametrize("width", [0, -3])
def test_a_width_below_one_is_refused(tmp_path: Path, width: int):
    view = view_of(tmp_path)
    for read in (read_image, read_rgba, read_mask):
        with pytest.raises(InputError, match="at least 1"):
            read(view, width)


def test_transparency_shows_the_background_and_lends_no_colour(tmp_path: Path):
    pixels = np.zeros((30, 40, 4), np.uint8)
    pixels[:, 0::2] = [200, 100, 0, 255]
    pixels[:, 1::2] = [0, 0, 255, 0]  # invisible blue
    pixels[0, 0] = [200, 100, 0, 51]  # a fifth
    view = view_of_pixels(tmp_path, pixels)
    assert read_image(view)[1, :2].tolist() == [[200, 100, 0], [255, 255, 255]]
    assert read_image(view, background=(0, 10, 20))[1, 1].tolist() == [0, 10, 20]
    assert read_image(view)[0, 0].tolist() == [244, 224, 204]
    assert (read_rgba(view).numpy()[pixels[..., 3] > 0] == pixels[pixels[..., 3] > 0]).all()
    half = read_rgba(view, 20)[5, 5].int()
    assert (half - torch.tensor([200, 100, 0, 128])).abs().max() <= 1
    assert (read_image(view, 20)[5, 5].int() - torch.tensor([228, 178, 128])).abs().max() <= 1


def save(tmp_path: Path, image: Image.Image, name: str = "a.png", **options: object) -> View:
    image.save(tmp_path / name, **options)
    return view_of(tmp_path, name)


def test_kinds_of_images_that_are_read(tmp_path: Path):
    grey = RNG.integers(0, 256, (30, 40), dtype=np.uint8)
    view = save(tmp_path, Image.fromarray(grey))
    assert (read_image(view).numpy() == grey[..., None]).all()

    bits = grey > 127
    view = save(tmp_path, Image.fromarray(bits))
    assert (read_image(view).numpy() == bits[..., None] * 255).all()

    deep = RNG.integers(0, 65536, (30, 40), dtype=np.uint16)
    deep[0, :2] = 0, 65535
    view = save(tmp_path, Image.fromarray(deep))
    assert close(read_image(view), np.repeat(deep[..., None] / 257, 3, -1))

    palette = Image.fromarray(grey % 3).convert("P")
    palette.putpalette([9, 8, 7, 60, 50, 40, 255, 0, 1])
    view = save(tmp_path, palette)
    assert (read_image(view).numpy() == np.array([[9, 8, 7], [60, 50, 40], [255, 0, 1]])[grey % 3]).all()
    view = save(tmp_path, palette, transparency=2)
    assert (read_rgba(view)[..., 3].numpy() == np.where(grey % 3 == 2, 0, 255)).all()
    assert (read_image(view).numpy()[grey % 3 == 2] == 255).all()

    both = np.stack([grey, 255 - grey], -1)
    view = save(tmp_path, Image.fromarray(both))
    assert (read_rgba(view)[..., 3].numpy() == 255 - grey).all()

    ink = Image.new("CMYK", (40, 30), (0, 255, 255, 0))
    red = read_image(save(tmp_path, ink, "a.jpg", quality=100))[7, 7]
    assert (red.int() - torch.tensor([255, 0, 0])).abs().max() <= 3


@pytest.mark.parametrize("mode", ["F", "I"])
def test_kinds_of_images_that_are_refused(tmp_path: Path, mode: str):
    view = save(tmp_path, Image.new(mode, (40, 30)), "a.tiff")
    for read in (read_image, read_rgba):
        with pytest.raises(InputError, match=f"a.tiff has mode {mode}; save"):
            read(view)


def test_formats_that_are_refused(tmp_path: Path):
    Image.new("L", (40, 30)).save(tmp_path / "a.gif")
    with pytest.raises(InputError, match=r"a.gif is no image .* PNG, JPEG"):
        view_of(tmp_path, "a.gif")


def test_exif_orientation_turns_nothing(tmp_path: Path):
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[:, :20] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    view = save(tmp_path, Image.fromarray(pixels), "a.jpg", exif=exif)
    image = read_image(view)
    assert image.shape == (30, 40, 3)
    assert image[:, :16].min() > 200 > 50 > image[:, 24:].max()
    # Pillow turns TIFF files whether asked or not, even half-way round, which no size betrays.
    for orientation in (3, 6):
        exif[0x0112] = orientation
        with pytest.raises(InputError, match="orientation; save it as PNG"):
            save(tmp_path, Image.fromarray(pixels), "b.tiff", exif=exif)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tiff", "a.bmp"])
def test_a_truncated_image_is_named_when_it_is_read(tmp_path: Path, name: str):
    path = write_image(tmp_path / name)
    view = view_of(tmp_path, name)
    size = path.stat().st_size
    refused = 0
    for kept in range(size - size // 8, 0, -max(1, size // 12)):
        path.write_bytes((tmp_path / name).read_bytes()[:kept])
        with pytest.raises(InputError, match=rf"{name}.*; "):
            read_image(view)
        refused += 1
    assert refused >= 8


def test_a_damaged_image_never_raises_anything_else(tmp_path: Path):
    whole = write_image(tmp_path / "a.png").read_bytes()
    view = view_of(tmp_path)
    failures = 0
    for position in range(8, len(whole), max(1, len(whole) // 60)):
        (tmp_path / "a.png").write_bytes(
            whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :]
        )
        try:
            read_image(view)
        except InputError as error:
            assert "a.png" in str(error)
            failures += 1
    assert failures > 30


@pytest.mark.parametrize("size", [(9300, 8800), (9600, 9500), (30000, 20000)])
def test_an_image_of_absurd_size_is_not_decoded(tmp_path: Path, size: tuple[int, int]):
    header = struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    )
    view = view_of(tmp_path)
    (tmp_path / "a.png").write_bytes(bomb)
    with pytest.raises(InputError, match=r"a\.png has more than 80 million pixels"):
        view_of(tmp_path)
    with pytest.raises(InputError, match=r"a\.png has more than 80 million pixels"):
        read_image(view)


def test_an_image_that_changed_or_went_since_the_scene_was_opened(tmp_path: Path):
    view = view_of(tmp_path)
    write_image(tmp_path / "a.png", size=(20, 15))
    with pytest.raises(InputError, match=r"a.png is 20x15 where 40x30"):
        read_image(view)
    (tmp_path / "a.png").unlink()
    with pytest.raises(InputError, match=r"a.png cannot be read .*; put it back"):
        read_image(view)


def test_an_image_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    view = view_of(tmp_path)

    def forbidden(*given: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Image, "open", forbidden)
    with pytest.raises(InputError, match=r"a.png cannot be read \(Permission denied\); mend its permissions"):
        read_image(view)


def test_masks_forbid_pixels_that_touch_a_forbidden_one(tmp_path: Path):
    mask = np.full((30, 40), 255, np.uint8)
    mask[4, 7] = 0
    mask[20:, :] = 0
    mask[5, 5] = 1  # little is not nothing
    write_image(tmp_path / "m.png", mask)
    view = view_of(tmp_path, mask_path="m.png")
    assert (read_mask(view).numpy() == (mask > 0)).all()
    small = read_mask(view, 20)
    wanted = (mask.reshape(15, 2, 20, 2) > 0).all((1, 3))
    assert (small.numpy() == wanted).all()
    uneven = read_mask(view, 16)  # 2.5 pixels each: pixel (7, 4) lies under both (2, 1) and (3, 1) in part
    wanted = np.ones((12, 16), bool)
    wanted[1, 2:4] = wanted[8:] = False
    assert (uneven.numpy() == wanted).all()


@pytest.mark.parametrize("kind", ["1", "RGB", "RGBA", "P", "I;16"])
def test_masks_of_every_kind_mean_the_same(tmp_path: Path, kind: str):
    allowed = RNG.random((30, 40)) > 0.5
    image = Image.fromarray((allowed * 255).astype(np.uint8))
    if kind == "I;16":
        image = Image.fromarray(allowed.astype(np.uint16))  # 1 of 65535
    elif kind == "P":
        image = Image.fromarray((~allowed).astype(np.uint8)).convert("P")
        image.putpalette([255, 255, 255, 0, 0, 0])
    else:
        image = image.convert(kind)
    image.save(tmp_path / "m.png")
    assert (read_mask(view_of(tmp_path, mask_path="m.png")).numpy() == allowed).all()


def test_a_mask_may_be_larger_or_smaller_than_the_photo(tmp_path: Path):
    view = view_of(tmp_path, mask_path=write_image(tmp_path / "m.png", np.ones((30, 40), np.uint8)).name)
    large = np.ones((59, 80), np.uint8)
    large[21, 33] = 0
    write_image(tmp_path / "m.png", large)
    wanted = np.ones((30, 40), bool)
    wanted[10:12, 16] = False  # 59 rows on 30: row 21 lies under both
    assert (read_mask(view).numpy() == wanted).all()
    small = np.ones((15, 20), np.uint8)
    small[3, 7] = 0
    write_image(tmp_path / "m.png", small)
    assert (read_mask(view).numpy() == small.repeat(2, 0).repeat(2, 1)).all()
    write_image(tmp_path / "m.png", large[:40])
    with pytest.raises(InputError, match=r"m\.png is 80x40 where 40x30 is expected, or a scaled copy"):
        read_mask(view)


def test_without_a_mask_every_pixel_may_be_used(tmp_path: Path):
    assert read_mask(view_of(tmp_path), 20).shape == (15, 20)
    assert read_mask(view_of(tmp_path)).all()


def view_of_ids(tmp_path: Path, ids: np.ndarray) -> View:
    write_image(tmp_path / "i.png", ids)
    return view_of(tmp_path, instance_path="i.png")


def test_ids_are_read_from_8_and_16_bit_and_palettes(tmp_path: Path):
    ids = RNG.integers(0, 5, (30, 40), dtype=np.uint8)
    assert (read_instances(view_of_ids(tmp_path, ids)).numpy() == ids).all()
    deep = ids.astype(np.uint16) * 300
    view = view_of_ids(tmp_path, deep)
    assert (read_instances(view).numpy() == deep).all()
    assert (instance_mask(view, 600).numpy() == (ids == 2)).all()
    assert not instance_mask(view, 7).any()
    palette = Image.fromarray(ids).convert("P")
    palette.putpalette(RNG.integers(0, 256, 15).tolist())
    palette.save(tmp_path / "i.png")
    assert (read_instances(view).numpy() == ids).all()


def view_of_palette(folder: Path, indices: np.ndarray, palette: list[int]) -> View:
    image = Image.fromarray(indices).convert("P")
    image.putpalette(palette)
    image.save(folder / "i.png")
    return view_of(folder, instance_path="i.png")


def test_black_and_white_palettes_are_read_as_they_look(tmp_path: Path):
    inside = np.zeros((30, 40), bool)
    inside[5:9, 6:20] = True
    white_first = view_of_palette(tmp_path, (~inside).astype(np.uint8), [255, 255, 255, 0, 0, 0])
    assert (read_instances(white_first).numpy() == inside * 255).all()
    unused = view_of_palette(tmp_path, (~inside).astype(np.uint8), [255, 255, 255, 0, 0, 0, 9, 200, 9])
    assert (read_instances(unused).numpy() == inside * 255).all()
    greys = view_of_palette(tmp_path, (~inside).astype(np.uint8), [90, 90, 90, 7, 7, 7])
    assert (read_instances(greys).numpy() == np.where(inside, 90, 7)).all()


def test_a_grey_of_a_coloured_palette_is_a_label_like_others(tmp_path: Path):
    ids = np.where(np.arange(40) < 9, np.uint8(2), np.uint8(0))[None].repeat(30, 0)
    view = view_of_palette(tmp_path, ids, [0, 0, 0, 128, 0, 0, 128, 128, 128])
    assert (read_instances(view).numpy() == ids).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_ids_in_channels_that_agree_are_read(tmp_path: Path, mode: str):
    ids = RNG.integers(0, 5, (30, 40), dtype=np.uint8)
    image = Image.fromarray(ids).convert(mode)
    view = view_of_ids(tmp_path, ids)
    image.save(tmp_path / "i.png")
    assert (read_instances(view).numpy() == ids).all()
    if mode != "RGB":
        image.putalpha(Image.fromarray(ids))
        image.save(tmp_path / "i.png")
        assert (read_instances(view).numpy() == ids).all()
        image.putalpha(Image.fromarray(ids * 2))
        image.save(tmp_path / "i.png")
        with pytest.raises(InputError, match=r"i\.png is transparent in places"):
            read_instances(view)


@pytest.mark.parametrize("factor", [2, 5, 10])
def test_smaller_ids_are_the_commonest_under_each_pixel(tmp_path: Path, factor: int):
    ids = RNG.integers(0, 3, (30, 40), dtype=np.uint8)
    small = read_instances(view_of_ids(tmp_path, ids), 40 // factor)
    assert small.shape == (30 // factor, 40 // factor)
    for row, column in np.ndindex(*small.shape):
        block = ids[row * factor :, column * factor :][:factor, :factor]
        counts = np.bincount(block.ravel(), minlength=3)
        chosen = int(small[row, column])
        assert counts[chosen] == counts.max()
        if (counts == counts.max()).sum() > 1 and counts[block[factor // 2, factor // 2]] == counts.max():
            assert chosen == block[factor // 2, factor // 2]


def test_smaller_ids_neither_shrink_nor_grow_an_object(tmp_path: Path):
    ids = np.zeros((30, 40), np.uint8)
    ids[5:15, 7:27] = 1  # edges in the middle of 2x2 blocks: all four sides are ties
    mask = instance_mask(view_of_ids(tmp_path, ids), 1, 20)
    assert mask.sum() == 10 * 20 / 4 - 1  # the corner of which a quarter is covered


def test_smaller_ids_of_other_factors_are_those_at_the_centre(tmp_path: Path):
    ids = RNG.integers(0, 200, (30, 40), dtype=np.uint8)
    small = read_instances(view_of_ids(tmp_path, ids), 16)
    rows = [int((i + 0.5) * 2.5) for i in range(12)]
    columns = [int((i + 0.5) * 2.5) for i in range(16)]
    assert (small.numpy() == ids[np.ix_(rows, columns)]).all()


def test_depth_is_in_scene_units_and_zero_where_there_is_none(tmp_path: Path):
    raw = RNG.integers(0, 65536, (30, 40), dtype=np.uint16)
    raw[0, 0] = 0
    write_image(tmp_path / "d.png", raw)
    depth = read_depth(view_of(tmp_path, depth_file_path="d.png"))
    np.testing.assert_allclose(depth.numpy(), raw / 1000, rtol=1e-6)
    assert depth[0, 0] == 0
    half = read_depth(view_of(tmp_path, depth_file_path="d.png"), 20)
    np.testing.assert_allclose(half.numpy(), raw[1::2, 1::2] / 1000, rtol=1e-6)


def test_truth_that_is_not_there_or_is_no_ids(tmp_path: Path):
    view = view_of(tmp_path)
    with pytest.raises(InputError, match=r"a\.png has no instance_path"):
        read_instances(view)
    with pytest.raises(InputError, match=r"a\.png has no depth_file_path"):
        read_depth(view)
    coloured = replace(view, instance_path=view.image_path, depth_path=view.image_path)
    with pytest.raises(InputError, match=r"a\.png has mode RGB"):
        read_instances(coloured)
    with pytest.raises(InputError, match=r"a\.png has mode RGB"):
        read_depth(coloured)
