"""Cut: the field of the shown objects alone, or of all but them; and what of it all is rendered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch

from sanerf_hq.export import Target, isolated, without
from sanerf_hq.radiance import RadianceField
from sanerf_hq.viewer.crop import CropBox, cropped
from sanerf_hq.viewer.workshop import Outcome


@dataclass(frozen=True, eq=False)
class Sight:
    """What is rendered: the whole, or the objects alone, or all but them; of that, what a box holds.

    Attributes:
        whole: The field.
        outcome: By which it is cut; None: it is not.
        mode: How it is cut, if it is.
        shown: Names of the shown objects of the outcome.
        box: Outside it there is nothing; None: everything is seen.
    """

    whole: RadianceField
    outcome: Outcome | None
    mode: Literal["object", "removed"]
    shown: frozenset[str]
    box: CropBox | None

    def is_like(self, other: Sight) -> bool:
        """Whether the same is rendered; fields and outcomes are the same where they are one."""
        same = self.whole is other.whole and self.outcome is other.outcome
        return same and (self.mode, self.shown, self.box) == (other.mode, other.shown, other.box)

    @cached_property
    def field(self) -> RadianceField:
        """What a picture is rendered of."""
        field = self.whole
        if self.outcome is not None:
            field = cut_field(field, self.outcome, self.mode, self.shown)
        return field if self.box is None else cropped(field, self.box)


def cut_field(
    field: RadianceField, outcome: Outcome, mode: Literal["object", "removed"], shown: Collection[str]
) -> RadianceField:
    """A field to render in a mode.

    Args:
        field: The whole.
        outcome: A refined one; before that there is no field to cut by.
        mode: ``object``: the shown ones alone; ``removed``: all but them.
        shown: Names of the shown ones; none of them alone is nothing, all but none the whole.
    """
    if outcome.field is None:
        return field
    channels = tuple(i for i, name in enumerate(outcome.names, 1) if name in shown)
    if not channels:
        return field if mode == "removed" else _empty(field)
    target = Target(replace(outcome.field, radiance=field), channels, ", ".join(outcome.names))
    return isolated(target) if mode == "object" else without(target)


def _empty(field: RadianceField) -> RadianceField:
    nowhere = torch.zeros_like(field.occupancy.occupied)
    return replace(field, occupancy=replace(field.occupancy, occupied=nowhere), closed=False)
