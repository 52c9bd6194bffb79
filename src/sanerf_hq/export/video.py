"""Video: frames to a file, one at a time, by the ffmpeg that imageio-ffmpeg brings.

    .mp4   H.264, opaque, plays everywhere
    .webm  VP9; with transparency for browsers and editors that read it
    .mov   ProRes for editing: 422, or 4444 with transparency

Colours are those of BT.709, marked as such. Transparent frames are not multiplied by their opacity.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from jaxtyping import UInt8
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.export.aside import file_aside
from sanerf_hq.export.frames import Mode, moving_painter, painter
from sanerf_hq.export.target import MovingTarget, Target
from sanerf_hq.geometry import Camera
from sanerf_hq.runs import Progress, ProgressCallback, quiet
from sanerf_hq.runs.files import DISK_FULL

STAGE = "video"
SMALLEST = 16  # pixels a side that every codec takes
COLOURS = (
    "scale=out_color_matrix=bt709:out_range=tv,"
    "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
)


@dataclass(frozen=True)
class Encoding:
    """How frames become a file.

    Attributes:
        codec: ffmpeg's name for it.
        pixels: Its pixel format.
        options: Further words for ffmpeg.
    """

    codec: str
    pixels: str
    options: tuple[str, ...] = ()


H264 = Encoding("libx264", "yuv420p", ("-crf", "18", "-movflags", "+faststart"))
_VP9 = ("-crf", "24", "-b:v", "0", "-deadline", "good", "-cpu-used", "4", "-row-mt", "1")
VP9 = Encoding("libvpx-vp9", "yuv420p", _VP9)
VP9_ALPHA = Encoding("libvpx-vp9", "yuva420p", (*_VP9, "-auto-alt-ref", "0"))
PRORES = Encoding("prores_ks", "yuv422p10le", ("-profile:v", "3", "-vendor", "apl0"))
PRORES_ALPHA = Encoding("prores_ks", "yuva444p10le", ("-profile:v", "4", "-vendor", "apl0"))
OPAQUE: dict[str, Encoding] = {".mp4": H264, ".webm": VP9, ".mov": PRORES}
TRANSPARENT: dict[str, Encoding] = {".webm": VP9_ALPHA, ".mov": PRORES_ALPHA}


def export_video(
    target: Target | MovingTarget,
    cameras: Sequence[Camera],
    out: Path,
    mode: Mode = "colour",
    fps: float = 24.0,
    progress: ProgressCallback = quiet,
) -> None:
    """Write a video of an object along a camera path, one frame in memory at a time.

    Args:
        target: The object.
        cameras: One for each frame, all of one even size; see :mod:`sanerf_hq.export.camera_path`. Each has
            a time if the scene moves.
        out: The file; its suffix says which kind. One that is there is replaced.
        mode: What to show; ``alone`` is transparent where the object is not.
        fps: Frames a second.
        progress: Told after each frame; may raise Cancelled.

    Raises:
        InputError: The file's kind does not fit the mode, or it cannot be written.
        Cancelled: The callback asked for it; nothing is left at ``out``.
    """
    encoding = encoding_for(out, mode)
    size = cameras[0].width, cameras[0].height
    check_size(*size)
    done = 0

    def tell(_: Progress) -> None:
        progress(Progress(STAGE, done, len(cameras)))

    moves = isinstance(target, MovingTarget)
    paint = moving_painter(target, mode, tell) if moves else painter(target, mode, tell)
    with file_aside(out) as path, Writer(path, encoding, size, fps) as video:
        for camera in cameras:
            progress(Progress(STAGE, done, len(cameras)))
            video.write(paint(camera))
            done += 1
    progress(Progress(STAGE, done, len(cameras)))


def encoding_for(out: Path, mode: Mode) -> Encoding:
    """The encoding that a file's suffix means.

    Raises:
        InputError: No video has that suffix, or none with transparency where the mode needs it.
    """
    table = TRANSPARENT if mode == "alone" else OPAQUE
    found = table.get(out.suffix.lower())
    if found is None:
        wanted = " or ".join(table)
        why = " (an object alone is transparent around it)" if mode == "alone" else ""
        raise InputError(f"{out} is no video's name{why}; let it end with {wanted}")
    return found


def check_size(width: int, height: int) -> None:
    """Refuse sizes that video cannot have.

    Raises:
        InputError: A side is odd, or below 16 pixels.
    """
    for name, value in (("width", width), ("height", height)):
        if value < SMALLEST or value % 2:
            raise InputError(
                f"a video's {name} of {value} pixels cannot be; choose an even number of {SMALLEST} or more"
            )


class Writer:
    """A video that is being written: frames go to ffmpeg as they are drawn. A context.

    What it leaves at its end is whole, or it raises.

    Args:
        path: The file; its suffix is the encoding's container.
        encoding: How.
        size: Width and height of the frames, both even.
        fps: Frames a second.

    Raises:
        InputError: There is no ffmpeg, or it fails.
    """

    def __init__(self, path: Path, encoding: Encoding, size: tuple[int, int], fps: float) -> None:
        layout = "rgba" if "yuva" in encoding.pixels else "rgb24"
        words = [ffmpeg(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", layout]
        words += ["-s", f"{size[0]}x{size[1]}", "-r", f"{fps:g}", "-i", "-", "-an"]
        words += ["-vf", COLOURS]
        words += ["-c:v", encoding.codec, "-pix_fmt", encoding.pixels, *encoding.options]
        words += [str(path.resolve())]  # of others, ffmpeg takes what is before a colon for a protocol
        self._words, self._path = words, path

    def __enter__(self) -> Writer:
        self._said = tempfile.TemporaryFile()  # a pipe that nobody reads could fill up and stop ffmpeg
        # A session of its own: Ctrl-C is for us, and it is we who stop ffmpeg.
        self._process = subprocess.Popen(
            self._words, stdin=subprocess.PIPE, stderr=self._said, start_new_session=True
        )
        return self

    def write(self, frame: UInt8[Tensor, "h w channels"]) -> None:
        """Add a frame: RGBA where the encoding is transparent, else RGB."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(frame.contiguous().numpy().data)
        except BrokenPipeError:
            self._finish()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._process.kill()
            self._process.wait()
            with contextlib.suppress(OSError):
                assert self._process.stdin is not None
                self._process.stdin.close()
            self._said.close()

    def _finish(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        if self._process.wait():
            self._said.seek(0)
            raise _failure(self._path, self._said.read().decode(errors="replace"), self._process.returncode)


def _failure(path: Path, said: str, code: int) -> InputError:
    """What ffmpeg says of a video that it gave up, of which the first line is the cause of the others."""
    if any(os.strerror(number) in said for number in DISK_FULL):
        return InputError(f"{path.name} cannot be written, the disk is full: free some space")
    reason = next((line for line in map(str.strip, said.splitlines()) if line), f"exit code {code}")
    return InputError(
        f"{path.name} cannot be written, ffmpeg says: {reason}; choose another place or kind of file"
    )


def ffmpeg() -> str:
    """The program that encodes.

    Raises:
        InputError: There is none.
    """
    from imageio_ffmpeg import get_ffmpeg_exe

    try:
        return get_ffmpeg_exe()
    except RuntimeError as error:  # the wheel for this system brings none
        raise InputError("there is no ffmpeg; install one, or name it in IMAGEIO_FFMPEG_EXE") from error
