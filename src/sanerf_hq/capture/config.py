"""The settings of a capture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sanerf_hq.errors import InputError

LARGEST = 8000  # pixels: a scene's photos may have 80 million
Pairing = Literal["auto", "exhaustive", "sequential"]


@dataclass(frozen=True)
class CaptureConfig:
    """How photos become a posed scene.

    Attributes:
        longest: Longest side in pixels of the images that are posed and kept; larger photos are reduced.
        frames: Most frames kept of a video.
        pairing: Which images are compared: each with each other, or each with its neighbours (in name, frames
            of a video in time) and a spread-out few; auto takes the first for up to 150 photos, else the
            second, of photos with as many neighbours as take the same time.
        features: Most features found in an image.
        threads: Threads for the search of poses; 0 takes all there are. With more than one, poses may differ
            from run to run in the last digits.
        seed: Where all chance comes from.
    """

    longest: int = 1600
    frames: int = 150
    pairing: Pairing = "auto"
    features: int = 4096
    threads: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.longest > LARGEST:
            raise InputError(f"--longest is {self.longest}; give {LARGEST} or less")
        for option, value, least in (
            ("--longest", self.longest, 100),
            ("--frames", self.frames, 3),
            ("--features", self.features, 100),
            ("--threads", self.threads, 0),
            ("--seed", self.seed, 0),
        ):
            if value < least:
                raise InputError(f"{option} is {value}; give {least} or more")
