"""Sizes out of the first bytes: the same as a decoder's, or none at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sanerf_hq.errors import InputError
from sanerf_hq.scene.image_files import image_size
from sanerf_hq.scene.image_headers import quick_size

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 41, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("png", {}),
        ("jpg", {}),
        ("jpg", {"progressive": True, "quality": 30}),
        ("jpg", {"exif": b"Exif\0\0" + b"x" * 60_000, "comment": b"\xff\xc0 no frame"}),
    ],
)
def test_sizes_are_the_decoder_s(tmp_path: Path, suffix: str, options: dict[str, object]):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(PIXELS).save(path, **options)
    assert quick_size(path) == (41, 30) == image_size(path)


def test_fill_bytes_between_segments(tmp_path: Path):
    path = tmp_path / "a.jpg"
    Image.fromarray(PIXELS).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:2] + b"\xff\xff\xff" + content[2:])
    assert quick_size(path) == (41, 30)


@pytest.mark.parametrize("suffix", ["webp", "tiff", "bmp", "ppm"])
def test_other_formats_are_left_to_the_decoder(tmp_path: Path, suffix: str):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(PIXELS).save(path)
    assert quick_size(path) is None
    assert image_size(path) == (41, 30)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\0\x01", b"\x89PNG\r\n\x1a\n"])
def test_broken_headers_are_left_to_the_decoder(tmp_path: Path, content: bytes):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    assert quick_size(path) is None
    with pytest.raises(InputError, match=r"a\.jpg"):
        image_size(path)


@given(content=st.binary(max_size=80))
def test_noise_gives_no_size_that_cannot_be(content: bytes, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("noise") / "a.jpg"
    for start in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"):
        path.write_bytes(start + content)
        size = quick_size(path)
        assert size is None or (size[0] > 0 and size[1] > 0)
