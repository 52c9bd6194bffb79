"""Cut: the field of the shown objects alone, or of all but them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

import torch

from sanerf_hq.export import Target, isolated, without
from sanerf_hq.radiance import RadianceField
from sanerf_hq.viewer.workshop import Outcome


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
