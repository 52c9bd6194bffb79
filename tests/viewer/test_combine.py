from __future__ import annotations

import pytest
import torch

from sanerf_hq.errors import InputError
from sanerf_hq.masks import MaskSet
from sanerf_hq.viewer.combine import combined

LEFT, RIGHT, NONE = (torch.zeros(4, 6, dtype=torch.bool) for _ in range(3))
LEFT[:, :4] = True
RIGHT[:, 2:] = True
ONE = MaskSet.of_masks("x", [("a", LEFT), ("b", LEFT)], "labels")
OTHER = MaskSet.of_masks("y", [("a", RIGHT), ("c", RIGHT)], "labels")


@pytest.mark.parametrize(
    ("operation", "in_a", "views"),
    [
        ("add", LEFT | RIGHT, ("a", "b")),
        ("subtract", LEFT & ~RIGHT, ("a", "b")),
        ("intersect", LEFT & RIGHT, ("a",)),
    ],
)
def test_parts_are_joined_view_by_view(operation: str, in_a: torch.Tensor, views: tuple[str, ...]):
    made = combined("mug", [("new", ONE), (operation, OTHER)])  # pyright: ignore[reportArgumentType]
    assert made.names == ("mug",) and made.views == views
    found = made.mask("a")
    assert found is not None and torch.equal(found, in_a)
    if "b" in views:
        kept = made.mask("b")
        assert kept is not None and torch.equal(kept, LEFT)


def test_where_nothing_is_left_it_is_said():
    with pytest.raises(InputError, match="nothing is left of mug"):
        combined("mug", [("new", ONE), ("subtract", ONE)])
