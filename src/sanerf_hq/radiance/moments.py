"""Moments: the times at which a moving scene was photographed, and where in it things may move."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera, WorldTransform, from_unit, uncontract

VIEWS_A_CELL = 5  # photos that a stretch of time should have, or its things are seen from too few sides
FEW_SIDES = 8  # places; of ten that a still scene was photographed from, gloss gains and matte loses
FEW_FILMING = 12  # the same where things move: there is less to lose
ARENA_SIDE = 64
ARENA_SHARE = 0.4  # of the cameras of a moment, that must have a place in view
MOMENTS_ASKED = 16  # at most, spread over time


def moments_of(cameras: Sequence[Camera]) -> tuple[float, ...]:
    """The distinct times of cameras, ascending; none where the scene stands still.

    That is where cameras have no time, or all the same.
    """
    times = sorted({camera.time for camera in cameras if camera.time is not None})
    return tuple(times) if len(times) > 1 else ()


def time_cells(cameras: Sequence[Camera]) -> int:
    """Cells that a hash grid should have along time; 0 where the scene stands still.

    Where several cameras film at once, a cell lies between each moment and the next. Where each photo has a
    time of its own, cells are as long as some of them take.
    """
    n_moments = len(moments_of(cameras))
    return min(n_moments - 1, max(1, len(cameras) // VIEWS_A_CELL)) if n_moments else 0


def nearest_moment(moments: Sequence[float], time: float) -> float:
    """The moment, of at least one, that is nearest to a time; of two as near the earlier."""
    return min(moments, key=lambda moment: (abs(moment - time), moment))


def checked_time(moments: Sequence[float], time: float) -> float:
    """A time that a user gave.

    Raises:
        InputError: It is none, or the scene stands still.
    """
    if not moments:
        raise InputError("this scene stands still; leave out the time")
    if not 0 <= time <= 1:
        raise InputError(f"the time {time:g} is not in [0, 1]; give one that is")
    return time


def n_sides(cameras: Sequence[Camera]) -> float:
    """From how many places a thing is photographed at one time, in the mean over the moments."""
    places = {(camera.time, *camera.center.tolist()) for camera in cameras}
    return len(places) / max(1, len(moments_of(cameras)))


def is_sparse(cameras: Sequence[Camera]) -> bool:
    """Whether things are seen from so few places that nearly any shape explains the photos.

    Then no colour may change with the direction it is seen from: else each camera has its own picture painted
    on whatever lies behind, and things are flat.
    """
    return n_sides(cameras) < (FEW_FILMING if moments_of(cameras) else FEW_SIDES)


def arena(cameras: Sequence[Camera], world: WorldTransform) -> Bool[Tensor, "side side side"]:
    """Cells of the contracted cube in which things may move: many of a moment's cameras have them in view.

    What a single camera sees move may lie at any depth, and descent puts it where it harms no other camera:
    on the wall behind, like a film that is shown there. So walls that few cameras have in view stand still.
    """
    moments = moments_of(cameras)
    steps = (torch.arange(ARENA_SIDE) + 0.5) / ARENA_SIDE
    points = world.to_scene(uncontract(from_unit(torch.cartesian_prod(steps, steps, steps))))
    cells = torch.zeros(len(points), dtype=torch.bool)
    every = -(-len(moments) // MOMENTS_ASKED)
    for moment in moments[::every]:
        filming = [camera for camera in cameras if camera.time == moment]
        seen = sum(camera.project(points).on_screen.float() for camera in filming)
        cells |= seen >= max(1.0, ARENA_SHARE * len(filming))
    return cells.view(ARENA_SIDE, ARENA_SIDE, ARENA_SIDE)
