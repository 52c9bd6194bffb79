"""Videos, read back by a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from sanerf_hq.errors import Cancelled, InputError
from sanerf_hq.export import Target, export_video
from sanerf_hq.export import video as video_module
from sanerf_hq.export.frames import painter, spread, straight
from sanerf_hq.export.removal import isolated
from sanerf_hq.export.video import H264, OPAQUE, TRANSPARENT, Writer, encoding_for
from sanerf_hq.geometry import Camera
from sanerf_hq.runs import Progress
from support.balls import COLOURS, ball_camera

# imageio's readers leave their pipes to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
imageio = pytest.importorskip("imageio.v3", reason="needs imageio, to read videos back")
ALPHA_DECODER = {".webm": ["-c:v", "libvpx-vp9"], ".mov": []}  # ffmpeg's own decoder drops a webm's alpha


def cameras(n: int) -> Sequence[Camera]:
    return [ball_camera(3 + index) for index in range(n)]


def read(path: Path, alpha: bool = False) -> np.ndarray:
    """Frames of a video, (n, h, w, 3 or 4)."""
    if not alpha:
        return imageio.imread(path, plugin="FFMPEG")
    from imageio_ffmpeg import read_frames

    frames = read_frames(str(path), "rgba", bits_per_pixel=32, input_params=ALPHA_DECODER[path.suffix])
    width, height = next(frames)["size"]
    return np.stack([np.frombuffer(frame, np.uint8).reshape(height, width, 4) for frame in frames])


@pytest.mark.parametrize("suffix", OPAQUE)
def test_an_opaque_video_has_the_frames_and_their_colours(red: Target, tmp_path: Path, suffix: str):
    path = tmp_path / f"a{suffix}"
    export_video(red, cameras(5), path, "colour", 10)
    frames = read(path)
    assert frames.shape == (5, 48, 64, 3)
    paint = painter(red, "colour")
    pictures = np.stack([paint(camera).numpy() for camera in cameras(5)]).astype(int)
    away = np.abs(frames[:, None].astype(int) - pictures[None])
    assert away.mean((2, 3, 4)).argmin(1).tolist() == [0, 1, 2, 3, 4], "in their order"
    # Colours have half the resolution, so outlines are blurred; elsewhere they are what was drawn.
    assert np.quantile(away[range(5), range(5)], 0.8) <= 6
    meta = imageio.immeta(path, plugin="FFMPEG")
    assert meta["fps"] == 10
    assert meta["duration"] == pytest.approx(0.5)


def test_flat_colours_come_back_as_they_were(tmp_path: Path):
    for suffix, encoding in OPAQUE.items():
        with Writer(tmp_path / f"a{suffix}", encoding, (32, 16), 24) as video:
            for colour in COLOURS:
                video.write(colour.to(torch.uint8).expand(16, 32, 3))
        for frame, colour in zip(read(tmp_path / f"a{suffix}"), COLOURS, strict=True):
            assert np.abs(frame.reshape(-1, 3).mean(0) - colour.numpy()).max() < 4, suffix


@pytest.mark.parametrize("suffix", TRANSPARENT)
def test_an_object_alone_is_transparent_around_it(red: Target, tmp_path: Path, suffix: str):
    path = tmp_path / f"a{suffix}"
    export_video(red, cameras(3), path, "alone")
    frames = read(path, alpha=True)
    assert frames.shape == (3, 48, 64, 4)
    for frame, camera in zip(frames, cameras(3), strict=True):
        expected = straight(isolated(red), camera)
        inside = expected[..., 3].numpy() > 0.99
        assert np.abs(frame[..., 3] / 255 - expected[..., 3].numpy()).mean() < 0.02
        assert np.abs(frame[inside][:, :3].mean(0) - COLOURS[1].numpy()).max() < 12


def test_the_modes_show_what_they_say(red: Target):
    camera = ball_camera(3)
    mask = red.field.render(camera).mask
    pictures = {mode: painter(red, mode)(camera) for mode in ("colour", "overlay", "removed", "alone")}
    inner = torch.nn.functional.max_pool2d((~mask)[None].float(), 7, 1, 3)[0] == 0
    red_ball, shell = COLOURS[1].float(), COLOURS[0].float()
    assert float((pictures["colour"][inner].float() - red_ball).abs().max()) < 6
    assert float((pictures["removed"][inner].float() - shell).abs().max()) < 6
    assert float((pictures["alone"][inner][:, :3].float() - red_ball).abs().max()) < 6
    outer = torch.nn.functional.max_pool2d(mask[None].float(), 7, 1, 3)[0] == 0
    assert float(pictures["alone"][outer][:, 3].max()) == 0
    assert torch.equal(pictures["removed"][0, 0], pictures["colour"][0, 0])
    assert int(pictures["overlay"][0, 0].sum()) < int(pictures["colour"][0, 0].sum()), "the rest is darkened"
    assert not torch.equal(pictures["overlay"][inner], pictures["colour"][inner])


def test_what_is_transparent_takes_the_nearest_colour():
    picture = torch.zeros(4, 6, 4)
    picture[1, 1] = torch.tensor([0.9, 0.1, 0.2, 1.0])
    picture[1, 2] = torch.tensor([0.5, 0.5, 0.5, 0.2])
    filled = spread(picture)
    assert torch.equal(filled[..., 3], picture[..., 3])
    assert filled[3, 5, :3].tolist() == picture[1, 1, :3].tolist()
    assert filled[1, 2].tolist() == picture[1, 2].tolist()
    assert torch.equal(spread(torch.zeros(4, 6, 4)), torch.zeros(4, 6, 4))


@pytest.mark.parametrize(
    ("name", "mode", "sentence"),
    [
        ("a.avi", "colour", "is no video's name; let it end with .mp4 or .webm or .mov"),
        ("a.mp4", "alone", r"an object alone is transparent around it\); let it end with .webm or .mov"),
        ("a", "removed", "is no video's name"),
    ],
)
def test_files_that_cannot_hold_it(name: str, mode, sentence: str):
    with pytest.raises(InputError, match=sentence):
        encoding_for(Path(name), mode)


@pytest.mark.parametrize(("size", "sentence"), [((63, 48), "width of 63"), ((64, 8), "height of 8")])
def test_sizes_that_cannot_be(red: Target, tmp_path: Path, size: tuple[int, int], sentence: str):
    with pytest.raises(InputError, match=sentence):
        export_video(red, [ball_camera(3).resized(*size)], tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop", [Cancelled(), KeyboardInterrupt()])
def test_what_is_stopped_leaves_nothing_and_what_was_there_stays(
    red: Target, tmp_path: Path, stop: BaseException
):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")

    def halt(progress: Progress) -> None:
        if progress.done == 2:
            raise stop

    with pytest.raises(type(stop)):
        export_video(red, cameras(4), path, "colour", progress=halt)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["a.mp4"]


def test_within_a_frame_it_can_be_stopped_too(red: Target, tmp_path: Path):
    calls = 0

    def halt(progress: Progress) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:  # the first is before the first frame
            raise Cancelled

    with pytest.raises(Cancelled):
        export_video(red, cameras(4), tmp_path / "a.mp4", "colour", progress=halt)
    assert calls == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "[out#0] Error muxing a packet\n[out#0] Error writing trailer: No space left on device\n"
            "Conversion failed!\n",
            "the disk is full: free some space",
        ),
        ("\n[vp9] cannot do that\nConversion failed!\n", r"ffmpeg says: \[vp9\] cannot do that; choose"),
        ("", "ffmpeg says: exit code 3;"),
    ],
)
def test_the_cause_is_said_among_all_that_ffmpeg_says(
    tmp_path: Path, said: str, sentence: str, monkeypatch: pytest.MonkeyPatch
):
    program = tmp_path / "ffmpeg"
    (tmp_path / "said").write_text(said)
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/said >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(video_module, "ffmpeg", lambda: str(program))
    with pytest.raises(InputError, match=sentence), Writer(tmp_path / "a.mp4", H264, (32, 16), 24):
        pass


def test_what_ffmpeg_cannot_do_is_an_error(tmp_path: Path):
    from dataclasses import replace

    broken = replace(OPAQUE[".mp4"], codec="no_such_codec")
    with (
        pytest.raises(InputError, match=r"cannot be written, ffmpeg says: .*Unknown encoder 'no_such"),
        Writer(tmp_path / "a.mp4", broken, (32, 16), 24) as video,
    ):
        for _ in range(200):
            video.write(torch.zeros(16, 32, 3, dtype=torch.uint8))


def test_a_folder_may_have_a_colon_in_its_name(red: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    out = Path("take: 2") / "a.mp4"
    out.parent.mkdir()
    export_video(red, cameras(1), out)
    assert out.stat().st_size > 0
