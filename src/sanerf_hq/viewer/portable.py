"""Portable: a session's clicks and boxes as the prompts that files and other moments understand, and back."""

from __future__ import annotations

from collections.abc import Sequence

from sanerf_hq.errors import InputError
from sanerf_hq.prompts import BoxPrompt, Prompt, SpacePrompt
from sanerf_hq.scene import Scene
from sanerf_hq.viewer.state import SPACE, Box, Click, ObjectState, Part, Picture, SessionState


def portable(state: ObjectState) -> list[Prompt]:
    """Prompts that a file can hold: those of other cameras as the points in space that they show.

    A file has no parts, so an object of several is written as what was added, without what was taken away;
    and one that began with masks has none.
    """
    asked: list[Prompt] = []
    if state.parts[0].masks is not None:
        return asked
    for part in state.parts:
        if part.operation not in ("new", "add"):
            continue
        for one in part.said():
            asked += one.prompts() if one.picture.viewpoint is None else one.in_space()
    return asked


def followable(state: SessionState) -> dict[str, list[Prompt]]:
    """Prompts from which the objects of a moment can be found at others, by the objects' names.

    Raises:
        InputError: Those of an object cannot say all that it is.
    """
    for one in state.prompted:
        if one.parts[0].masks is not None:
            raise InputError(
                f"{one.name} was opened without prompts and cannot be followed; "
                "prompt it anew (Next clicks: new), or remove it"
            )
        if any(part.is_prompted for part in one.parts[1:]):
            raise InputError(
                f"{one.name} is joined from several parts, which cannot be followed; "
                "prompt it anew in one part (Next clicks: new)"
            )
        if any(box.picture.viewpoint is not None for box in one.parts[0].boxes):
            raise InputError(
                f"{one.name} has a box drawn between the views, which cannot be followed; "
                "fly to a view and draw it there, or click instead"
            )
    return {one.name: portable(one) for one in state.prompted}


def part_of(prompts: Sequence[Prompt], scene: Scene) -> Part:
    """Prompts of a file as clicks and boxes."""
    clicks: list[Click] = []
    boxes: list[Box] = []
    for turn, prompt in enumerate(prompts):
        if isinstance(prompt, SpacePrompt):
            clicks += [Click(SPACE, (0, 0), True, (x, y, z), turn) for x, y, z in prompt.positive]
            clicks += [Click(SPACE, (0, 0), False, (x, y, z), turn) for x, y, z in prompt.negative]
            continue
        if not isinstance(prompt.view, str):
            continue
        view = scene.view(prompt.view)
        picture = Picture(view.name, None, view.camera.width, view.camera.height)
        clicks += [Click(picture, (x, y), True, turn=turn) for x, y in prompt.positive]
        clicks += [Click(picture, (x, y), False, turn=turn) for x, y in prompt.negative]
        if isinstance(prompt, BoxPrompt):
            boxes.append(Box(picture, prompt.box, turn))
    return Part("new", tuple(clicks), tuple(boxes))
