"""Home: the run and the scene that a field was trained in, for the stages that go back to the photos."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from sanerf_hq.geometry import Camera, PixelRays
from sanerf_hq.runs import Run
from sanerf_hq.scene import Scene, View


@dataclass(frozen=True)
class Home:
    """Where a field comes from.

    Attributes:
        run: Its run folder.
        scene: Its scene.
        width: Width that photos were scaled to for training; None: their own.
    """

    run: Run
    scene: Scene
    width: int | None

    @property
    def views(self) -> tuple[View, ...]:
        """The training views."""
        return self.scene.train_views

    @cached_property
    def cameras(self) -> tuple[Camera, ...]:
        """Their cameras, at the size that was trained on."""
        return tuple(self.sized(view) for view in self.views)

    @cached_property
    def pixel_rays(self) -> PixelRays:
        """Their pixels, numbered as for training."""
        return PixelRays.of(list(self.cameras))

    def sized(self, view: View) -> Camera:
        """A view's camera at the size that was trained on."""
        return view.camera if self.width is None else view.camera.resized(self.width)

    def index(self, view: View) -> int | None:
        """A view's number among the training views; None for a test view."""
        for number, other in enumerate(self.views):
            if other.name == view.name:
                return number
        return None
