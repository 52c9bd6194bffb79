"""What the tests of capture share: settings, cameras and the record of a finished capture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sanerf_hq.capture import CaptureConfig, CaptureReport
from sanerf_hq.geometry import Camera
from sanerf_hq.runs import Progress
from support.textured import ring

CONFIG = CaptureConfig(features=500, threads=1)
CAMERAS = ring(12, arc=0.5)


@dataclass(frozen=True)
class Captured:
    """A finished capture and what it was made from."""

    photos: Path
    out: Path
    report: CaptureReport
    cameras: dict[str, Camera]
    told: list[Progress]
