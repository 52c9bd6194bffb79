"""Held: which segmentations of a run hold the objects of its scene."""

from __future__ import annotations

from dataclasses import dataclass

from sanerf_hq.errors import InputError
from sanerf_hq.objects import (
    MovingObject,
    ObjectField,
    identity_names,
    load_moving_masks,
    load_moving_object,
    load_object_field,
    load_segmentation_masks,
)
from sanerf_hq.radiance import RadianceField
from sanerf_hq.scene import SceneObject


@dataclass(frozen=True)
class Held:
    """An object of a scene as a segmentation holds it.

    Attributes:
        target: The scene's object.
        segmentation: The segmentation's name.
        field: What was made of it.
        channels: Identities of the field that are the object, from 1; None: all of them together.
        segmenters: What made the segmentation's masks.
    """

    target: SceneObject
    segmentation: str
    field: ObjectField | MovingObject
    channels: tuple[int, ...] | None
    segmenters: frozenset[str]


@dataclass(frozen=True)
class Holdings:
    """What the segmentations of a run hold of the objects of its scene.

    Attributes:
        held: Each object in each segmentation that holds it.
        unread: Why what may hold something could not be read: a sentence by segmentation.
    """

    held: tuple[Held, ...]
    unread: dict[str, str]


def find_held(field: RadianceField) -> Holdings:
    """Each object of the scene in each finished segmentation that holds it.

    A segmentation holds the objects that its identities are named after; one that holds none of these holds
    the object that it is named after itself. Objects come in the scene's order, and of each the segmentation
    of its own name first, the others by name.

    Args:
        field: A field at home in its run.
    """
    home = field.at_home()
    known = [item.name for item in home.scene.objects]
    found: list[Held] = []
    unread: dict[str, str] = {}
    for name in home.run.segmentation_names():
        said = identity_names(field, name)
        if not _is_finished(field, name) or (said and not {name, *said} & set(known)):
            continue
        try:
            made = load_moving_object(field, name) if field.moments else load_object_field(field, name)
            segmenters = _segmenters(field, name)
        except InputError as error:
            unread[name] = str(error)
            continue
        named = [one for one in made.names if one in known]
        for target in home.scene.objects:
            if target.name in named:
                channels = (made.names.index(target.name) + 1,)
                found.append(Held(target, name, made, channels, segmenters))
            elif target.name == name and not named:
                found.append(Held(target, name, made, None, segmenters))
    found.sort(key=lambda one: (known.index(one.target.name), one.segmentation != one.target.name))
    return Holdings(tuple(found), unread)


def _segmenters(field: RadianceField, name: str) -> frozenset[str]:
    if field.moments:
        return frozenset(masks.segmenter for masks in load_moving_masks(field, name).values())
    return frozenset((load_segmentation_masks(field, name).segmenter,))


def _is_finished(field: RadianceField, name: str) -> bool:
    stills = [field.at(moment) for moment in field.moments] or [field]
    return any(still.at_home().segmentation(name).field.exists() for still in stills)
