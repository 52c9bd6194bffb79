from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanerf_hq.errors import InputError
from sanerf_hq.runs import check_name


@pytest.mark.parametrize(
    "name", ["cape", "left box", "Zoë", "緑の箱", "a.b", "x" * 100, "console", "-v", "com", "com10"]
)
def test_good_names(name: str):
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        (" cape", "space"),
        ("cape ", "space"),
        (" ", "space"),
        (".hidden", "begins with a dot"),
        ("..", "begins with a dot"),
        ("cape.", "ends with a dot"),
        ("a/b", "holds one of"),
        ("../x", "begins with a dot"),
        ("a\\b", "holds one of"),
        ("c:", "holds one of"),
        ("what?", "holds one of"),
        ("a\nb", "cannot be printed"),
        ("a\0b", "cannot be printed"),
        ("a\u202eb", "cannot be printed"),
        ("a\u200bb", "cannot be printed"),
        ("a\udc80b", "cannot be printed"),
        ("x" * 101, "100 bytes"),
        ("緑" * 34, "100 bytes"),
        ("con", "reserved"),
        ("NUL", "reserved"),
        ("Aux.txt", "reserved"),
        ("lpt1", "reserved"),
        ("com¹", "reserved"),
    ],
)
def test_bad_names(name: str, why: str):
    with pytest.raises(InputError, match=why):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "taken"),
    [("Cape", "cape"), ("cape", "cape"), ("ZOË", "Zoe\u0308"), ("STRASSE", "straße")],
)
def test_clashes(name: str, taken: str):
    with pytest.raises(InputError, match="is taken"):
        check_name(name, ["box", taken])


def test_no_clash():
    assert check_name("cape", ["cape 2", "cap"]) == "cape"


def test_accents_are_composed():
    assert check_name("Zoe\u0308") == "Zoë"


@given(st.text(max_size=40))
def test_what_passes_is_one_plain_part_of_a_path(name: str):
    try:
        checked = check_name(name)
    except InputError:
        return
    assert checked == unicodedata.normalize("NFC", checked) == check_name(checked)
    assert not set(checked) & set("/\\:\0\n") and checked not in (".", "..")
    assert len(checked.encode()) <= 100
