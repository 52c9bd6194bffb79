"""Photo size: how large photos are trained on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sanerf_hq.geometry import Camera
from sanerf_hq.scene.scene import Scene

LONGEST = 1600  # pixels of a photo's longer side; minutes of training do not learn more detail
MOST = 150_000_000  # pixels of all photos, whose colours take 450 MB


@dataclass(frozen=True)
class PhotoSize:
    """The size that photos are scaled to, each keeping its shape; by default their own.

    Attributes:
        width: Width of every photo, pixels; None: its own.
        longest: Pixels of its longer side to which a photo is reduced that is longer; None: any will do.

    Example:
        >>> import torch
        >>> portrait = Camera(torch.eye(3), torch.eye(4), width=900, height=2000)
        >>> PhotoSize(longest=1000).sized(portrait).height
        1000
    """

    width: int | None = None
    longest: int | None = None

    def sized(self, camera: Camera) -> Camera:
        """A photo's camera at this size."""
        width = camera.width if self.width is None else self.width
        if self.longest is not None:
            width = _width_within(self.longest, camera)
        return camera.resized(width)

    def settings(self) -> dict[str, int | None]:
        """It as a run's settings have it, where no word of ``longest`` means that there is none."""
        return {"width": self.width} | ({} if self.longest is None else {"longest": self.longest})

    @staticmethod
    def from_settings(settings: Mapping[str, Any]) -> PhotoSize:
        """It out of a run's settings."""
        return PhotoSize(settings["width"], settings.get("longest"))


OWN_SIZE = PhotoSize()


def fitting_size(scene: Scene) -> PhotoSize:
    """Size to reduce photos to, where they are larger than is any use; none is ever enlarged.

    What is of use is a longer side of ``LONGEST`` pixels, and ``MOST`` pixels of all training photos: of too
    many the largest are reduced further, down to the size of those that are smaller.
    """
    cameras = [view.camera for view in scene.train_views]

    def n_pixels(longest: int) -> float:
        return sum(_width_within(longest, camera) ** 2 * (camera.height / camera.width) for camera in cameras)

    longest = max(1, bisect_right(range(1, LONGEST + 1), MOST, key=n_pixels))
    sizes = {(view.camera.width, view.camera.height) for view in scene.views}
    if all(max(size) <= longest for size in sizes):
        return OWN_SIZE
    if len(sizes) == 1:
        return PhotoSize(width=_width_within(longest, cameras[0]))
    return PhotoSize(longest=longest)


def _width_within(longest: int, camera: Camera) -> int:
    side = max(camera.width, camera.height)
    return camera.width if side <= longest else max(1, longest * camera.width // side)
