"""Segmenting what moves: prompts at one moment, carried on to those before and after it (appendix D).

The paper prompts each camera's first frame and hands the box of its mask on to the next. Here what all
cameras of a moment agree upon in space is followed to the next moment by its shape and colours, and boxes
round it prompt that moment's cameras anew: so a camera that loses a thing behind another gets it back.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Int64
from torch import Tensor

from sanerf_hq.errors import InputError, NothingHit
from sanerf_hq.geometry import Camera
from sanerf_hq.masks import (
    DecodeConfig,
    MaskSet,
    Pictures,
    Polls,
    Surface,
    begin_survey,
    clicked_points,
    find_shift,
    mask_set,
    overlap,
    shifted_in,
    shown_to,
    without_nested,
)
from sanerf_hq.objects.config import ObjectConfig
from sanerf_hq.objects.field import ObjectField
from sanerf_hq.objects.moving import MovingObject, load_moving_object
from sanerf_hq.objects.preview import Preview, preview_of
from sanerf_hq.objects.record import Recording, no_record
from sanerf_hq.objects.train import fuse, is_made, settings_of
from sanerf_hq.prompts import BoxPrompt, Prompt, SpacePrompt
from sanerf_hq.radiance import RadianceField, ViewSamples, load_view_samples, nearest_moment
from sanerf_hq.runs import Progress, ProgressCallback, quiet
from sanerf_hq.segmenters import MaskFolder, Segmenter

STAGE = "masks"
OPEN = 8  # moments at a time
LEAST_RAYS = 4  # of the pool, that show a thing in a view, for a box round them
ROOM = 0.2  # of its longer side, that a box is larger on each side than what it is drawn round
LEAST_ROOM = 2.0  # pixels, the same at least: the pool has one pixel in some
LEAST_OVERLAP = 0.5  # of what masks say and what was followed: of two that differ, the latter is followed on
LEAST_LIKENESS = 0.25  # of a thing to what is where it should be, below which it is lost
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class MovingSegmentation:
    """Objects cut out of a scene that moves.

    Attributes:
        masks: Of each moment's training views, weighed.
        preview: The first object at the moment that it was prompted at, by votes; None if there was none.
        object: What the masks came to.
    """

    masks: dict[float, MaskSet]
    preview: Preview | None
    object: MovingObject


@dataclass(frozen=True)
class _Still:
    """One moment of the scene."""

    field: RadianceField
    pool: ViewSamples
    polls: Polls
    pictures: Pictures | MaskFolder
    surface: Surface


@dataclass
class _Track:
    """One object on its way through time: what is known of it at each moment, changed in place."""

    masks: dict[float, MaskSet] = field(default_factory=dict)
    things: dict[float, Surface] = field(default_factory=dict)
    offsets: dict[float, Tensor] = field(default_factory=dict)
    points: dict[float, Tensor] = field(default_factory=dict)


def segment_moving(
    field: RadianceField,
    segmenter: Segmenter | MaskFolder,
    prompts: Mapping[str, Prompt | Sequence[Prompt]],
    name: str | None = None,
    decoding: DecodeConfig | None = None,
    config: ObjectConfig | None = None,
    beside: Mapping[float, MaskSet] | None = None,
    time: float = 0.0,
    pool: ViewSamples | None = None,
    progress: ProgressCallback = quiet,
    on_preview: Callable[[Preview], None] | None = None,
    overwrite: bool = False,
    record: Recording = no_record,
) -> MovingSegmentation:
    """Objects of a scene that moves, at all of its moments, from prompts at some of them.

    The run is held for writing all the while.

    Args:
        field: A field at home in its run, of a scene that moves.
        segmenter: A segmenter, or labels of the user's own.
        prompts: What is meant by each object's name.
        name: Name of the segmentation, a folder of the run; by default the first object's.
        decoding: How masks are found and weighed.
        config: How the fields are trained.
        beside: Masks of further objects, known from before, by moment; they come first in the fields.
        time: Of prompts that have none of their own: points in space, and cameras without a time.
        pool: Samples of the training views of all moments; read from the run if not given.
        progress: Told of the progress; may raise Cancelled.
        on_preview: Called with the first object at the moment that it was prompted at, once it is decoded.
        overwrite: As for :func:`~sanerf_hq.objects.train_object_field`.
        record: As there.

    Raises:
        InputError: As for :func:`~sanerf_hq.objects.segment_objects`.
        Cancelled: The callback asked for it.
    """
    decoding = decoding or DecodeConfig()
    if not prompts:
        raise InputError("nothing is prompted; give a click, a box or a 3D point")
    for masks in (beside or {}).values():
        masks.check_new(prompts)
    name = name or next(iter(prompts))
    with field.at_home().run.lock():
        pool = pool or load_view_samples(field, progress)
        scene = _Scene(field, segmenter, decoding, pool, on_preview)
        tracks = _tracked(
            scene, {key: _by_moment(field, one, time) for key, one in prompts.items()}, progress
        )
        joined = {
            moment: found
            for moment in field.moments
            if (found := _joined(tracks, moment, beside)) is not None
        }
        made = _fused(scene, joined, name, config or ObjectConfig(), progress, overwrite, record)
    return MovingSegmentation(joined, scene.preview, made)


def _tracked(
    scene: _Scene, given: Mapping[str, dict[float, list[Prompt]]], progress: ProgressCallback
) -> dict[str, _Track]:
    """Objects at all moments, from prompts at some of them, by moment."""
    moments = scene.field.moments
    tracks = {key: _Track() for key in given}
    total = len(tracks) * len(moments)
    for key, track in tracks.items():
        for moment, wanted in given[key].items():
            track.points[moment] = clicked_points(scene.at(moment).field, wanted)

    def decode(name: str, moment: float, wanted: list[Prompt]) -> None:
        rivals = [track.points.get(moment) for other, track in tracks.items() if other != name]
        scene.decode(tracks[name], name, moment, wanted, rivals)
        progress(Progress(STAGE, sum(len(one.masks) for one in tracks.values()), total))

    for key, track in tracks.items():
        placing = [moment for moment, wanted in given[key].items() if any(map(_places, wanted))]
        for moment in placing or given[key]:
            decode(key, moment, given[key][moment])
        if not track.masks:
            raise InputError(
                f"no view came out with a mask of {key}; "
                "prompt where it is seen clearly, with a box if need be"
            )
    # All objects of a moment are carried there before any is decoded: each knows where the others are.
    rings = [_outwards(moments, track.things) for track in tracks.values()]
    for ring in itertools.zip_longest(*rings, fillvalue=()):
        asked: dict[tuple[float, str], list[Prompt]] = {}
        for (key, track), steps in zip(tracks.items(), ring, strict=True):
            for before, moment in steps:
                boxes = [] if moment in track.masks else scene.carried(track, before, moment)
                if boxes:
                    asked[moment, key] = boxes + [p for p in given[key].get(moment, []) if not _places(p)]
        for moment, key in sorted(asked, key=lambda one: one[0]):
            with contextlib.suppress(NothingHit):  # it is not labelled then
                decode(key, moment, asked[moment, key])
    for key, track in tracks.items():
        for moment in moments:
            if moment not in track.masks:
                LOG.warning("%s is lost at time %.3g; prompt it there as well, if it is seen", key, moment)
    progress(Progress(STAGE, total, total))
    return tracks


def _fused(
    scene: _Scene,
    masks: Mapping[float, MaskSet],
    name: str,
    config: ObjectConfig,
    progress: ProgressCallback,
    overwrite: bool,
    record: Recording,
) -> MovingObject:
    """The masks of each moment as a field, all of them one segmentation."""
    run = scene.field.at_home().run
    whole = run.segmentation(name)
    settings = {
        "moments": {str(moment): settings_of(scene.field, one, config) for moment, one in masks.items()}
    }
    if not overwrite and is_made(run, name, whole, settings):
        return load_moving_object(scene.field, name)
    with run.drafting(name, settings) as draft:
        fields: dict[float, ObjectField] = {}
        for moment, one in masks.items():
            still = scene.at(moment)
            fields[moment] = fuse(still.field, one, draft, config, progress, still.pool)
        names = tuple(dict.fromkeys(name for one in masks.values() for name in one.names))
        record(draft, names)
    return MovingObject(scene.field, names, fields)


class _Scene:
    """The scene's moments; the last few that were asked for stay open, with their photos' embeddings."""

    def __init__(
        self,
        field: RadianceField,
        segmenter: Segmenter | MaskFolder,
        decoding: DecodeConfig,
        pool: ViewSamples,
        on_preview: Callable[[Preview], None] | None,
    ) -> None:
        self.field = field
        self.preview: Preview | None = None
        self._segmenter, self._decoding, self._pool, self._on_preview = segmenter, decoding, pool, on_preview
        self._stills: OrderedDict[float, _Still] = OrderedDict()

    def at(self, moment: float) -> _Still:
        if moment not in self._stills:
            field = self.field.at(moment)
            home = field.at_home()
            pool = self._pool.of_moment(home)
            polls = Polls(home, pool)
            pictures = shown_to(field, self._segmenter, self._decoding)
            self._stills[moment] = _Still(field, pool, polls, pictures, polls.surface())
        self._stills.move_to_end(moment)
        while len(self._stills) > OPEN:
            self._stills.popitem(last=False)
        return self._stills[moment]

    def decode(
        self,
        track: _Track,
        name: str,
        moment: float,
        prompts: list[Prompt],
        rivals: list[Tensor | None],
    ) -> None:
        """Find an object's masks at a moment; nothing is noted where no view has one.

        Raises:
            NothingHit: The prompts are on nothing.
        """
        still = self.at(moment)
        beside = torch.cat([torch.zeros(0, 3), *(points for points in rivals if points is not None)])
        survey = begin_survey(still.field, still.pictures, prompts, still.polls, self._decoding, beside)
        survey.decode(None, _nobody)
        if survey.segments():
            self._show(still, mask_set({name: survey}, self._segmenter.name))
        survey.repeat(_nobody)
        if not survey.segments():
            return
        masks = mask_set({name: survey}, self._segmenter.name)
        try:
            won = preview_of(still.field, masks, still.pool).probabilities_of(still.pool.surfaces)
        except InputError:  # its masks are empty
            return
        track.masks[moment] = masks
        track.points[moment] = clicked_points(still.field, prompts)
        on = (won.argmax(-1).cpu() > 0) & still.surface.points.isfinite().all(-1)
        thing = still.surface.of(on)
        followed = track.things.get(moment)
        LOG.info("at time %.3g: %d of %d", moment, int(on.sum()), 0 if followed is None else len(followed))
        if len(thing) and (followed is None or overlap(followed, thing) >= LEAST_OVERLAP):
            track.things[moment] = thing

    def _show(self, still: _Still, masks: MaskSet) -> None:
        """Tell of the first object's first masks, before views are asked again."""
        if self.preview is not None or self._on_preview is None:
            return
        try:
            self.preview = preview_of(still.field, masks, still.pool)
        except InputError:  # all are empty; views that are asked again may still find what these have not
            return
        self._on_preview(self.preview)

    def carried(self, track: _Track, before: float, moment: float) -> list[Prompt]:
        """Boxes round a thing in a moment's views, which is known at the moment before; none: it is lost."""
        thing, still = track.things[before], self.at(moment)
        seen = still.surface.points.isfinite().all(-1).nonzero()[:, 0]
        scene = still.surface.of(seen)
        shift = find_shift(thing, scene, track.offsets.get(before, torch.zeros(3)))
        LOG.info("at time %.3g: moved by %s, likeness %.2f", moment, shift.offset.tolist(), shift.likeness)
        if shift.likeness < LEAST_LIKENESS:
            return []
        found = seen[shifted_in(thing, scene, shift.offset)]
        if not len(found):
            return []
        track.offsets[moment] = shift.offset
        track.things[moment] = still.surface.of(found)
        boxes: list[Prompt] = list(_boxes_round(still, found))
        with contextlib.suppress(NothingHit):
            track.points[moment] = clicked_points(still.field, boxes)
        return boxes


def _boxes_round(still: _Still, rays: Int64[Tensor, "n"]) -> Iterator[BoxPrompt]:
    """A box in each view round what some of the pool's rays show there, with a click in its midst."""
    home, pool = still.field.at_home(), still.pool
    for number, (view, camera) in enumerate(zip(home.views, home.cameras, strict=True)):
        here = pool.of_view(number)
        own = rays[(rays >= here.start) & (rays < here.stop)]
        if len(own) < LEAST_RAYS:
            continue
        pixels = pool.pixels[own].cpu() - int(home.pixel_rays.offsets[number])
        xy = torch.stack([pixels % camera.width, pixels // camera.width], -1).float()
        low, high = xy.amin(0), xy.amax(0) + 1
        room = ROOM * (high - low).max() + LEAST_ROOM
        middle = xy[(xy - xy.median(0).values).norm(dim=-1).argmin()]
        scale = torch.tensor([view.camera.width / camera.width, view.camera.height / camera.height])
        x0, y0, x1, y1 = torch.cat([(low - room) * scale, (high + room) * scale]).tolist()
        x, y = ((middle + 0.5) * scale - 0.5).tolist()  # clicks are numbers of pixels, boxes are edges
        yield BoxPrompt(view.name, (x0, y0, x1, y1), [(x, y)])


def _nobody(done: int, total: int) -> None:
    """Nobody is told."""


def _by_moment(
    field: RadianceField, asked: Prompt | Sequence[Prompt], time: float
) -> dict[float, list[Prompt]]:
    """Prompts by the moment that they are given at."""
    scene = field.at_home().scene
    found: dict[float, list[Prompt]] = {}
    for prompt in [asked] if not isinstance(asked, Sequence) else asked:
        if isinstance(prompt, SpacePrompt):
            at = prompt.time
        else:
            camera = prompt.view if isinstance(prompt.view, Camera) else scene.view(prompt.view).camera
            at = camera.time
        found.setdefault(nearest_moment(field.moments, time if at is None else at), []).append(prompt)
    return found


def _places(prompt: Prompt) -> bool:
    """Whether a prompt says where the object is, and not only where it is not."""
    return isinstance(prompt, BoxPrompt) or bool(prompt.positive)


def _outwards(moments: Sequence[float], reached: Container[float]) -> Iterator[Sequence[tuple[float, float]]]:
    """From moments that are reached to neighbours that are not, ring by ring.

    ``reached`` may grow meanwhile. A moment that is not reached from the one side is tried from the other.
    """
    steps = [*itertools.pairwise(moments), *itertools.pairwise(moments[::-1])]
    while ahead := {at: before for before, at in reversed(steps) if before in reached and at not in reached}:
        ring = [(before, at) for at, before in ahead.items()]
        for step in ring:
            steps.remove(step)
        yield ring


def _joined(
    tracks: Mapping[str, _Track], moment: float, beside: Mapping[float, MaskSet] | None
) -> MaskSet | None:
    """The masks of all objects at a moment."""
    found = [] if beside is None or moment not in beside else [beside[moment]]
    found += [track.masks[moment] for track in tracks.values() if moment in track.masks]
    if not found:
        return None
    masks = found[0]
    for other in found[1:]:
        masks = masks.joined(other)
    return without_nested(masks)
