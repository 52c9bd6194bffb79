"""Videos of a picture that is moved by known ways, some of its frames blurred."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sanerf_hq.capture import CaptureConfig
from sanerf_hq.capture.prepare import prepare
from sanerf_hq.capture.sharpness import sharpness
from sanerf_hq.capture.store import Store
from sanerf_hq.capture.video import FrameStats, choose_frames, measure_frames, read_frames
from sanerf_hq.errors import InputError
from sanerf_hq.runs import Progress, quiet
from sanerf_hq.scene.image_files import image_size
from support.textured import TEXTURES

SIZE = (320, 240)
BLURRED = (3, 4, 5, 9, 14, 15, 20, 26)


def frame(shift: float, blurred: bool) -> np.ndarray:
    """A window onto a texture, ``shift`` pixels to the right."""
    moved = np.float32([[1, 0, -shift], [0, 1, -20]])
    grey = cv2.warpAffine(TEXTURES[0].astype(np.uint8), moved, SIZE, flags=cv2.INTER_LINEAR)
    if blurred:
        grey = cv2.blur(grey, (9, 1))
    return np.repeat(grey[:, :, None], 3, 2)


def write_video(path: Path, shifts: list[float], blurred: tuple[int, ...] = (), rate: float = 10.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, SIZE)
    for index, shift in enumerate(shifts):
        writer.write(frame(shift, index in blurred))
    writer.release()
    return path


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 frames, 5 pixels apart, some blurred."""
    return write_video(tmp_path_factory.mktemp("v") / "a.avi", [5.0 * i for i in range(30)], BLURRED)


def test_motion_and_sharpness_are_measured(steady: Path):
    told: list[Progress] = []
    stats = measure_frames(steady, told.append)
    assert [found.index for found in stats] == list(range(30))
    assert stats[0].motion == 0
    both_sharp = [found for found in stats[1:] if {found.index, found.index - 1} & set(BLURRED) == set()]
    assert [found.motion for found in both_sharp] == pytest.approx([5 / 320] * len(both_sharp), rel=0.05)
    sharp = min(found.sharpness for found in stats if found.index not in BLURRED)
    assert max(found.sharpness for found in stats if found.index in BLURRED) < 0.7 * sharp
    assert told[-1].done == told[-1].total == 30


def test_blurred_frames_are_passed_over(steady: Path):
    chosen = [found.index for found in choose_frames(measure_frames(steady, quiet), 7)]
    assert len(chosen) == 7
    assert set(chosen) & set(BLURRED) == set()
    assert min(np.diff(chosen)) >= 2


def even(n: int, motion: float) -> list[FrameStats]:
    return [FrameStats(index, 1.0, motion if index else 0.0) for index in range(n)]


def test_frames_are_spread_by_motion_not_by_time():
    """A camera that rests for 100 frames between two walks of 1.0 each."""
    walk = even(51, 0.02)
    rest = [FrameStats(50 + index, 5.0, 0.0) for index in range(1, 100)]
    again = [FrameStats(150 + index, 1.0, 0.02) for index in range(50)]
    chosen = [found.index for found in choose_frames([*walk, *rest, *again], 20)]
    assert len(chosen) == 20
    assert sum(51 <= index <= 149 for index in chosen) <= 1
    assert sum(index <= 50 for index in chosen) == pytest.approx(10, abs=1)


def test_little_motion_gives_few_frames():
    assert len(choose_frames(even(1000, 0.0001), 150)) == 4  # 0.0999 of the picture, 0.02 each
    assert len(choose_frames(even(10, 0.0), 150)) == 1


def test_the_sharpest_of_each_window_is_chosen():
    stats = even(101, 0.01)
    for index in (12, 37, 62, 87):
        stats[index] = replace(stats[index], sharpness=2.0)
    assert [found.index for found in choose_frames(stats, 4)] == [12, 37, 62, 87]


def test_frames_are_read_by_number(steady: Path):
    found = dict(read_frames(steady, [2, 17]))
    assert list(found) == [2, 17]
    for index, pixels in found.items():
        assert np.abs(pixels.astype(int) - frame(5.0 * index, False)).mean() < 6


def test_sharpness_does_not_depend_on_contrast_and_falls_with_blur():
    picture = TEXTURES[1].astype(np.uint8)
    sharp = sharpness(picture)
    assert sharpness((picture * 0.5 + 60).astype(np.uint8)) == pytest.approx(sharp, rel=0.1)
    assert sharpness(cv2.blur(picture, (7, 7))) < 0.5 * sharp
    assert sharpness(np.full((20, 30), 7, np.uint8)) < 1e-9


def test_a_fast_video_is_looked_at_15_times_a_second(tmp_path: Path):
    video = write_video(tmp_path / "a.avi", [float(i) for i in range(12)], rate=60.0)
    assert [found.index for found in measure_frames(video, quiet)] == [0, 4, 8]


@pytest.mark.parametrize("content", [b"", b"no video", b"\0\0\0\x18ftypmp42" + bytes(40)])
def test_what_is_no_video_is_said(content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mp4 is no video that can be read"):
        measure_frames(tmp_path / "a.mp4", quiet)
    assert "VIDEOIO" not in capfd.readouterr().err


def test_chosen_frames_become_images_and_are_not_made_again(steady: Path, tmp_path: Path):
    store, config = Store(tmp_path / "scene"), CaptureConfig(longest=160, frames=6)
    with store.opened():
        prepared = prepare(steady, store, config, quiet)
    assert prepared.is_video and len(prepared.images) == 6
    assert all(image_size(store.images / image.name) == image.size == (160, 120) for image in prepared.images)
    assert prepared.images[0].source == f"a.avi, frame {int(prepared.images[0].name[6:12])}"
    stamps = {path: path.stat().st_mtime_ns for path in store.images.iterdir()}
    missing = store.images / prepared.images[2].name
    missing.unlink()
    again = Store(tmp_path / "scene")
    with again.opened():
        assert prepare(steady, again, config, quiet) == prepared
    changed = [path for path in again.images.iterdir() if path.stat().st_mtime_ns != stamps[path]]
    assert changed == [missing]


def test_a_camera_that_rests_is_refused(tmp_path: Path):
    video = write_video(tmp_path / "a.avi", [0.0] * 12)
    store = Store(tmp_path / "scene")
    with store.opened(), pytest.raises(InputError, match="walk round the object"):
        prepare(video, store, CaptureConfig(), quiet)


def test_another_video_is_refused(steady: Path, tmp_path: Path):
    store = Store(tmp_path / "scene")
    with store.opened():
        prepare(steady, store, CaptureConfig(frames=4), quiet)
    other = write_video(tmp_path / "b.avi", [9.0 * i for i in range(8)])
    with store.opened(), pytest.raises(InputError, match="capture of other pictures"):
        prepare(other, store, CaptureConfig(), quiet)
