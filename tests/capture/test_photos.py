"""Photos against pictures that were turned by hand, and files made to annoy."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sanerf_hq.capture import CaptureConfig
from sanerf_hq.capture.lens import read_lens
from sanerf_hq.capture.photos import Unreadable, find_photos, photos_below, read_photo
from sanerf_hq.capture.prepare import prepare
from sanerf_hq.capture.store import Store
from sanerf_hq.errors import InputError
from sanerf_hq.runs import quiet
from support.colour_profiles import P3_RED, SRGB, display_p3, linear_grey

UPRIGHT = np.zeros((32, 48, 3), np.uint8)
UPRIGHT[:16, :24] = (250, 20, 20)  # top left red
UPRIGHT[:16, 24:] = (20, 250, 20)  # top right green
UPRIGHT[16:, :24] = (20, 20, 250)  # bottom left blue


def stored_pixels(orientation: int) -> np.ndarray:
    """What a camera stores; EXIF 2.32 says which sides of the upright picture its row 0 and column 0 are.

    1 top left, 2 top right, 3 bottom right, 4 bottom left, 5 left top, 6 right top, 7 right bottom,
    8 left bottom.
    """
    height, width = UPRIGHT.shape[:2]
    sideways = orientation >= 5
    rows, columns = np.indices((width, height) if sideways else (height, width))
    along_row, along_column = (columns, rows) if sideways else (rows, columns)
    y = height - 1 - along_row if orientation in (3, 4, 7, 8) else along_row
    x = width - 1 - along_column if orientation in (2, 3, 6, 7) else along_column
    return UPRIGHT[y, x]


def exif_with(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0xA405] = 26
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_each_orientation_comes_out_upright(orientation: int, suffix: str, tmp_path: Path):
    path = tmp_path / f"a{suffix}"
    options = {".jpg": {"quality": 95, "subsampling": 0}, ".webp": {"lossless": True}}.get(suffix, {})
    Image.fromarray(stored_pixels(orientation)).save(path, exif=exif_with(orientation), **options)
    photo = read_photo(path, 1000)
    assert photo.image.size == photo.full_size == (48, 32)
    assert np.abs(np.asarray(photo.image).astype(int) - UPRIGHT).max() < 12
    assert photo.as_stored == (orientation == 1 and suffix in (".jpg", ".png"))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heic_is_turned_once(orientation: int, tmp_path: Path):
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs the extra sfm")
    path = tmp_path / "a.HEIC"
    heif = pillow_heif.from_pillow(Image.fromarray(stored_pixels(orientation)))
    heif.save(path, exif=exif_with(orientation).tobytes(), quality=95, chroma=444)
    photo = read_photo(path, 1000)
    assert photo.image.size == (48, 32)
    assert np.abs(np.asarray(photo.image).astype(int) - UPRIGHT)[2:-2, 2:-2].mean() < 8
    assert read_lens(photo.exif, photo.full_size).focal == pytest.approx(26 / 43.267 * 57.69 / 48, rel=1e-3)
    assert not photo.as_stored


def test_heic_without_support_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x1cftypheic" + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(InputError, match=r"a\.heic .* pip install 'sanerf-hq\[sfm\]'"):
        read_photo(path, 1000)


def test_a_heic_photo_named_jpg_is_read(tmp_path: Path):
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs the extra sfm")
    pillow_heif.from_pillow(Image.fromarray(UPRIGHT)).save(tmp_path / "a.heic")
    (tmp_path / "a.heic").rename(tmp_path / "a.jpg")
    assert read_photo(tmp_path / "a.jpg", 1000).image.size == (48, 32)


def test_a_phone_s_two_pictures_in_one_file_give_the_first(tmp_path: Path):
    path = tmp_path / "a.jpg"
    first, second = Image.fromarray(UPRIGHT), Image.new("RGB", (48, 32))
    first.save(path, "MPO", save_all=True, append_images=[second], quality=95)
    photo = read_photo(path, 1000)
    assert np.abs(np.asarray(photo.image).astype(int) - UPRIGHT)[:14, :22].max() < 12
    assert not photo.as_stored  # the scene reads plain JPEG


@pytest.mark.parametrize(
    ("longest", "size"), [(24, (24, 16)), (47, (47, 31)), (48, (48, 32)), (900, (48, 32))]
)
def test_the_longest_side_is_reduced_and_never_enlarged(longest: int, size: tuple[int, int], tmp_path: Path):
    Image.fromarray(stored_pixels(6)).save(tmp_path / "a.png", exif=exif_with(6))
    photo = read_photo(tmp_path / "a.png", longest)
    assert (photo.image.size, photo.full_size) == (size, (48, 32))


def test_a_large_jpeg_keeps_its_full_size_in_mind(tmp_path: Path):
    Image.new("RGB", (1600, 1200), (9, 99, 9)).save(tmp_path / "a.jpg")
    photo = read_photo(tmp_path / "a.jpg", 200)
    assert (photo.image.size, photo.full_size) == ((200, 150), (1600, 1200))


def test_what_is_transparent_shows_white(tmp_path: Path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2, :, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png", 100)
    assert np.asarray(photo.image)[:, 0].tolist() == [[0, 0, 0]] * 2 + [[255, 255, 255]] * 2
    assert not photo.as_stored


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK"])
def test_other_kinds_of_colour_become_rgb(mode: str, tmp_path: Path):
    suffix = "tif" if mode == "CMYK" else "png"
    Image.new("RGB", (5, 4), (255, 255, 255)).convert(mode).save(tmp_path / f"a.{suffix}")
    image = read_photo(tmp_path / f"a.{suffix}", 100).image
    assert image.mode == "RGB" and np.asarray(image).min() == 255


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_phone_s_colours_come_out_as_srgb_has_them(suffix: str, tmp_path: Path):
    options = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}}.get(suffix, {})
    pixels = np.full((8, 16, 3), 120, np.uint8)
    pixels[:, :8] = P3_RED
    path = tmp_path / f"a{suffix}"
    Image.fromarray(pixels).save(path, icc_profile=display_p3(), **options)
    photo = read_photo(path, 1000)
    assert np.abs(np.asarray(photo.image)[4, 2].astype(int) - (255, 0, 0)).max() <= 4
    assert np.abs(np.asarray(photo.image)[4, 13].astype(int) - 120).max() <= 3
    assert not photo.as_stored


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_prepared_images_are_srgb_and_have_no_other_profile(suffix: str, tmp_path: Path):
    (tmp_path / "photos").mkdir()
    for name, size in (("a", (120, 80)), ("b", (90, 60)), ("c", (60, 100))):
        photo = Image.new("RGB", size, P3_RED)
        photo.save(tmp_path / f"photos/{name}{suffix}", icc_profile=display_p3())
    store = Store(tmp_path / "out")
    with store.opened():
        prepared = prepare(tmp_path / "photos", store, CaptureConfig(longest=100), quiet)
    for image in prepared.images:
        with Image.open(store.images / image.name) as written:
            assert "icc_profile" not in written.info
            assert np.abs(np.asarray(written).astype(int) - (255, 0, 0)).max() <= 4


def test_a_profile_counts_under_what_is_transparent_too(tmp_path: Path):
    pixels = np.full((4, 6, 4), (*P3_RED, 255), np.uint8)
    pixels[2:, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=display_p3())
    rows = np.asarray(read_photo(tmp_path / "a.png", 100).image)[:, 0].astype(int)
    assert np.abs(rows[:2] - (255, 0, 0)).max() <= 2
    assert (rows[2:] == 255).all()


@pytest.mark.parametrize("content", [SRGB, b"no profile", SRGB[:200], linear_grey()])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_photos_stay_as_they_are_where_a_profile_says_nothing_else(
    content: bytes, suffix: str, tmp_path: Path
):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(UPRIGHT).save(path, icc_profile=content)
    photo = read_photo(path, 1000)
    assert photo.as_stored
    with Image.open(path) as stored:
        assert np.array_equal(np.asarray(photo.image), np.asarray(stored))


@pytest.mark.parametrize(
    ("content", "expected"), [(linear_grey(), 128), (display_p3(), 55), (b"no profile", 55)]
)
def test_a_grey_jpeg_follows_a_profile_for_greys_alone(content: bytes, expected: int, tmp_path: Path):
    """sRGB's 128 is 0.2159 of full light, and so is 55 of 255 where numbers are light."""
    Image.new("L", (16, 8), 55).save(tmp_path / "a.jpg", icc_profile=content)
    image = read_photo(tmp_path / "a.jpg", 100).image
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image).astype(int) - expected).max() <= 1


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and ends where its pixels begin."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + b"\0\0\1\0IDAT"
    )


def jpeg_header(whole: bytes, width: int, height: int) -> bytes:
    """A JPEG that says it is so large."""
    start = whole.index(b"\xff\xc0") + 5
    return whole[:start] + struct.pack(">HH", height, width) + whole[start + 4 :]


def broken_files() -> dict[str, tuple[bytes, str]]:
    stream = io.BytesIO()
    Image.fromarray(UPRIGHT).resize((300, 200)).save(stream, "JPEG")
    whole = stream.getvalue()
    deep = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.float32)).save(deep, "TIFF")
    return {
        "text": (b"not a picture at all", "no image"),
        "empty": (b"", "no image"),
        "half": (whole[: len(whole) // 2], "truncated"),
        "header": (whole[:300], "truncated|no image"),
        "bomb": (png_header(30000, 30000), "million pixels"),
        "large": (png_header(15000, 12000), "170 million pixels"),
        "large jpeg": (jpeg_header(whole, 16400, 16400), "250 million pixels"),
        "heic": (b"\0\0\0\x1cftypheic" + bytes(100), "truncated"),
        "deep": (deep.getvalue(), "8 bits"),
    }


@pytest.mark.parametrize("name", list(broken_files()))
def test_what_cannot_be_read_is_said(name: str, tmp_path: Path):
    content, said = broken_files()[name]
    if name == "heic":
        pytest.importorskip("pillow_heif", reason="needs the extra sfm")
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(Unreadable, match=said):
        read_photo(tmp_path / "a.jpg", 1000)


def test_a_photo_of_108_million_pixels_is_not_taken_for_a_bomb(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(png_header(12000, 9000))
    with pytest.raises(Unreadable, match="truncated"):  # it is looked into
        read_photo(tmp_path / "a.png", 1000)


def test_a_photo_of_200_million_pixels_is_read(tmp_path: Path):
    stream = io.BytesIO()
    Image.new("RGB", (64, 48), (9, 99, 9)).save(stream, "JPEG")
    (tmp_path / "a.jpg").write_bytes(jpeg_header(stream.getvalue(), 16320, 12240))
    photo = read_photo(tmp_path / "a.jpg", 200)  # what the file lacks is grey
    assert (photo.image.size, photo.full_size) == ((200, 150), (16320, 12240))
    assert not photo.as_stored


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_of_16_bits_becomes_8(kind: str, tmp_path: Path):
    values = np.array([[0, 255, 256, 65535], [40000, 1, 2, 3]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a", kind)
    photo = read_photo(tmp_path / "a", 100)
    assert np.array_equal(np.asarray(photo.image), np.repeat((values // 256)[:, :, None], 3, 2))
    assert not photo.as_stored


def test_broken_tags_count_as_absent(tmp_path: Path):
    path = tmp_path / "a.jpg"
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xee" * 40
    Image.fromarray(UPRIGHT).save(path, exif=exif)
    photo = read_photo(path, 1000)
    assert photo.image.size == (48, 32)
    assert read_lens(photo.exif, photo.full_size).focal is None


def test_photos_are_in_the_order_that_cameras_count_in(tmp_path: Path):
    ordered = ["2.jpg", "10.jpg", "a 9.jpg", "A 10.JPG", "frame.jpg", "frame1.jpg"]
    ordered += ["frame2.jpg", "frame2b.jpg", "frame02c.jpg", "frame10.jpg", "frame10.png"]
    for name in reversed(ordered):
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in find_photos(tmp_path).photos] == ordered


def test_the_folder_that_photos_lie_in_is_found(tmp_path: Path):
    assert photos_below(tmp_path) is None
    for name in (
        "a.jpg",
        "notes/a.txt",
        ".trash/a.jpg",
        ".trash/b.jpg",
        "few/.at/a.jpg",
        "few/.at/b.jpg",
        "few/a.jpg",
        "DCIM/100/a.JPG",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert photos_below(tmp_path) == tmp_path / "DCIM" / "100"
    (tmp_path / "few" / "b.png").write_bytes(b"x")
    assert photos_below(tmp_path) == tmp_path / "few"


def test_what_a_folder_holds(tmp_path: Path):
    folder = tmp_path / "my photos ü"
    (folder / "more").mkdir(parents=True)
    for name in ("b 2.JPG", "a.png", "c.HEIC", "notes.txt", "d.mov", "e.DNG", ".hidden.jpg"):
        (folder / name).write_bytes(b"x")
    outside = tmp_path / "secret.jpg"
    outside.write_bytes(b"x")
    (folder / "link out.jpg").symlink_to(outside)
    (folder / "link in.jpg").symlink_to(folder / "a.png")
    (folder / "dangling.jpg").symlink_to(folder / "gone.jpg")
    (folder / "esc\x1b[31m.txt").write_bytes(b"x")
    found = find_photos(folder)
    assert [path.name for path in found.photos] == ["a.png", "b 2.JPG", "c.HEIC", "link in.jpg"]
    assert set(found.left_out) == {
        "notes.txt",
        "d.mov",
        "e.DNG",
        "link out.jpg",
        "dangling.jpg",
        "esc\N{REPLACEMENT CHARACTER}[31m.txt",
    }
    assert "leaves the folder" in found.left_out["link out.jpg"]
    assert "raw" in found.left_out["e.DNG"]
