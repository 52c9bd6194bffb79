"""Frames: what a camera sees, coarse at once and finer while it rests."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.geometry import Camera
from sanerf_hq.radiance import RadianceField, SurfaceSamples
from sanerf_hq.runs import Progress, ProgressCallback, quiet
from sanerf_hq.viewer.viewpoint import Viewpoint

COARSE_SECONDS = 0.15  # what the first picture after a move may take
LEAST_WIDTH = 48
STEP = 2  # each picture has so many times the width of the one before
FIRST_PACE = 3e-5  # seconds a ray, before any was measured
PART_RAYS = 8192  # rays between two looks at whether a picture is still wanted


@dataclass(frozen=True)
class Frame:
    """A rendered picture, with what can be laid over it later at no cost.

    Attributes:
        viewpoint: Where from.
        camera: The camera, at the picture's size.
        rgb: Colour in [0, 1].
        depth: z-depth in scene units; NaN where there is no surface.
        surfaces: The samples of its rays, row by row.
        is_first: Whether it is the first after a move.
        is_final: Whether none finer follows.
        seconds: From the move to this picture.
    """

    viewpoint: Viewpoint
    camera: Camera
    rgb: Float[Tensor, "h w 3"]
    depth: Float[Tensor, "h w"]
    surfaces: SurfaceSamples
    is_first: bool
    is_final: bool
    seconds: float


def ladder(width: int, height: int, pace: float) -> list[int]:
    """Widths of the pictures that follow a move: the first within :data:`COARSE_SECONDS`, the last as wide
    as asked.

    Args:
        width: Of the last.
        height: Of the last.
        pace: Seconds a ray, as measured.

    Example:
        >>> ladder(640, 480, 1e-5)
        [80, 160, 320, 640]
    """
    widths = [width]
    while widths[0] > LEAST_WIDTH and widths[0] ** 2 * height / width * pace > COARSE_SECONDS:
        widths.insert(0, max(LEAST_WIDTH, widths[0] // STEP))
    return widths


class Painter:
    """Renders ladders of frames and remembers how long a ray takes. One thread at a time."""

    def __init__(self) -> None:
        self.pace = FIRST_PACE

    def paint(
        self,
        field: RadianceField,
        viewpoint: Viewpoint,
        size: tuple[int, int],
        show: Callable[[Frame], None],
        check: ProgressCallback,
        least: int = 0,
    ) -> None:
        """Show a viewpoint, each picture finer than the one before.

        Args:
            field: What is looked at.
            viewpoint: Where from.
            size: Width and height of the last picture, pixels.
            show: Called with each picture.
            check: Called between parts of a picture; may raise Cancelled. Not during the first, which takes a
                moment: while a camera moves on and on, it is all that can be shown.
            least: The width of a picture that was shown first, in place of those less wide; 0: none was.
        """
        started = time.monotonic()
        width, height = size
        rungs = [rung for rung in ladder(width, height, self.pace) if rung >= min(least, width)]
        for number, rung in enumerate(rungs):
            rows = max(1, round(height * rung / width))
            began = time.monotonic()
            camera = viewpoint.camera(rung, rows)
            first, last = number == 0 and not least, number + 1 == len(rungs)
            rendered, surfaces = self._render(field, camera, quiet if first else check)
            self._measure(rung * rows, time.monotonic() - began)
            seconds = time.monotonic() - started
            rgb, depth = rendered[..., :3], rendered[..., 3]
            show(Frame(viewpoint, camera, rgb, depth, surfaces, first, last, seconds))

    def _render(
        self, field: RadianceField, camera: Camera, check: ProgressCallback
    ) -> tuple[Float[Tensor, "h w 4"], SurfaceSamples]:
        """In bands, so that a picture that is no longer wanted ends soon."""
        bands, samples = [], []
        rows = max(1, PART_RAYS // camera.width)
        for top in range(0, camera.height, rows):
            check(Progress("render", top, camera.height))
            part = band(camera, top, min(rows, camera.height - top))
            seen, surfaces = field.render_surfaces(part)
            bands.append(torch.cat([seen.rgb, seen.depth[..., None]], -1))
            samples.append(surfaces)
        return torch.cat(bands), SurfaceSamples.join(samples)

    def _measure(self, n_rays: int, seconds: float) -> None:
        """A running mean, so that one slow moment changes little."""
        self.pace = 0.7 * self.pace + 0.3 * seconds / n_rays


def band(camera: Camera, top: int, rows: int) -> Camera:
    """Some rows of a camera's picture."""
    K = camera.K.clone()
    K[1, 2] -= top
    return Camera(K, camera.camtoworld, camera.width, rows, camera.distortion, camera.time)
