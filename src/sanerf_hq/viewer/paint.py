"""Paint: object ids painted on a photo by hand, as values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from jaxtyping import Bool, Float, Int32, UInt8
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.evaluate.pictures import PALETTE
from sanerf_hq.geometry import Camera
from sanerf_hq.scene import View, read_image
from sanerf_hq.viewer.overlay import EDGE, TINT, outline

Place = tuple[float, float]
MOST_STEPS = 500
MOST_KEPT = 64 * 2**20  # bytes of labels that steps may hold


@dataclass(frozen=True, eq=False)
class Step:
    """What a step takes back.

    Attributes:
        corners: Those that there were.
        top: First row of the rectangle that it changed.
        left: Its first column.
        labels: What there was.
    """

    corners: tuple[Place, ...]
    top: int
    left: int
    labels: Int32[Tensor, "rows columns"]


@dataclass(frozen=True, eq=False)
class Canvas:
    """A view being painted.

    Attributes:
        view: Which.
        labels: The id of each pixel of its photo, 0 = background.
        corners: Of a polygon that is not closed yet.
        before: To what was there before, the latest last.
        after: To what was undone, the next one last.
    """

    view: View
    labels: Int32[Tensor, "h w"]
    corners: tuple[Place, ...] = ()
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()

    def stroked(self, places: Sequence[Place], radius: float, identity: int) -> Canvas:
        """A stroke of a round brush through some places, in pixels; identity 0 erases."""
        return self._with(near_line(places, radius, self.labels.shape[0], self.labels.shape[1]), identity)

    def cornered(self, place: Place) -> Canvas:
        """One corner more of a polygon."""
        return self._done(self._step(0, 0, 0, 0), self.labels, (*self.corners, place))

    def filled(self, identity: int) -> Canvas:
        """The polygon's inside.

        Raises:
            InputError: It has fewer than three corners.
        """
        if len(self.corners) < 3:
            raise InputError("a polygon needs three corners; click round the object, then close it")
        height, width = self.labels.shape
        return replace(self._with(inside_polygon(self.corners, height, width), identity), corners=())

    def taken(self, mask: Bool[Tensor, "h w"], identity: int) -> Canvas:
        """A mask known from elsewhere."""
        return self._with(mask, identity)

    def undone(self) -> Canvas:
        """One corner or one stroke back; at the beginning nothing happens."""
        if not self.before:
            return self
        *before, step = self.before
        return replace(
            self._taken_back(step), before=tuple(before), after=(*self.after, self._back_from(step))
        )

    def redone(self) -> Canvas:
        """One step forward again; where nothing was undone nothing happens."""
        if not self.after:
            return self
        *after, step = self.after
        return replace(
            self._taken_back(step), before=(*self.before, self._back_from(step)), after=tuple(after)
        )

    def _taken_back(self, step: Step) -> Canvas:
        rows, columns = step.labels.shape
        labels = self.labels.clone()
        labels[step.top : step.top + rows, step.left : step.left + columns] = step.labels
        return replace(self, labels=labels, corners=step.corners)

    def _back_from(self, step: Step) -> Step:
        """Takes back what a step did, once that is done."""
        return self._step(step.top, step.left, *step.labels.shape)

    def _step(self, top: int, left: int, rows: int, columns: int) -> Step:
        return Step(self.corners, top, left, self.labels[top : top + rows, left : left + columns].clone())

    def _with(self, mask: Bool[Tensor, "h w"], identity: int) -> Canvas:
        rows, columns = (mask.any(dim).nonzero()[:, 0].tolist() or [0, -1] for dim in (1, 0))
        step = self._step(rows[0], columns[0], rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0])
        return self._done(step, torch.where(mask, identity, self.labels), self.corners)

    def _done(self, step: Step, labels: Int32[Tensor, "h w"], corners: tuple[Place, ...]) -> Canvas:
        """After a step; what had been undone is forgotten."""
        return replace(self, labels=labels, corners=corners, before=latest((*self.before, step)), after=())

    def seen_by(self, window: Camera) -> UInt8[Tensor, "h w 3"]:
        """The photo with the ids over it, as a window at the view's place shows it."""
        camera = self.view.camera
        grid = window.pixel_grid()
        xy = camera.project(window.unproject(grid, torch.ones(len(grid)))).xy
        place = xy / torch.tensor([camera.width, camera.height]) * 2 - 1
        place = place.view(1, window.height, window.width, 2)
        photo = read_image(self.view).permute(2, 0, 1)[None].float()
        rgb = torch.nn.functional.grid_sample(photo, place, "bilinear", "zeros", align_corners=False)
        ids = torch.nn.functional.grid_sample(
            self.labels[None, None].float(), place, "nearest", "zeros", align_corners=False
        )
        labels = ids[0, 0].round().long()
        colours = torch.tensor([(0, 0, 0), *PALETTE]).float()
        which = torch.where(labels > 0, (labels - 1) % len(PALETTE) + 1, 0)
        rgb = rgb[0].permute(1, 2, 0)
        strength = torch.where(outline(labels), EDGE, TINT)[..., None]
        shown = torch.where((labels > 0)[..., None], rgb * (1 - strength) + colours[which] * strength, rgb)
        for corner in self.corners:
            here = (xy - torch.tensor(corner)).norm(dim=-1) * window.height / camera.height < 3
            shown.view(-1, 3)[here] = 255.0
        return shown.clamp(0, 255).round().to(torch.uint8)


def latest(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """So many of some steps as may be kept; one at least."""
    held = list(accumulate(step.labels.nbytes for step in reversed(steps)))
    most = max(1, sum(size <= MOST_KEPT for size in held[:MOST_STEPS]))
    return steps[-most:]


def near_line(places: Sequence[Place], radius: float, height: int, width: int) -> Bool[Tensor, "h w"]:
    """Pixels whose middle lies within ``radius`` of a line through some places; of one place, a disc."""
    middles = _middles(height, width)
    near = torch.zeros(height, width, dtype=torch.bool)
    for start, end in zip(places, places[1:] or places, strict=False):
        # Only pixels round the piece are measured: a stroke has hundreds of pieces, a photo a million.
        columns, rows = (
            slice(max(0, math.floor(min(ends) - radius)), max(0, math.ceil(max(ends) + radius)))
            for ends in zip(start, end, strict=True)
        )
        first, last = torch.tensor([start, end], dtype=torch.float32)
        here, along = middles[rows, columns] - first, last - first
        share = (here @ along / (along @ along).clamp_min(1e-9)).clamp(0, 1)
        near[rows, columns] |= (here - share[..., None] * along).norm(dim=-1) <= radius
    return near


def inside_polygon(corners: Sequence[Place], height: int, width: int) -> Bool[Tensor, "h w"]:
    """Pixels whose middle a polygon holds, by the number of its edges to their right."""
    x, y = _middles(height, width).unbind(-1)
    inside = torch.zeros(height, width, dtype=torch.bool)
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if y0 != y1:
            crosses = (y0 <= y) != (y1 <= y)
            inside ^= crosses & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return inside


def _middles(height: int, width: int) -> Float[Tensor, "h w 2"]:
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y], -1)
