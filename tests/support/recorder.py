"""A screen of the viewer without a page: it remembers what it was told."""

from __future__ import annotations

from torch import Tensor

from sanerf_hq.viewer.frames import Frame
from sanerf_hq.viewer.screen import Status

CANVAS = (320, 240)


class Recorder:
    """A screen without a page."""

    def __init__(self) -> None:
        self.pictures: list[tuple[Tensor, Frame]] = []
        self.statuses: list[Status] = []
        self.changes = 0

    def picture(self, pixels: Tensor, depth: Tensor, frame: Frame) -> None:
        self.pictures.append((pixels, frame))

    def status(self, status: Status) -> None:
        self.statuses.append(status)

    def changed(self) -> None:
        self.changes += 1

    @property
    def errors(self) -> list[str]:
        return [status.text for status in self.statuses if status.is_error]
