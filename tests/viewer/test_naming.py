from __future__ import annotations

import pytest

from sanerf_hq.runs import check_name
from sanerf_hq.viewer.naming import is_taken, made_name


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("a gold cape", "a gold cape"),
        ("a cup / mug?", "a cup mug"),
        ("what is: red", "what is red"),
        ("..", "object"),
        ("con", "object con"),
        ("cafe\u0301", "caf\u00e9"),
        ("x" * 120, "x" * 80),
    ],
)
def test_any_words_make_a_name(words: str, name: str):
    assert made_name(words, []) == name


ODD = [
    "",
    " ",
    ".",
    "a.",
    "\x86\xa0W\U0001f41d",
    "ß",
    "İ",
    "ﬁn",
    "nul.txt",
    "LPT1",
    "a\tb\nc",
    "é" * 60,
    "-",
    "a/b\\c",
]


@pytest.mark.parametrize("words", ODD)
def test_every_made_name_is_one_and_is_free(words: str):
    first = made_name(words, [])
    for taken in ([first], [first.upper(), f"{first} 2"], ODD):
        name = made_name(words, taken)
        assert check_name(name, taken) == name
        assert not is_taken(name, taken)


def test_case_and_accents_make_no_difference():
    assert is_taken("Mug", ["mug"]) and is_taken("cafe\u0301", ["CAF\u00c9"])
    assert not is_taken("mug", ["mug 2"])
