"""Export of pictures: an object as masks, as a video, or as a training set of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from sanerf_hq.cli.opening import open_target
from sanerf_hq.cli.options import Device, TimeWords, check_at_least, check_device
from sanerf_hq.cli.telling import counted, train_command
from sanerf_hq.errors import InputError

if TYPE_CHECKING:
    from sanerf_hq.export import MovingTarget, Target
    from sanerf_hq.geometry import Camera
    from sanerf_hq.runs import ProgressCallback
    from sanerf_hq.scene import View

MOST_FRAMES = 100_000
TURN_SECONDS = 4.0
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


@dataclass(frozen=True)
class ExportMasks:
    """An object's mask in the scene's views: a PNG each, soft ones in 16 bit, or one COCO file.

    Masks lie on the photos as they are, lens distortion included. A folder of PNGs can be given back to
    sanerf segment as --segmenter masks:FOLDER.

    Example: sanerf export masks runs/cape --object cape --out cape-masks
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder that sanerf train and sanerf segment made."""
    object: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """Which object: a segmentation, or one identity of it as SEGMENTATION/IDENTITY."""
    out: Annotated[Path, tyro.conf.arg(metavar="PATH")]
    """New folder to write; for --form coco a .json file, one that is there is replaced."""
    form: Literal["png", "soft", "coco"] = "png"
    """png: black and white. soft: 16 bit, probability times 65535. coco: JSON with run-length masks."""
    view: Annotated[tuple[str, ...], tyro.conf.arg(metavar="VIEW"), tyro.conf.UseAppendAction] = ()
    """View to write, by file path or stem; may be given several times. All views if not given."""
    width: Annotated[int | None, tyro.conf.arg(metavar="W")] = None
    """Width of the masks in pixels; the photos' if not given."""
    device: Device = "cpu"
    """Where to compute."""

    def run(self) -> int:
        """Export."""
        check_at_least("--width", self.width, 1)
        check_device(self.device)
        if self.form == "coco" and self.out.suffix.lower() != ".json":
            raise InputError(f"--out {self.out} is no JSON file's name; let it end with .json")
        if self.form != "coco" and self.out.suffix.lower() == ".json":
            raise InputError(
                f"--form {self.form} writes a folder, and --out {self.out} is a JSON file's name; "
                "say --form coco, or name a folder"
            )
        if self.form != "coco" and self.out.suffix.lower() in PICTURE_SUFFIXES:
            raise InputError(
                f"--form {self.form} writes a folder, and --out {self.out} is a picture's name; name a folder"
            )
        from sanerf_hq.cli.console import ConsoleProgress
        from sanerf_hq.export import export_masks

        target = open_target(self.folder, self.object, self.device)
        views = chosen_views(target, self.view)
        with ConsoleProgress() as progress:
            export_masks(target, self.out, self.form, views, self.width, progress)
        print(f"masks of {self.object} in {counted(len(views), 'view')}: {self.out}")
        return 0


@dataclass(frozen=True)
class ExportVideo:
    """A video of an object: a turntable, or a way through keyframes of your own.

    A turntable stands where the scene's cameras stood, at their median height and distance, with a lens in
    which the object fills the picture. Where cameras stood on one side only it swings there and back.

    Example: sanerf export video runs/cape --object cape --out cape.webm --mode alone
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder that sanerf train and sanerf segment made."""
    object: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """Which object: a segmentation, or one identity of it as SEGMENTATION/IDENTITY."""
    out: Annotated[Path, tyro.conf.arg(metavar="PATH")]
    """Video to write: .mp4 (H.264), .webm (VP9) or .mov (ProRes); one that is there is replaced."""
    mode: Literal["colour", "overlay", "alone", "removed"] = "overlay"
    """colour: the scene as it is. overlay: the object marked. alone: the object with transparency, for .webm
    and .mov. removed: the scene without the object."""
    keyframes: Annotated[Path | None, tyro.conf.arg(metavar="PATH.json")] = None
    """Camera path; a turntable if not given. What such a file holds: docs/export-pictures.md."""
    seconds: Annotated[float | None, tyro.conf.arg(metavar="S")] = None
    """How long a turntable takes; 4 if not given."""
    fps: Annotated[float, tyro.conf.arg(metavar="N")] = 24.0
    """Frames a second."""
    width: Annotated[int, tyro.conf.arg(metavar="W")] = 640
    """Width of the video in pixels, an even number."""
    height: Annotated[int, tyro.conf.arg(metavar="H")] = 480
    """Height of the video in pixels, an even number."""
    elevation: Annotated[float | None, tyro.conf.arg(metavar="DEG")] = None
    """Degrees that a turntable's camera stands above the object; the median of the scene's if not given."""
    zoom: Annotated[float | None, tyro.conf.arg(metavar="X")] = None
    """A turntable's object that much larger than filling the picture; below 1 shows more around it. 1 if not
    given."""
    time: TimeWords = None
    """In a scene that moves: the time that it stands still at, from 0 to 1. If not given, all its time passes
    in the video."""
    device: Device = "cpu"
    """Where to compute."""

    def run(self) -> int:
        """Export."""
        check_device(self.device)
        self._check()
        from sanerf_hq.cli.console import ConsoleProgress
        from sanerf_hq.export import encoding_for, export_video
        from sanerf_hq.export.video import check_size
        from sanerf_hq.runs import check_writable

        encoding_for(self.out, self.mode)
        check_writable(self.out)
        check_size(self.width, self.height)
        target = open_target(self.folder, self.object, self.device, self.time)
        with ConsoleProgress() as progress:
            cameras = self._cameras(target, progress)
            export_video(target, cameras, self.out, self.mode, self.fps, progress)
        print(f"{self.mode} of {self.object}, {counted(len(cameras), 'frame')}: {self.out}")
        return 0

    def _check(self) -> None:
        """Refuse numbers that make no video, and what does not go with keyframes.

        Raises:
            InputError: One of them does not.
        """
        turntables = {"seconds": self.seconds, "elevation": self.elevation, "zoom": self.zoom}
        for option, value in turntables.items():
            if self.keyframes is not None and value is not None:
                raise InputError(f"--{option} is a turntable's, and --keyframes say their own; leave one out")
        for option, value, high in (("seconds", self.seconds, 3600), ("fps", self.fps, 240)):
            if value is not None and not 0 < value <= high:
                raise InputError(f"--{option} is {value:g}; give a number above 0, {high} at most")
        n_frames = (self.seconds or TURN_SECONDS) * self.fps
        if self.keyframes is None and n_frames > MOST_FRAMES:
            raise InputError(
                f"--seconds and --fps ask for {n_frames:.0f} frames; let them be {MOST_FRAMES} at most"
            )
        if self.zoom is not None and not 0.05 <= self.zoom <= 20:
            raise InputError(f"--zoom is {self.zoom:g}; give a number from 0.05 to 20")
        if self.elevation is not None and not -90 <= self.elevation <= 90:
            raise InputError(f"--elevation is {self.elevation:g}; give degrees from -90 to 90")

    def _cameras(self, target: Target | MovingTarget, progress: ProgressCallback) -> Sequence[Camera]:
        """One a frame; if the scene moves, time passes evenly from its first moment to its last."""
        from sanerf_hq.export import MovingTarget

        cameras = self._path(target, progress)
        if not isinstance(target, MovingTarget):
            return cameras
        first, *_, last = target.radiance.moments
        step = (last - first) / max(1, len(cameras) - 1)
        return [replace(camera, time=first + number * step) for number, camera in enumerate(cameras)]

    def _path(self, target: Target | MovingTarget, progress: ProgressCallback) -> Sequence[Camera]:
        from sanerf_hq.export import (
            MovingTarget,
            find_placement,
            read_keyframes,
            through_keyframes,
            turntable,
        )
        from sanerf_hq.export.placement import find_passage, up_of

        home = target.radiance.at_home()
        size = self.width, self.height
        if self.keyframes is None:
            moves = isinstance(target, MovingTarget)
            placement = find_passage(target, progress) if moves else find_placement(target, progress)
            n_frames = max(1, round((self.seconds or TURN_SECONDS) * self.fps))
            return turntable(placement, target.cameras(), n_frames, size, self.elevation, self.zoom or 1.0)
        keyframes = read_keyframes(self.keyframes, home.scene, up_of(home.cameras))
        if (keyframes[-1].seconds - keyframes[0].seconds) * self.fps > MOST_FRAMES:
            raise InputError(f"{self.keyframes} asks for more than {MOST_FRAMES} frames; shorten it")
        return through_keyframes(keyframes, self.fps, size)


@dataclass(frozen=True)
class ExportDataset:
    """A training set of the object alone: RGBA images and a transforms.json with the scene's own cameras.

    sanerf train, nerfstudio and others train on it as it is.

    Example: sanerf export dataset runs/cape --object cape --out cape-alone
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder that sanerf train and sanerf segment made."""
    object: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """Which object: a segmentation, or one identity of it as SEGMENTATION/IDENTITY."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """New folder to write."""
    colours: Literal["photo", "render"] = "photo"
    """photo: the photos' colours where they show the object, rendered ones where it is hidden and along its
    outline. render: rendered ones everywhere."""
    view: Annotated[tuple[str, ...], tyro.conf.arg(metavar="VIEW"), tyro.conf.UseAppendAction] = ()
    """View to write, by file path or stem; may be given several times. All views if not given."""
    width: Annotated[int | None, tyro.conf.arg(metavar="W")] = None
    """Width of the images in pixels; the photos' if not given."""
    device: Device = "cpu"
    """Where to compute."""

    def run(self) -> int:
        """Export."""
        check_at_least("--width", self.width, 1)
        check_device(self.device)
        from sanerf_hq.cli.console import ConsoleProgress
        from sanerf_hq.export import export_dataset

        target = open_target(self.folder, self.object, self.device)
        views = chosen_views(target, self.view)
        with ConsoleProgress() as progress:
            export_dataset(target, self.out, views, self.width, self.colours, progress)
        print(f"{self.object} alone in {counted(len(views), 'view')}: {self.out}")
        print(f"next: {train_command(self.out)}")
        return 0


def chosen_views(target: Target | MovingTarget, names: Sequence[str]) -> tuple[View, ...]:
    """The views of those names; all of the scene where none is named.

    Raises:
        InputError: There is no view of a name.
    """
    scene = target.radiance.at_home().scene
    found = {view.name: view for view in map(scene.view, names)}
    return tuple(found.values()) or scene.views
