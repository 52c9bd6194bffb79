"""Video: the frames worth keeping, sharp ones with some motion between each and the next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from sanerf_hq.capture.sharpness import sharpness
from sanerf_hq.errors import InputError
from sanerf_hq.runs import Progress, ProgressCallback

Pixels = npt.NDArray[np.uint8]

SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".3gp", ".mts")
MAX_PIXELS = 70_000_000  # twice the size of 8K
LOOKED_AT = 15.0  # frames a second; more differ too little to be worth the time
TRACKED_LONGEST = 480  # pixels
LEAST_MOTION = 0.02  # of the longest side: two frames with less between them say the same
LOST_MOTION = 0.1  # what counts for a jump that could not be followed
APART = 0.5  # of a window: the least motion between two kept frames


@dataclass(frozen=True)
class FrameStats:
    """What is known of a frame before it is chosen.

    Attributes:
        index: Its number in the video, from 0.
        sharpness: See :func:`sanerf_hq.capture.sharpness.sharpness`.
        motion: Median way of tracked points since the frame before, in parts of the longest side.
    """

    index: int
    sharpness: float
    motion: float


def measure_frames(path: Path, progress: ProgressCallback) -> list[FrameStats]:
    """Look through a video: sharpness and motion of about 15 frames a second.

    Raises:
        InputError: It holds no frame that can be decoded.
        Cancelled: The callback asked for it.
    """
    stats: list[FrameStats] = []
    with _Reader(path) as reader:
        total, before = reader.n_frames, None
        for index in reader.indices(reader.stride):
            pixels = reader.pixels()
            if pixels is None:
                continue
            grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype("uint8", copy=False)
            small = _shrunk(grey)
            motion = 0.0 if before is None else _motion(before, small)
            stats.append(FrameStats(index, sharpness(grey), motion))
            before = small
            progress(Progress("look through video", min(index + 1, total), total))
    if not stats:
        raise InputError(f"{path} holds no frame that can be decoded; save it again as MP4 (H.264)")
    progress(Progress("look through video", total, total))
    return stats


def choose_frames(stats: list[FrameStats], most: int) -> list[FrameStats]:
    """The sharpest frame of each of up to ``most`` windows, all of equal motion.

    A camera that rests gives few windows, so that no two frames are alike; one that is moved fast gives
    frames close in time. Frames are at least half a window's motion apart.

    Args:
        stats: Frames in the order of time.
        most: Most frames to choose, ≥ 1.
    """
    places: list[float] = []
    way = 0.0
    for frame in stats:
        way += frame.motion
        places.append(way)
    n_windows = max(1, min(most, int(way / LEAST_MOTION)))
    width = way / n_windows
    chosen: list[FrameStats] = []
    last = -width
    for window in range(n_windows):
        start, end = max(window * width, last + APART * width), (window + 1) * width
        inside = [(f, place) for f, place in zip(stats, places, strict=True) if start <= place <= end]
        if inside:
            best, last = max(inside, key=lambda entry: entry[0].sharpness)
            chosen.append(best)
    return chosen


def read_frames(path: Path, indices: list[int]) -> Iterator[tuple[int, Pixels]]:
    """Frames of a video by number.

    Args:
        path: The video.
        indices: Growing frame numbers.

    Yields:
        Number and pixels, (h, w, 3) RGB, upright; frames that cannot be decoded are passed over.
    """
    wanted = set(indices)
    with _Reader(path) as reader:
        for index in reader.indices(1, max(wanted, default=-1)):
            pixels = reader.pixels() if index in wanted else None
            if pixels is not None:
                yield index, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype("uint8", copy=False)


class _Reader:
    """A video open for reading from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # it would print its own complaints
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # and OpenCV its own
        self._capture: cv2.VideoCapture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        cv2.utils.logging.setLogLevel(level)
        if not self._capture.isOpened():
            raise InputError(f"{path} is no video that can be read; save it again as MP4 (H.264)")
        size = [int(self._capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
        if size[0] * size[1] > MAX_PIXELS:
            raise InputError(f"{path} has frames of {size[0]}x{size[1]} pixels; scale it down")
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.stride = max(1, round(rate / LOOKED_AT)) if 0 < rate < 1000 else 1
        self.n_frames = max(1, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))  # as its header says

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def indices(self, stride: int, last: int | None = None) -> Iterator[int]:
        """Numbers of the frames that can be had; the one given out last is the one that is read."""
        index = 0
        while (last is None or index <= last) and self._capture.grab():
            if index % stride == 0:
                yield index
            index += 1

    def pixels(self) -> Pixels | None:
        """The frame as OpenCV has it, (h, w, 3) BGR; None if it is broken."""
        whole, frame = self._capture.retrieve()
        return frame.astype("uint8", copy=False) if whole else None


def _shrunk(grey: Pixels) -> Pixels:
    scale = min(1.0, TRACKED_LONGEST / max(grey.shape))
    return cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(
        "uint8", copy=False
    )


def _motion(before: Pixels, after: Pixels) -> float:
    """Median way of corners from one frame to the next, in parts of the longest side."""
    corners = cv2.goodFeaturesToTrack(before, 200, 0.01, 8)
    if corners is None or before.shape != after.shape:
        return LOST_MOTION
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, np.empty_like(corners))
    kept = found.ravel() == 1
    if kept.sum() < max(8, len(corners) // 4):
        return LOST_MOTION
    ways = np.linalg.norm((moved - corners).reshape(-1, 2)[kept], axis=1)
    return float(np.median(ways)) / max(before.shape)
