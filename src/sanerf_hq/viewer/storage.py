"""Storage: a session as a named segmentation of the run, as ``sanerf segment`` makes one, and back again.

Beside what every segmentation has, ``prompts.json`` holds the key ``viewer``: colours, visibility, parts and
the cameras of clicks that were made between the scene's views. Other readers pass over it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace

from sanerf_hq.errors import InputError
from sanerf_hq.evaluate.pictures import PALETTE
from sanerf_hq.masks import MaskSet, save_masks
from sanerf_hq.objects import (
    Record,
    load_object_field,
    load_segmentation_masks,
    save_object_field,
    settings_of,
    write_record,
)
from sanerf_hq.prompts import read_prompts
from sanerf_hq.radiance import Home, RadianceField
from sanerf_hq.runs import Run, SegmentationFolder, read_json
from sanerf_hq.viewer.portable import part_of, portable
from sanerf_hq.viewer.record import object_record, read_object
from sanerf_hq.viewer.state import ObjectState, Part, SessionState
from sanerf_hq.viewer.workshop import Outcome, Request

FORMAT = 1
ONLY = "the object"  # what masks of one object call it, so that another name is nothing new


@dataclass(frozen=True)
class Saved:
    """A segmentation of the run as it was when a session saved or opened it.

    Attributes:
        name: Its name.
        stamp: Of its files; whoever saves it anew gives it another.
    """

    name: str
    stamp: tuple[int, ...]

    @staticmethod
    def now(run: Run, name: str) -> Saved:
        """As it is on the disk."""
        folder = run.segmentation(name)
        found = [path.stat() for path in (folder.prompts, folder.identities) if path.exists()]
        return Saved(name, tuple(number for one in found for number in (one.st_ino, one.st_mtime_ns)))


@dataclass(frozen=True)
class Kept:
    """A segmentation that was read back.

    Attributes:
        saved: Which, as it was when it was read.
        state: Its objects and prompts.
        outcome: Its field and masks.
        threshold: As the slider stood.
    """

    saved: Saved
    state: SessionState
    outcome: Outcome
    threshold: float


def save_session(
    home: Home,
    name: str,
    state: SessionState,
    outcome: Outcome,
    preset: str,
    threshold: float,
) -> Saved:
    """Keep a refined session under a name; it takes the place of what was there, of which the exports stay.

    In a scene that moves it is kept for the moment that is shown alone.

    Args:
        home: Where it is kept.
        name: The segmentation's name.
        state: Its objects.
        outcome: Their field and masks.
        preset: What it was made with.
        threshold: As the slider stands.

    Raises:
        InputError: The name is no folder name, the objects are not refined, the run cannot be written, or
            another process writes to it. What was under that name is then as it was.
    """
    found, masks = outcome.field, outcome.masks
    if found is None:
        raise InputError("the objects are not refined yet; wait for the training and save again")
    run, old = home.run, home.run.segmentation(name)
    settings = settings_of(found.radiance, masks, found.config)
    names, spec = outcome.names, outcome.request.segmenter
    with run.lock():
        with run.drafting(name, settings) as draft:
            part = home.part(draft)
            shutil.rmtree(draft.folder, ignore_errors=True)  # of a training that was stopped
            try:
                save_masks(masks, part.masks)
                save_object_field(found, part.field)
                _copy_exports(old, draft)
                record_session(draft, home.moment, state, names, spec, preset, threshold)
            except InputError:
                shutil.rmtree(draft.folder, ignore_errors=True)  # what was written makes room again
                raise
            if part != draft:
                run.mark(part.stage, "complete", settings)
        return Saved.now(run, old.name)


def record_session(
    folder: SegmentationFolder,
    moment: float | None,
    state: SessionState,
    names: tuple[str, ...],
    segmenter: str,
    preset: str,
    threshold: float,
) -> None:
    """Write down, in a segmentation's folder, what its objects were prompted with, at a moment if it moves.

    An object whose prompts no file can hold, such as a box drawn between the views, stands under ``viewer``
    alone.
    """
    kept = [one for one in state.objects if one.name in names]
    asked = {one.name: prompts for one in kept if (prompts := portable(one))}
    record = Record(asked, segmenter, preset, time=moment)
    viewer = {"format": FORMAT, "threshold": threshold, "objects": [object_record(one) for one in kept]}
    write_record(record, folder, names, {"viewer": viewer})


def _copy_exports(old: SegmentationFolder, new: SegmentationFolder) -> None:
    try:
        if old.exports.exists():
            shutil.copytree(old.exports, new.exports)
    except OSError as error:
        # shutil gathers what happened to several files
        gathered = isinstance(error, shutil.Error)
        reason = error.args[0][0][-1] if gathered else error.strerror or error
        raise InputError(f"{old.folder} cannot be written ({reason}); make room there") from error


def load_session(field: RadianceField, name: str, segmenter: str) -> Kept:
    """A named segmentation as a session; one that ``sanerf segment`` made has colours of our own choice.

    Objects that are kept without prompts, such as those of the Python interface, are known by their masks.
    In a scene that moves, prompts given at other times than the field's are left out.

    Args:
        field: The run's field.
        name: The segmentation's name.
        segmenter: What is asked from now on where the file does not say what was asked before.

    Raises:
        InputError: There is none of that name, or its files are damaged.
    """
    home = field.at_home()
    saved = Saved.now(home.run, name)  # first: what is written meanwhile is then another's
    found = load_object_field(field, name)
    masks = load_segmentation_masks(field, name)
    folder = home.run.segmentation(name)
    record = read_json(folder.prompts) if folder.prompts.exists() else {}
    viewer = record.get("viewer")
    try:
        if isinstance(viewer, dict) and viewer.get("format") == FORMAT:
            objects = tuple(read_object(one) for one in viewer["objects"])
            threshold = float(viewer["threshold"])
        else:
            objects, threshold = (), 0.0
        known = {one.name for one in objects}
        prompts = read_prompts(folder.prompts) if record.get("objects") else {}
        objects += tuple(
            ObjectState(one, PALETTE[i % len(PALETTE)], parts=(part_of(prompts.get(one, ()), home.scene),))
            for i, one in enumerate(found.names)
            if one not in known
        )
        time = float(record.get("time") or 0.0)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder.prompts} is damaged ({error}); segment again") from error
    if home.moment is None:
        objects = tuple(_with_masks(one, masks) for one in objects)
    else:
        objects = tuple(replace(one, parts=_of_moment(one.parts, field, time)) for one in objects)
    state = SessionState(objects) if objects else SessionState()
    spec = str(record.get("segmenter") or segmenter)
    request = Request.of(tuple(one for one in objects if one.name in found.names), spec)
    return Kept(saved, state, Outcome(request, masks, None, found, 0.0), threshold)


def _with_masks(one: ObjectState, masks: MaskSet) -> ObjectState:
    """An object; where no prompt says what it is, the masks that it was kept with do."""
    if one.is_prompted or one.name not in masks.names:
        return one
    alone = masks.without([name for name in masks.names if name != one.name])
    return replace(one, parts=(Part(masks=replace(alone, names=(ONLY,))),))


def _of_moment(parts: tuple[Part, ...], field: RadianceField, time: float) -> tuple[Part, ...]:
    """What of some parts was prompted at the field's moment; ``time``: of prompts in no view."""
    home = field.at_home()
    own = {view.name for view in home.shown} | ({""} if field.is_at(time) else set())

    def now(part: Part) -> Part:
        clicks = tuple(click for click in part.clicks if click.picture.view in own)
        return replace(part, clicks=clicks, boxes=tuple(b for b in part.boxes if b.picture.view in own))

    kept = tuple(part for part in map(now, parts) if part.is_prompted)
    return kept or (Part(),)
