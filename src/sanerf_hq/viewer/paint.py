"""Paint: object ids painted on a photo by hand, as values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.evaluate.pictures import PALETTE
from sanerf_hq.geometry import Camera
from sanerf_hq.scene import View, read_image
from sanerf_hq.viewer.overlay import EDGE, TINT, outline

Place = tuple[float, float]
MOST_STEPS = 50


@dataclass(frozen=True)
class Canvas:
    """A view being painted.

    Attributes:
        view: Which.
        labels: The id of each pixel of its photo, 0 = background.
        corners: Of a polygon that is not closed yet.
        before: Labels of the steps before, the latest last.
    """

    view: View
    labels: Int64[Tensor, "h w"]
    corners: tuple[Place, ...] = ()
    before: tuple[Tensor, ...] = ()

    def stroked(self, places: Sequence[Place], radius: float, identity: int) -> Canvas:
        """A stroke of a round brush through some places, in pixels; identity 0 erases."""
        return self._with(near_line(places, radius, self.labels.shape[0], self.labels.shape[1]), identity)

    def cornered(self, place: Place) -> Canvas:
        """One corner more of a polygon."""
        return replace(self, corners=(*self.corners, place))

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
        """One corner or one step back."""
        if self.corners:
            return replace(self, corners=self.corners[:-1])
        if not self.before:
            return self
        return replace(self, labels=self.before[-1], before=self.before[:-1])

    def _with(self, mask: Bool[Tensor, "h w"], identity: int) -> Canvas:
        labels = torch.where(mask, identity, self.labels)
        return replace(self, labels=labels, before=(*self.before, self.labels)[-MOST_STEPS:])

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
