"""Home: the run and the scene that a field was trained in, for the stages that go back to the photos."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from sanerf_hq.geometry import Camera, PixelRays
from sanerf_hq.radiance.moments import moments_of, nearest_moment
from sanerf_hq.runs import Run, SegmentationFolder
from sanerf_hq.scene import PhotoSize, Scene, View


@dataclass(frozen=True)
class Home:
    """Where a field comes from.

    Attributes:
        run: Its run folder.
        scene: Its scene.
        size: What photos were scaled to for training.
        moment: The time that its views are restricted to; None: all.
    """

    run: Run
    scene: Scene
    size: PhotoSize
    moment: float | None = None

    def at(self, moment: float) -> Home:
        """The same with the training views of one moment alone."""
        return replace(self, moment=moment)

    def whole(self) -> Home:
        """The same with the training views of all moments."""
        return replace(self, moment=None)

    def segmentation(self, name: str) -> SegmentationFolder:
        """Where a segmentation of that name lies or would lie, the part of its moment.

        Raises:
            InputError: The name is no folder name.
        """
        return self.part(self.run.segmentation(name))

    def part(self, whole: SegmentationFolder) -> SegmentationFolder:
        """What in a segmentation's folder is of its moment."""
        return whole if self.moment is None else whole.at(self._moments.index(self.moment))

    @cached_property
    def views(self) -> tuple[View, ...]:
        """The training views, those of its moment."""
        if self.moment is None:
            return self.scene.train_views
        return tuple(view for view in self.scene.train_views if view.camera.time == self.moment)

    @cached_property
    def shown(self) -> tuple[View, ...]:
        """The same, and the test views that no other moment is nearer to."""
        views = self.scene.views
        return views if self.moment is None else tuple(view for view in views if self._is_here(view))

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
        return self.size.sized(view.camera)

    def index(self, view: View) -> int | None:
        """A view's number among the training views; None for a test view."""
        for number, other in enumerate(self.views):
            if other.name == view.name:
                return number
        return None

    @cached_property
    def _moments(self) -> tuple[float, ...]:
        return moments_of([view.camera for view in self.scene.train_views])

    def _is_here(self, view: View) -> bool:
        time = view.camera.time
        return time is not None and nearest_moment(self._moments, time) == self.moment
