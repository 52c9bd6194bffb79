"""scene.json: the objects of a scene, each with a prompt in a view unless it is for scoring alone."""

from __future__ import annotations

from pathlib import Path

from sanerf_hq.errors import InputError
from sanerf_hq.scene.fields import Fields, as_number, read_json_object
from sanerf_hq.scene.scene import Scene, SceneObject, View

MAX_ID = 65535  # ids are pixels of images of at most 16 bit


def read_objects(path: Path, scene: Scene) -> tuple[SceneObject, ...]:
    """Read the objects of ``scene``.

    Args:
        path: The ``scene.json``.
        scene: Its views; what objects it has already does not matter.

    Raises:
        InputError: An unknown view, an id or name given twice, a click or box off the image, an empty box, a
            prompt that names nothing.
    """
    shared = read_json_object(path)
    objects: list[SceneObject] = []
    for index, entry in enumerate(shared.items("objects") or []):
        found = _read_object(shared.inside(entry, f"object {index}"), scene)
        if any(found.id == other.id for other in objects):
            raise shared.error(f"two objects have id {found.id}; give each its own")
        if any(found.name == other.name for other in objects):
            raise shared.error(f"two objects are named {found.name!r}; give each its own name")
        objects.append(found)
    return tuple(objects)


def _read_object(fields: Fields, scene: Scene) -> SceneObject:
    name = fields.text("name")
    if name is None or not name.strip() or not name.isprintable() or any(sign in name for sign in "/\\"):
        raise fields.error("name is missing or holds slashes or control signs; give the object a plain name")
    fields = Fields(fields.values, f"{fields.where} ({name})")
    number = fields.integer("id")
    if number is None or not 1 <= number <= MAX_ID:
        raise fields.error(f"id is {number}; write a whole number from 1 to {MAX_ID}")
    prompts = _prompt(fields)
    if prompts is None:
        if fields.items("box") is not None:
            raise fields.error("box is given in no view; name the view in prompts.view")
        return SceneObject(number, name, "", ())
    view_name = prompts.text("view")
    if view_name is None:
        raise prompts.error("view is missing; name the view that the prompts are given in")
    try:
        view = scene.view(view_name)
    except InputError as error:
        raise prompts.error(str(error)) from error
    found = SceneObject(
        number,
        name,
        view.name,
        _clicks(prompts, "positive", view),
        _clicks(prompts, "negative", view),
        _box(prompts, view) or _box(fields, view),
    )
    if not found.positive and found.box is None:
        raise prompts.error("there is neither a positive click nor a box; give one of them")
    return found


def _prompt(fields: Fields) -> Fields | None:
    """An object's prompt in a view: of a list as in a prompts file the first such; None if there is none."""
    prompts = fields.values.get("prompts")
    if not isinstance(prompts, list):
        return fields.child("prompts")
    entries = (fields.inside(entry, f"prompt {number}") for number, entry in enumerate(prompts))
    return next((one for one in entries if one.items("positive3d") is None), None)


def _clicks(prompts: Fields, key: str, view: View) -> tuple[tuple[int, int], ...]:
    clicks: list[tuple[int, int]] = []
    for entry in prompts.items(key) or []:
        pair = _whole_numbers(entry, 2)
        if pair is None:
            raise prompts.error(f"{key} holds {entry!r}; write clicks as [x, y], whole pixels")
        x, y = pair
        if not (0 <= x < view.camera.width and 0 <= y < view.camera.height):
            raise prompts.error(
                f"the {key} click {x},{y} is off the image {view.name}, which is "
                f"{view.camera.width}x{view.camera.height}; move it"
            )
        clicks.append((x, y))
    return tuple(clicks)


def _box(fields: Fields, view: View) -> tuple[int, int, int, int] | None:
    entry = fields.items("box")
    if entry is None:
        return None
    corners = _whole_numbers(entry, 4)
    if corners is None:
        raise fields.error("box is no [x0, y0, x1, y1] of whole pixels; write it so")
    x0, y0, x1, y1 = corners
    if x0 >= x1 or y0 >= y1:
        raise fields.error(f"box {x0},{y0},{x1},{y1} is empty; x1, y1 are exclusive and beyond x0, y0")
    if x0 < 0 or y0 < 0 or x1 > view.camera.width or y1 > view.camera.height:
        raise fields.error(
            f"box {x0},{y0},{x1},{y1} reaches off the image {view.name}, which is "
            f"{view.camera.width}x{view.camera.height}; cut it to the image"
        )
    return (x0, y0, x1, y1)


def _whole_numbers(entry: object, count: int) -> list[int] | None:
    if not isinstance(entry, list) or len(entry) != count:
        return None
    numbers = [as_number(value) for value in entry]
    if any(number is None or not number.is_integer() for number in numbers):
        return None
    return [int(number) for number in numbers if number is not None]
