"""Opening what a run holds, at a time if its scene moves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sanerf_hq.errors import InputError

if TYPE_CHECKING:
    from sanerf_hq.cli.options import Device
    from sanerf_hq.export import MovingTarget, Target
    from sanerf_hq.radiance import RadianceField


def open_still(folder: Path, device: Device, time: float | None) -> RadianceField:
    """The field of a run, standing still.

    Raises:
        InputError: There is no such run; or the scene moves and no time is given, or the other way round.
    """
    from sanerf_hq.radiance import load_radiance_field

    field = load_radiance_field(folder, device, time)
    if field.moments and field.moment is None:
        raise InputError(f"the scene of {folder} moves; say with --time when, from 0 to 1")
    return field


def open_target(folder: Path, name: str, device: Device, time: float | None = None) -> Target | MovingTarget:
    """The object of a run that a name means; at a time, if one is given.

    Raises:
        InputError: There is no such run or object, or more than one object; or the scene stands still.
    """
    from sanerf_hq.export import find_moving_target, find_target
    from sanerf_hq.radiance import load_radiance_field

    field = load_radiance_field(folder, device, time)
    if field.moments and field.moment is None:
        return find_moving_target(field, name)
    return find_target(field, name)
