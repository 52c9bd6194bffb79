"""Report of a run: all objects of all its segmentations on one page that opens from disk and needs no server.

Each object has a turntable, the object alone, and pictures of some views; where the scene has truth of an
object of that name, its scores as in :mod:`sanerf_hq.evaluate`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.evaluate import Candidate, ObjectPictures, draw_object_view, score_views
from sanerf_hq.evaluate.metrics import Confusion
from sanerf_hq.evaluate.page import data_uri, environment
from sanerf_hq.evaluate.pictures import ObjectView
from sanerf_hq.evaluate.results import mean
from sanerf_hq.export.camera_path import turntable
from sanerf_hq.export.frames import painter
from sanerf_hq.export.masks import object_mask
from sanerf_hq.export.placement import find_placement
from sanerf_hq.export.target import Target, cameras_of
from sanerf_hq.export.video import H264, Writer, check_size
from sanerf_hq.masks import MaskSet
from sanerf_hq.objects import load_object_field, load_segmentation_masks
from sanerf_hq.radiance import RadianceField
from sanerf_hq.runs import Progress, ProgressCallback, check_writable, quiet, write_bytes
from sanerf_hq.scene import read_image

TEMPLATE = "run_report.html"
STAGE = "turntables"
FPS = 12.0
PICTURES = 3  # views of an object that has no truth
GREY = 110  # behind an object alone: tells white and black ones apart


@dataclass(frozen=True)
class Entry:
    """One object on the page.

    Attributes:
        name: Of the identity.
        segmentation: That it belongs to.
        segmenter: What made the masks.
        n_views: Training views with a mask.
        turntable: An .mp4 file's content; None where no training view shows the object.
        pictures: Some views.
        score: Its 3D mask against the truth; None without truth.
    """

    name: str
    segmentation: str
    segmenter: str
    n_views: int
    turntable: bytes | None
    pictures: ObjectPictures
    score: Confusion | None


@dataclass(frozen=True)
class Reported:
    """What a page shows.

    Attributes:
        n_objects: How many objects.
        unread: Why segmentations are not on it: a sentence by name.
    """

    n_objects: int
    unread: dict[str, str]


def write_run_report(
    radiance: RadianceField,
    out: Path,
    n_frames: int = 36,
    size: tuple[int, int] = (320, 240),
    score: bool = True,
    progress: ProgressCallback = quiet,
) -> Reported:
    """Write the page; one that is there is replaced, whole or not at all.

    What cannot be read of the segmentations is left out, and named on the page.

    Args:
        radiance: A field at home in its run.
        out: The page's file.
        n_frames: Frames of a turntable, ≥ 1.
        size: Their width and height in pixels, both even.
        score: Whether to render all test views and score the objects that the scene has truth of.
        progress: Told of the progress; may raise Cancelled.

    Raises:
        InputError: The run has no segmentation that can be read, or the page cannot be written.
        Cancelled: The callback asked for it; the page that was there is still there.
    """
    check_size(*size)
    check_writable(out)
    home = radiance.at_home()
    shown, unread = _shown(radiance)
    if not shown and unread:
        raise InputError(next(iter(unread.values())))
    if not shown:
        raise InputError(f"{home.run.folder} has no segmentation to report; make one with sanerf segment")
    scored = _score(radiance, shown, progress) if score else _Scored(None, {})
    entries = []
    for number, one in enumerate(shown):
        whose = f"{STAGE} ({number + 1} of {len(shown)})"
        confusion, pictures = scored.objects.get(number, (None, None))
        entries.append(
            Entry(
                one.target.name,
                one.segmentation,
                one.masks.segmenter,
                len(one.views),
                _turntable(one, n_frames, size, whose, progress),
                pictures or _pictures(one.target, one.views),
                confusion,
            )
        )
    page = environment(Path(__file__).parent).get_template(TEMPLATE)
    content = page.render(
        run=home.run,
        scene=home.scene.name,
        entries=entries,
        unread=unread,
        turntables=[entry.turntable and data_uri(entry.turntable, "video/mp4") for entry in entries],
        psnr=scored.psnr,
        miou=mean(entry.score.iou for entry in entries if entry.score),
        mbiou=mean(entry.score.boundary_iou for entry in entries if entry.score),
        size=size,
        written=datetime.now().strftime("%Y-%m-%d %H:%M"),
    )
    write_bytes(out, content.encode("utf-8", "replace"))
    return Reported(len(entries), unread)


@dataclass(frozen=True)
class _Scored:
    """What the test views came to: PSNR in dB, and scores and pictures of targets by their number."""

    psnr: float | None
    objects: dict[int, tuple[Confusion, ObjectPictures]]


@dataclass(frozen=True)
class _Shown:
    """An identity with the segmentation that it is of and the masks that this was made from."""

    segmentation: str
    target: Target
    masks: MaskSet

    @property
    def views(self) -> list[str]:
        """Views in which it has a mask."""
        own = [one for one in self.masks.segments if one.identity in self.target.channels]
        return [one.view for one in own if one.mask.area]


def _shown(radiance: RadianceField) -> tuple[list[_Shown], dict[str, str]]:
    """Each identity of each segmentation, and why some of these cannot be read.

    If the scene moves, of those that hold something at its moment.
    """
    home = radiance.at_home()
    found: list[_Shown] = []
    unread: dict[str, str] = {}
    for segmentation in home.run.segmentation_names():
        if home.moment is not None and not home.segmentation(segmentation).field.exists():
            continue
        try:
            field = load_object_field(radiance, segmentation)
            masks = load_segmentation_masks(radiance, segmentation)
        except InputError as error:
            unread[segmentation] = str(error)
            continue
        for channel, name in enumerate(field.names, 1):
            found.append(_Shown(segmentation, Target(field, (channel,), name), masks))
    return found, unread


def _score(radiance: RadianceField, shown: Sequence[_Shown], progress: ProgressCallback) -> _Scored:
    """Score the targets that are named like an object of the scene, by their own or their folder's name."""
    known = {item.name: item for item in radiance.at_home().scene.objects}
    named = {
        number: known[one.target.name] if one.target.name in known else known[one.segmentation]
        for number, one in enumerate(shown)
        if one.target.name in known or (one.segmentation in known and len(one.target.field.names) == 1)
    }
    candidates = [
        Candidate(item, shown[number].target.field, channels=shown[number].target.channels)
        for number, item in named.items()
    ]
    scores = score_views(radiance, candidates, progress)
    left = list(scores.objects)  # in the candidates' order, without those that no test view has truth of
    objects = {}
    for number, item in named.items():
        if left and left[0].pictures.name == item.name:
            found = left.pop(0)
            objects[number] = (found.mask, found.pictures)
    return _Scored(scores.psnr, objects)


def _pictures(target: Target, labelled: Sequence[str]) -> ObjectPictures:
    """The object's mask over some of the photos that it was made from."""
    home = target.radiance.at_home()
    names = list(labelled) or [view.name for view in home.views]
    rows: list[ObjectView] = []
    for name in names[:: max(1, len(names) // PICTURES)][:PICTURES]:
        view = home.scene.view(name)
        camera = home.sized(view)
        seen = object_mask(target, target.field.render(camera))
        rows.append(draw_object_view(name, read_image(view, camera.width), seen, None, None))
    return ObjectPictures(home.scene.name, target.name, tuple(rows))


def _turntable(
    shown: _Shown, n_frames: int, size: tuple[int, int], stage: str, progress: ProgressCallback
) -> bytes | None:
    """The object alone, turning: an .mp4 file's content; None where there is nothing to show."""
    target = shown.target
    try:
        placement = find_placement(target, progress)
    except InputError:
        return None
    around = cameras_of(target.radiance.at_home(), shown.masks, target.channels)
    cameras = turntable(placement, around, n_frames, size)
    paint = painter(target, "alone")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "turntable.mp4"
        with Writer(path, H264, size, FPS) as video:
            for done, camera in enumerate(cameras):
                progress(Progress(stage, done, n_frames))
                video.write(on_grey(paint(camera)))
        progress(Progress(stage, n_frames, n_frames))
        return path.read_bytes()


def on_grey(picture: UInt8[Tensor, "h w 4"]) -> UInt8[Tensor, "h w 3"]:
    """A transparent picture before grey."""
    share = picture[..., 3:].float() / 255
    return (picture[..., :3] * share + GREY * (1 - share)).round().to(torch.uint8)
