"""Record: objects of a session as JSON, with all that a prompts file has no place for, and back again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sanerf_hq.evaluate.pictures import PALETTE
from sanerf_hq.prompts import Prompt
from sanerf_hq.scene import Scene
from sanerf_hq.viewer.portable import part_of
from sanerf_hq.viewer.state import Box, Click, ObjectState, Part, Picture
from sanerf_hq.viewer.viewpoint import Viewpoint

OPERATIONS = ("new", "add", "subtract", "intersect")


def object_record(one: ObjectState) -> dict[str, Any]:
    """An object as JSON."""
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
                        "turn": click.turn,
                    }
                    for click in part.clicks
                ],
                "boxes": [
                    {"picture": _picture(box.picture), "corners": list(box.corners), "turn": box.turn}
                    for box in part.boxes
                ],
            }
            for part in one.parts
        ],
    }


def _picture(picture: Picture) -> dict[str, Any]:
    point = picture.viewpoint
    free = None if point is None else {name: getattr(point, name) for name in Viewpoint.__dataclass_fields__}
    return {"view": picture.view, "viewpoint": free, "width": picture.width, "height": picture.height}


def with_more(
    kept: Mapping[str, Any], names: Collection[str], wanted: Mapping[str, Sequence[Prompt]], scene: Scene
) -> dict[str, Any]:
    """A session's record with further objects, of colours of our own choice.

    Args:
        kept: The record; one that is damaged stays so.
        names: Of its objects, those that stay.
        wanted: Prompts of the further ones.
        scene: The scene.
    """
    objects = kept.get("objects")
    known = objects if isinstance(objects, list) else []
    stay = [one for one in known if isinstance(one, dict) and one.get("name") in names]
    made = [
        ObjectState(name, PALETTE[number % len(PALETTE)], parts=(part_of(prompts, scene),))
        for number, (name, prompts) in enumerate(wanted.items(), len(stay))
    ]
    return {**kept, "objects": [*stay, *map(object_record, made)]}


def read_object(entry: Mapping[str, Any]) -> ObjectState:
    """What :func:`object_record` made.

    Raises:
        KeyError, TypeError, ValueError: It is none.
    """
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
                    int(click.get("turn", 0)),
                )
                for click in part["clicks"]
            ),
            tuple(
                Box(_read_picture(box["picture"]), _numbers(box["corners"], 4), int(box.get("turn", 0)))
                for box in part["boxes"]
            ),
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
