"""Report: all objects of a run on one page, with pictures, turntables and, where there is truth, scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from sanerf_hq.cli.opening import open_still
from sanerf_hq.cli.options import Device, TimeWords, check_at_least, check_device
from sanerf_hq.cli.telling import counted
from sanerf_hq.errors import InputError


@dataclass(frozen=True)
class Report:
    """Show all objects of a run on one HTML page that opens without a server.

    Each object has a turntable and pictures; where the scene has truth of an object of that name, scores in
    the test views, as sanerf eval has them. A segmentation that cannot be read is named and left out.

    Example: sanerf report runs/cape
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder that sanerf train and sanerf segment made."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="PATH.html")] = None
    """Page to write, one that is there is replaced; RUN/report.html if not given."""
    frames: Annotated[int, tyro.conf.arg(metavar="N")] = 36
    """Frames of each turntable, 12 a second."""
    width: Annotated[int, tyro.conf.arg(metavar="W")] = 320
    """Width of the turntables in pixels, an even number."""
    score: bool = True
    """Render all test views and score what the scene has truth of."""
    time: TimeWords = None
    device: Device = "cpu"
    """Where to compute."""

    def run(self) -> int:
        """Make the page."""
        check_at_least("--frames", self.frames, 1)
        check_at_least("--width", self.width, 32)
        check_device(self.device)
        from sanerf_hq.cli.console import ConsoleProgress
        from sanerf_hq.export import write_run_report
        from sanerf_hq.runs import Run

        out = Run.open(self.folder).page if self.out is None else self.out
        if out.suffix.lower() not in (".html", ".htm"):
            raise InputError(f"--out {out} is no page's name; let it end with .html")
        field = open_still(self.folder, self.device, self.time)
        size = self.width, 2 * round(self.width * 3 / 8)
        with ConsoleProgress() as progress:
            done = write_run_report(field, out, self.frames, size, self.score, progress)
        for segmentation, reason in done.unread.items():
            print(f"segmentation {segmentation!r} is skipped: {reason}")
        print(f"report of {counted(done.n_objects, 'object')}: {out}")
        return 0
