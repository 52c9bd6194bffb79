"""Storage: a session as a named segmentation of the run, as ``sanerf segment`` makes one, and back again.

Beside what every segmentation has, ``prompts.json`` holds the key ``viewer``: colours, visibility, parts and
the cameras of clicks that were made between the scene's views. Other readers pass over it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sanerf_hq.errors import InputError
from sanerf_hq.evaluate.pictures import PALETTE
from sanerf_hq.objects import Record, load_object_field, load_segmentation_masks, write_record
from sanerf_hq.prompts import BoxPrompt, Prompt, SpacePrompt, read_prompts
from sanerf_hq.radiance import Home, RadianceField
from sanerf_hq.runs import Run, SegmentationFolder, check_name, read_json
from sanerf_hq.scene import Scene
from sanerf_hq.viewer.state import SPACE, Box, Click, ObjectState, Part, Picture, SessionState
from sanerf_hq.viewer.viewpoint import Viewpoint
from sanerf_hq.viewer.workshop import WORK, Outcome, Request

FORMAT = 1
OPERATIONS = ("new", "add", "subtract", "intersect")


@dataclass(frozen=True)
class Kept:
    """A segmentation that was read back.

    Attributes:
        state: Its objects and prompts.
        outcome: Its field and masks.
        threshold: As the slider stood.
    """

    state: SessionState
    outcome: Outcome
    threshold: float


def save_session(
    home: Home, scratch: Run, name: str, state: SessionState, outcome: Outcome, preset: str, threshold: float
) -> SegmentationFolder:
    """Keep a refined session under a name; what was under that name is replaced.

    In a scene that moves it is kept for the moment that is shown alone.

    Args:
        home: Where it is kept.
        scratch: Where its field was trained.
        name: The segmentation's name.
        state: Its objects.
        outcome: Their field; it must be the one that ``scratch`` holds.
        preset: What it was made with.
        threshold: As the slider stands.

    Raises:
        InputError: The name is no folder name, the run cannot be written, or another process writes to it.
    """
    name = check_name(name)
    run, made, folder = home.run, replace(home, run=scratch).segmentation(WORK), home.segmentation(name)
    stage = scratch.stage(made.stage)
    if stage is None or not stage.is_complete:
        raise InputError("the objects are not refined yet; wait for the training and save again")
    with run.lock():
        run.remove_segmentation(name)
        try:
            shutil.copytree(made.folder, folder.folder)
        except OSError as error:
            raise InputError(f"{folder.folder} cannot be written ({error.strerror}); make room") from error
        whole = run.segmentation(name)
        record_session(whole, home.moment, state, outcome.names, outcome.request.segmenter, preset, threshold)
        for one in {folder.stage, whole.stage}:
            run.mark(one, "complete", stage.config, stage.facts)
    return folder


def record_session(
    folder: SegmentationFolder,
    moment: float | None,
    state: SessionState,
    names: tuple[str, ...],
    segmenter: str,
    preset: str,
    threshold: float,
) -> None:
    """Write down what the objects of a segmentation were prompted with, at a moment if the scene moves."""
    kept = [one for one in state.objects if one.name in names]
    record = Record({one.name: portable(one) for one in kept}, segmenter, preset, time=moment)
    viewer = {"format": FORMAT, "threshold": threshold, "objects": [_object(one) for one in kept]}
    write_record(record, folder, names, {"viewer": viewer})


def kept_names(run: Run, name: str) -> tuple[str, ...]:
    """Objects of a segmentation, as far as it says."""
    path = run.segmentation(name).identities
    known = read_json(path).get("identities") if path.exists() else None
    return tuple(str(one) for one in known) if isinstance(known, list) else ()


def load_session(field: RadianceField, name: str, segmenter: str) -> Kept:
    """A named segmentation as a session; one that ``sanerf segment`` made has colours of our own choice.

    In a scene that moves, prompts given at other times than the field's are left out.

    Args:
        field: The run's field.
        name: The segmentation's name.
        segmenter: What is asked from now on where the file does not say what was asked before.

    Raises:
        InputError: There is none of that name, or its files are damaged.
    """
    home = field.at_home()
    found = load_object_field(field, name)
    masks = load_segmentation_masks(field, name)
    folder = home.run.segmentation(name)
    record = read_json(folder.prompts) if folder.prompts.exists() else {}
    viewer = record.get("viewer")
    try:
        if isinstance(viewer, dict) and viewer.get("format") == FORMAT:
            objects = tuple(_read_object(one) for one in viewer["objects"])
            threshold = float(viewer["threshold"])
        else:
            prompts = read_prompts(folder.prompts) if record.get("objects") else {}
            objects = tuple(
                ObjectState(
                    one, PALETTE[i % len(PALETTE)], parts=(part_of(prompts.get(one, ()), home.scene),)
                )
                for i, one in enumerate(found.names)
            )
            threshold = 0.0
        time = float(record.get("time") or 0.0)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder.prompts} is damaged ({error}); segment again") from error
    objects = tuple(replace(one, parts=_of_moment(one.parts, field, time)) for one in objects)
    state = SessionState(objects) if objects else SessionState()
    parts = tuple((one, next((o.parts for o in objects if o.name == one), ())) for one in found.names)
    spec = str(record.get("segmenter") or segmenter)
    return Kept(state, Outcome(Request(parts, spec), masks, None, found, 0.0), threshold)


def portable(one: ObjectState) -> list[Prompt]:
    """Prompts that a file can hold: those of other cameras as the points in space that they show.

    A file has no parts, so an object of several is written as what was added, without what was taken away.
    """
    asked: list[Prompt] = []
    for part in one.parts:
        if part.operation not in ("new", "add"):
            continue
        asked += [p for p in part.prompts() if isinstance(p, SpacePrompt) or isinstance(p.view, str)]
        free = [c for c in part.clicks if c.picture.viewpoint is not None and c.point is not None]
        on = [c.point for c in free if c.positive and c.point is not None]
        off = [c.point for c in free if not c.positive and c.point is not None]
        if on or off:
            asked.append(SpacePrompt(on, off))
    return asked


def _of_moment(parts: tuple[Part, ...], field: RadianceField, time: float) -> tuple[Part, ...]:
    """What of some parts was prompted at the field's moment; ``time``: of prompts in no view."""
    home = field.at_home()
    if home.moment is None:
        return parts
    own = {view.name for view in home.shown} | ({""} if field.is_at(time) else set())

    def now(part: Part) -> Part:
        clicks = tuple(click for click in part.clicks if click.picture.view in own)
        return replace(part, clicks=clicks, boxes=tuple(b for b in part.boxes if b.picture.view in own))

    kept = tuple(part for part in map(now, parts) if part.is_prompted)
    return kept or (Part(),)


def part_of(prompts: Sequence[Prompt], scene: Scene) -> Part:
    """Prompts of a file as clicks and boxes."""
    clicks: list[Click] = []
    boxes: list[Box] = []
    for prompt in prompts:
        if isinstance(prompt, SpacePrompt):
            clicks += [Click(SPACE, (0, 0), True, (x, y, z)) for x, y, z in prompt.positive]
            clicks += [Click(SPACE, (0, 0), False, (x, y, z)) for x, y, z in prompt.negative]
            continue
        if not isinstance(prompt.view, str):
            continue
        view = scene.view(prompt.view)
        picture = Picture(view.name, None, view.camera.width, view.camera.height)
        clicks += [Click(picture, (x, y), True) for x, y in prompt.positive]
        clicks += [Click(picture, (x, y), False) for x, y in prompt.negative]
        if isinstance(prompt, BoxPrompt):
            boxes.append(Box(picture, prompt.box))
    return Part("new", tuple(clicks), tuple(boxes))


def _object(one: ObjectState) -> dict[str, Any]:
    return {
        "name": one.name,
        "colour": list(one.colour),
        "visible": one.visible,
        "parts": [
            {
                "operation": part.operation,
                "clicks": [
                    {
                        "picture": _picture(click.picture),
                        "xy": list(click.xy),
                        "positive": click.positive,
                        "point": None if click.point is None else list(click.point),
                    }
                    for click in part.clicks
                ],
                "boxes": [
                    {"picture": _picture(box.picture), "corners": list(box.corners)} for box in part.boxes
                ],
            }
            for part in one.parts
        ],
    }


def _picture(picture: Picture) -> dict[str, Any]:
    point = picture.viewpoint
    free = None if point is None else {name: getattr(point, name) for name in Viewpoint.__dataclass_fields__}
    return {"view": picture.view, "viewpoint": free, "width": picture.width, "height": picture.height}


def _read_object(entry: Mapping[str, Any]) -> ObjectState:
    red, green, blue = (int(value) for value in entry["colour"])
    parts = tuple(
        Part(
            part["operation"] if part["operation"] in OPERATIONS else "new",
            tuple(
                Click(
                    _read_picture(click["picture"]),
                    _numbers(click["xy"], 2),
                    bool(click["positive"]),
                    None if click["point"] is None else _numbers(click["point"], 3),
                )
                for click in part["clicks"]
            ),
            tuple(Box(_read_picture(box["picture"]), _numbers(box["corners"], 4)) for box in part["boxes"]),
        )
        for part in entry["parts"]
    )
    return ObjectState(str(entry["name"]), (red, green, blue), bool(entry["visible"]), parts or (Part(),))


def _read_picture(entry: Mapping[str, Any]) -> Picture:
    free = entry["viewpoint"]
    point = None
    if free is not None:
        point = Viewpoint(
            _numbers(free["position"], 3),
            _numbers(free["wxyz"], 4),
            float(free["fov"]),
            _numbers(free["look_at"], 3),
            _numbers(free["up"], 3),
        )
    return Picture(str(entry["view"]), point, int(entry["width"]), int(entry["height"]))


def _numbers(values: Sequence[Any], count: int) -> Any:
    if len(values) != count:
        raise ValueError(f"{values} is not {count} numbers")
    return tuple(float(value) for value in values)
