from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.text(), st.sets(st.text(), max_size=4))
def test_every_made_name_is_one_and_is_free(words: str, others: set[str]):
    first = made_name(words, [])
    for taken in ([first], [first.upper(), f"{first} 2"], list(others)):
        name = made_name(words, taken)
        assert check_name(name, taken) == name


def test_case_and_accents_make_no_difference():
    assert is_taken("Mug", ["mug"]) and is_taken("cafe\u0301", ["CAF\u00c9"])
    assert not is_taken("mug", ["mug 2"])
