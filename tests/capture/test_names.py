from __future__ import annotations

import pytest

from sanerf_hq.capture.names import stems


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (["IMG_1", "IMG_2"], ["IMG_1", "IMG_2"]),
        (["IMG_1", "IMG_1", "IMG_1"], ["IMG_1", "IMG_1-2", "IMG_1-3"]),
        (["img", "IMG"], ["img", "IMG-2"]),
        (["IMG_1", "IMG_1-2", "IMG_1"], ["IMG_1", "IMG_1-2", "IMG_1-3"]),
        (["my  Löwe 1"], ["my_Löwe_1"]),
        (["#1", "##2", " #3", "4#", "#", "1"], ["1", "2", "3", "4#", "photo_0005", "1-2"]),
        (["Lo\u0308we"], ["L\u00f6we"]),  # composed
        (
            ["a/b", "con", "x" * 200, "a\\b", "tab\there"],
            ["photo_0001", "photo_0002", "photo_0003", "photo_0004", "tab_here"],
        ),
        (["line\nbreak", "\u202eevil"], ["line_break", "photo_0002"]),
    ],
)
def test_stems(written: list[str], found: list[str]):
    assert stems(written) == found
