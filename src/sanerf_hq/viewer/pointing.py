"""Pointing: places in a browser's window to pixels of what is clicked in."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera
from sanerf_hq.geometry.world import CAMERA_RADIUS
from sanerf_hq.radiance import Home, RadianceField
from sanerf_hq.scene import View
from sanerf_hq.viewer.state import SPACE, Box, Click, Picture
from sanerf_hq.viewer.viewpoint import Viewpoint

DETAIL = 1.5  # rows of the finest picture for each of the photos: more would show nothing new
MOST_ROWS = 1080
SAME_DEPTH = 0.03  # share of the depth by which the same surface may seem to lie nearer
BOX_SAMPLES = 16  # a side


@dataclass(frozen=True)
class Pointing:
    """What a window shows, and from where.

    Attributes:
        field: The whole field, as photos show it.
        shown: What of it the window shows.
        window: The window as a camera, in the size that free pictures are segmented at.
        viewpoint: Where it looks from.
        view: The view whose place that is; None between views.
    """

    field: RadianceField
    shown: RadianceField
    window: Camera
    viewpoint: Viewpoint
    view: View | None

    @staticmethod
    def of(
        field: RadianceField,
        viewpoint: Viewpoint,
        canvas: tuple[int, int],
        shown: RadianceField | None = None,
    ) -> Pointing:
        """A window of ``canvas`` (width, height) pixels; by default it shows the whole field."""
        home = field.at_home()
        rows = home.cameras[0].height
        window = viewpoint.camera(max(16, round(rows * canvas[0] / max(1, canvas[1]))), rows)
        return Pointing(field, shown or field, window, viewpoint, view_at(home, viewpoint, reach(field)))

    def click(self, xy: tuple[float, float], positive: bool) -> Click:
        """A click at a place of the window, x and y in [0, 1]; in space, where it is hidden in the photo.

        Raises:
            InputError: A positive click shows empty space.
        """
        pixel = self._pixel(xy)
        depth = self.shown.depth_at(self.window, pixel[None])
        point = None
        if depth.isfinite().all():
            x, y, z = self.window.unproject(pixel[None], depth)[0].tolist()
            point = x, y, z
        elif positive:
            raise InputError("there is nothing where you clicked; click where the object is")
        if bool(self._is_hidden(pixel[None]).any()):
            return Click(SPACE, (0.0, 0.0), positive, point)
        found = self._in_view([xy])
        if found is not None and self.view is not None:
            return Click(_whole(self.view), (int(found[0][0]), int(found[0][1])), positive, point)
        return Click(self._free(), (int(pixel[0]), int(pixel[1])), positive, point)

    def box(self, low: tuple[float, float], high: tuple[float, float]) -> Box:
        """A box between two places of the window, x and y in [0, 1].

        Raises:
            InputError: It holds something that a photo does not show.
        """
        steps = (torch.arange(BOX_SAMPLES) + 0.5) / BOX_SAMPLES
        first, last = self._pixel(low), self._pixel(high)
        if bool(self._is_hidden(first + (last - first) * torch.cartesian_prod(steps, steps)).any()):
            raise InputError(
                "something that is cut away hides what the box holds; click on it instead, or draw the box "
                "without crop box, in the mode overlay"
            )
        found = self._in_view([low, high], clip=True)
        if found is not None and self.view is not None:
            (x0, y0), (x1, y1) = found
            return Box(_whole(self.view), (round(x0), round(y0), round(x1), round(y1)))
        (x0, y0), (x1, y1) = first.tolist(), last.tolist()
        return Box(self._free(), (round(x0), round(y0), round(x1), round(y1)))

    def _pixel(self, xy: tuple[float, float]) -> torch.Tensor:
        x, y = (min(max(value, 0.0), 1.0 - 1e-6) for value in xy)
        return torch.tensor([x * self.window.width, y * self.window.height])

    def _is_hidden(self, pixels: Float[Tensor, "n 2"]) -> Bool[Tensor, "n"]:
        """Where the window shows a surface that something hides in the whole field."""
        if self.shown is self.field:
            return torch.zeros(len(pixels), dtype=torch.bool)
        shown, whole = (one.depth_at(self.window, pixels) for one in (self.shown, self.field))
        return whole < shown * (1 - SAME_DEPTH)  # NaN, which is no surface, is not less

    def _free(self) -> Picture:
        return Picture("", self.viewpoint, self.window.width, self.window.height)

    def _in_view(
        self, places: list[tuple[float, float]], clip: bool = False
    ) -> list[tuple[float, float]] | None:
        """The same places in the view that the window stands at; None where it stands at none, or off it."""
        if self.view is None:
            return None
        camera = self.view.camera
        pixels = torch.stack([self._pixel(place) for place in places])
        seen = camera.project(self.window.unproject(pixels, torch.ones(len(pixels))))
        if not clip and not bool(seen.on_screen.all()):
            return None
        size = (camera.width, camera.height)
        return [(min(max(x, 0.0), size[0]), min(max(y, 0.0), size[1])) for x, y in seen.xy.tolist()]


def view_at(home: Home, viewpoint: Viewpoint, distance: float) -> View | None:
    """The view of the scene that stands where a viewpoint is.

    Args:
        home: The scene.
        viewpoint: The place.
        distance: How far off the scene's cameras look at something, scene units.
    """
    for view in home.shown:
        if viewpoint.is_at(view.camera, distance):
            return view
    return None


def reach(field: RadianceField) -> float:
    """How far off the scene's cameras look at something, scene units."""
    return CAMERA_RADIUS / field.world.scale


def frame_size(canvas: tuple[int, int], photo: Camera) -> tuple[int, int]:
    """The finest picture of a window: as large as the window, or as the photos have detail."""
    width, height = max(1, canvas[0]), max(1, canvas[1])
    rows = max(16, min(height, round(photo.height * DETAIL), MOST_ROWS))
    return max(16, round(rows * width / height)), rows


def _whole(view: View) -> Picture:
    return Picture(view.name, None, view.camera.width, view.camera.height)
