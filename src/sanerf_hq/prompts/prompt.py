"""Prompts: what the user says of one object.

Pixels are XY of the photo at its own size (or of a camera's picture). A click is the index of a pixel; half
a pixel is added to stand in its middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera

Click = tuple[float, float]
Point = tuple[float, float, float]
FARTHEST = 1e18  # coordinate whose square 32-bit numbers hold


@dataclass(frozen=True)
class PointPrompt:
    """Clicks in one view.

    Attributes:
        view: Name of a view, or any camera: what the field looks like from there is clicked on.
        positive: Pixels on the object; none where another prompt of the object says where it is.
        negative: Pixels beside it.

    Example:
        >>> PointPrompt("IMG_5881", positive=[(197, 202)], negative=[(300, 428)])
        PointPrompt(view='IMG_5881', positive=((197, 202),), negative=((300, 428),))
    """

    view: str | Camera
    positive: Sequence[Click]
    negative: Sequence[Click] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "positive", _tuples(self.positive, 2, "a click"))
        object.__setattr__(self, "negative", _tuples(self.negative, 2, "a click"))
        if not self.positive and not self.negative:
            raise InputError("a point prompt has no click; click on the object")


@dataclass(frozen=True)
class BoxPrompt:
    """A box around the object in one view, and clicks if need be.

    Attributes:
        view: Name of a view, or any camera.
        box: x0, y0, x1, y1 in pixels, the last two exclusive.
        positive: Pixels on the object.
        negative: Pixels beside it.
    """

    view: str | Camera
    box: tuple[float, float, float, float]
    positive: Sequence[Click] = ()
    negative: Sequence[Click] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "box", _tuples([self.box], 4, "a box")[0])
        object.__setattr__(self, "positive", _tuples(self.positive, 2, "a click"))
        object.__setattr__(self, "negative", _tuples(self.negative, 2, "a click"))
        x0, y0, x1, y1 = self.box
        if x0 >= x1 or y0 >= y1:
            raise InputError(
                f"box {x0:g},{y0:g},{x1:g},{y1:g} is empty; give x0,y0,x1,y1 with x0 < x1, y0 < y1"
            )


@dataclass(frozen=True)
class SpacePrompt:
    """Points in space, in the scene's own coordinates.

    Attributes:
        positive: Points on the object's surface; none where another prompt says where it is.
        negative: Points on what is not meant.
        least_visible: Points, of either kind, that a view must see to be prompted under the rule of the
            authors' release (``DecodeConfig.visible`` "most"); None: floor(0.8 n) + 1 of all n.
        crucial: Indices of positive points that it must all see under that rule.
        time: When they are meant, in a scene that moves; None: when what they are given to says.
    """

    positive: Sequence[Point]
    negative: Sequence[Point] = ()
    least_visible: int | None = None
    crucial: Sequence[int] = ()
    time: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "positive", _tuples(self.positive, 3, "a 3D point"))
        object.__setattr__(self, "negative", _tuples(self.negative, 3, "a 3D point"))
        object.__setattr__(self, "crucial", tuple(self.crucial))
        if not self.positive and not self.negative:
            raise InputError("a 3D prompt has no point; give one on the object")
        for point in (*self.positive, *self.negative):
            if max(map(abs, point)) > FARTHEST:
                raise InputError(
                    f"a 3D point lies at {point}, beyond any scene; give it in the scene's units"
                )
        total = len(self.positive) + len(self.negative)
        if self.least_visible is not None and not 1 <= self.least_visible <= total:
            raise InputError(f"least_visible is {self.least_visible} of {total} points; give 1 to {total}")
        if not all(0 <= index < len(self.positive) for index in self.crucial):
            last = len(self.positive) - 1
            raise InputError(
                f"crucial has {list(self.crucial)}; give indices of positive points, 0 to {last}"
            )


Prompt = PointPrompt | BoxPrompt | SpacePrompt


def _tuples(values: object, size: int, what: str) -> tuple[tuple[float, ...], ...]:
    try:
        rows = tuple(tuple(row) for row in values)  # pyright: ignore[reportGeneralTypeIssues]
    except TypeError:
        raise InputError(f"{what} is {size} numbers, got {values!r}") from None
    for row in rows:
        if len(row) != size or not all(isinstance(n, int | float) and math.isfinite(n) for n in row):
            raise InputError(f"{what} is {size} numbers, got {row!r}")
    return rows
