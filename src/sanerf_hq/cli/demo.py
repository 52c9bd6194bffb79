"""Demo: the shipped scene trained, three objects cut out of it and scored, with nothing to download."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from sanerf_hq.cli.options import Device, check_device

OBJECTS = ("mug", "ball", "monkey")
CLICKS = 3


@dataclass(frozen=True)
class Demo:
    """See it work: train the scene that the package ships, cut three objects out of it, score them.

    Needs no data, no download and no GPU: some minutes on a laptop. The masks are by compact,
    from three clicks on each object.
    """

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("runs/demo")
    """Folder for the run, the scores and the report."""
    device: Device = "cpu"
    """Where to compute."""

    def run(self) -> int:
        """Train, segment, score, say where the report is."""
        check_device(self.device)
        from sanerf_hq.cli.bench import bench
        from sanerf_hq.evaluate import Protocol

        started = time.monotonic()
        scene = Path(__file__).parent.parent / "demo_scene" / "desk"
        protocol = Protocol("draft", "compact", CLICKS, device=self.device, objects=OBJECTS)
        bench((scene,), self.out / "bench", protocol)
        print(f"the demo took {time.monotonic() - started:.0f} s; open the report in a browser")
        return 0
