"""Held: which segmentations of a run hold the objects of its scene."""

from __future__ import annotations

from dataclasses import dataclass

from sanerf_hq.objects import MovingObject, ObjectField, load_moving_object, load_object_field
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
    """

    target: SceneObject
    segmentation: str
    field: ObjectField | MovingObject
    channels: tuple[int, ...] | None


def find_held(field: RadianceField) -> list[Held]:
    """Each object of the scene in each finished segmentation that holds it.

    A segmentation holds the objects that its identities are named after; one that holds none of these holds
    the object that it is named after itself. Objects come in the scene's order, and of each the segmentation
    of its own name first, the others by name.

    Args:
        field: A field at home in its run.

    Raises:
        InputError: A segmentation is damaged.
    """
    home = field.at_home()
    known = [item.name for item in home.scene.objects]
    found: list[Held] = []
    for name in home.run.segmentation_names():
        if not _is_finished(field, name):
            continue
        made = load_moving_object(field, name) if field.moments else load_object_field(field, name)
        named = [one for one in made.names if one in known]
        for target in home.scene.objects:
            if target.name in named:
                found.append(Held(target, name, made, (made.names.index(target.name) + 1,)))
            elif target.name == name and not named:
                found.append(Held(target, name, made, None))
    return sorted(found, key=lambda one: (known.index(one.target.name), one.segmentation != one.target.name))


def _is_finished(field: RadianceField, name: str) -> bool:
    stills = [field.at(moment) for moment in field.moments] or [field]
    return any(still.at_home().segmentation(name).field.exists() for still in stills)
