"""Capture: a phone's photos or a video to a scene that can be trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from sanerf_hq.cli.telling import train_command


@dataclass(frozen=True)
class Capture:
    """Find out where photos were taken from, and write them as a scene for sanerf train.

    PHOTOS is a folder of JPEG, PNG or HEIC photos, or a video (MP4, MOV). Take 30 to 100 photos of a scene
    that stands still: walk round the object, a step between photos so that each shares two thirds of its
    picture with the one before, in one or two rings at different heights. No zooming, and light that stays.
    Needs pycolmap: pip install 'sanerf-hq[sfm]'. Some minutes on a laptop, no GPU.

    Stopped or killed, the same command goes on where it was. Photos that are added to the folder later are
    added to the scene by the same command.

    Example: sanerf capture ~/photos/mug --out data/mug
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="PHOTOS")]
    """Folder of photos, or a video."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Scene folder to make or to go on with."""
    longest: Annotated[int, tyro.conf.arg(metavar="PIXELS")] = 1600
    """Longest side of the images that are posed and kept; larger photos are reduced."""
    frames: Annotated[int, tyro.conf.arg(metavar="N")] = 150
    """Most frames to keep of a video: sharp ones, with some motion between them."""
    pairing: Literal["auto", "exhaustive", "sequential"] = "auto"
    """exhaustive compares each photo with each other; sequential with its neighbours (in name, 2 before 10,
    or in time) and a few from all over; auto: exhaustive up to 150 photos, above with as many neighbours
    as take the same time, sequential for a video. What fits nowhere is then compared with others as well."""
    features: Annotated[int, tyro.conf.arg(metavar="N")] = 4096
    """Most features to find in a photo; more help where there is little texture, and take longer."""
    threads: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Threads to use; 0: all there are. Poses repeat to the last digit with 1 only."""
    seed: Annotated[int, tyro.conf.arg(metavar="I")] = 0
    """Where all chance comes from."""

    def run(self) -> int:
        """Capture, say what was registered and what not."""
        from sanerf_hq.capture import CaptureConfig, capture
        from sanerf_hq.cli.console import ConsoleProgress

        config = CaptureConfig(
            self.longest, self.frames, self.pairing, self.features, self.threads, self.seed
        )
        with ConsoleProgress() as progress:
            report = capture(self.source.expanduser(), self.out, config, progress)
        print("\n".join(report.lines()))
        print(f"the scene is in {self.out}; next: {train_command(self.out)}")
        return 0
