from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from sanerf_hq.capture.lens import Lens, read_lens

PHOTO = 0x8769


def tags(top: dict[int, Any], inner: dict[int, Any]) -> Image.Exif:
    """Tags as they come out of a file."""
    exif = Image.Exif()
    for tag, value in top.items():
        exif[tag] = value
    exif.get_ifd(PHOTO).update(inner)
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", exif=exif)
    return Image.open(stream).getexif()


def test_a_phone_s_35_mm_equivalent_compares_diagonals():
    exif = tags({0x010F: "Maker", 0x0110: "Phone 9"}, {0x920A: 4.25, 0xA405: 26, 0xA434: "wide"})
    lens = read_lens(exif, (4000, 3000))
    assert lens.focal == pytest.approx(26 / 43.2666 * 5000 / 4000, rel=1e-4)
    assert read_lens(exif, (3000, 4000)).focal == lens.focal  # held upright
    assert lens.camera == "Maker, Phone 9, wide, 4.25 mm, 26 mm"


@pytest.mark.parametrize(("unit", "per_unit"), [(2, 5000.0), (3, 5000 / 2.54), (4, 5000 / 25.4)])
def test_a_sensor_s_resolution_gives_pixels(unit: int, per_unit: float):
    """50 mm at 5000 pixels an inch are 9842.5 pixels of an image of 6000."""
    exif = tags({}, {0x920A: 50.0, 0xA20E: per_unit, 0xA210: unit, 0xA002: 6000, 0xA003: 4000})
    assert read_lens(exif, (1500, 1000)).focal == pytest.approx(9842.52 / 6000, rel=1e-3)


def test_lenses_of_other_focal_length_are_other_cameras():
    wide, tele = (read_lens(tags({0x0110: "Z"}, {0x920A: mm}), (30, 20)) for mm in (24.0, 70.0))
    assert wide.camera != tele.camera
    assert wide.focal is None  # millimetres alone say nothing about pixels


@pytest.mark.parametrize(
    "inner",
    [{0xA405: 0}, {0xA405: 65535}, {0x920A: IFDRational(0, 0), 0xA20E: 1.0}, {0x920A: 50.0, 0xA20E: 0.0}],
)
def test_impossible_numbers_count_as_absent(inner: dict[int, Any]):
    assert read_lens(tags({}, inner), (40, 30)).focal is None


def test_no_tags_no_camera():
    assert read_lens(Image.Exif(), (40, 30)) == Lens("", None)


def test_words_are_cleaned():
    lens = read_lens(tags({0x0110: "Cam\x01era\n  X"}, {}), (40, 30))
    assert lens.camera == "Cam era X"
