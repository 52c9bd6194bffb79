"""Prompts files: several objects, each with what is meant by it, as JSON.

Of the form ``{"objects": [{"name": "mug", "prompts": [{"view": "07", "positive": [[212, 140]]}]}]}``. A
prompt has a ``view`` with ``positive`` and ``negative`` clicks or a ``box``; or ``positive3d`` and
``negative3d`` points in the scene's coordinates, with ``least_visible`` and ``crucial`` if there is need. In
a scene that moves such points have a ``time``, by default the file's own. What belongs to a prompt of the
other kind is refused. One prompt may stand without the list, and its box beside it, so that a scene's
``scene.json`` is a prompts file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from sanerf_hq.errors import InputError
from sanerf_hq.geometry import Camera
from sanerf_hq.prompts.prompt import BoxPrompt, PointPrompt, Prompt, SpacePrompt
from sanerf_hq.scene.fields import Fields, as_number, read_json_object

CLICKS, SPACE = (
    ("view", "positive", "negative", "box"),
    ("positive3d", "negative3d", "least_visible", "crucial", "time"),
)
KEYS = frozenset([*CLICKS, *SPACE])

Box = tuple[float, float, float, float]


def read_prompts(path: Path) -> dict[str, list[Prompt]]:
    """Prompts by the names of their objects, in the file's order.

    Raises:
        InputError: The file is missing or damaged, or a prompt in it means nothing; the sentence says which.
    """
    top = read_json_object(path)
    found: dict[str, list[Prompt]] = {}
    for number, entry in enumerate(top.items("objects") or []):
        fields = top.inside(entry, f"object {number}")
        name = fields.text("name")
        if name is None:
            raise fields.error("name is missing; give each object one")
        if name in found:
            raise fields.error(f"two objects are named {name!r}; give each its own name")
        fields = Fields(fields.values, f"{fields.where} ({name})")
        value = fields.values.get("prompts")
        entries = value if isinstance(value, list) else [value]
        if value is None or not entries:
            raise fields.error('prompts is missing; write [{"view": …, "positive": [[x, y]]}]')
        inner = [fields.inside(one, f"prompt {i}") for i, one in enumerate(entries)]
        if beside := _said(fields, KEYS - {"box"} if len(entries) == 1 else KEYS):
            raise fields.error(
                f"{beside[0]} stands beside prompts; write it into the prompt that it belongs to"
            )
        found[name] = [_read(one, _box(fields), top.number("time")) for one in inner]
    if not found:
        raise top.error('there is no object; write {"objects": [{"name": …, "prompts": …}]}')
    return found


def write_prompts(prompts: Mapping[str, Sequence[Prompt]]) -> list[dict[str, object]]:
    """Prompts as a file's ``objects``; those in cameras of the user's own have no place in a file.

    Nor have objects that are prompted in such cameras alone.
    """
    written = {
        name: [_written(prompt) for prompt in asked if not _in_camera(prompt)]
        for name, asked in prompts.items()
    }
    return [{"name": name, "prompts": asked} for name, asked in written.items() if asked]


def _read(fields: Fields, box_beside: Box | None, time: float | None) -> Prompt:
    unknown = sorted(set(fields.values) - KEYS)
    if unknown:
        raise fields.error(f"there is no {unknown[0]!r} in a prompt; write {', '.join(sorted(KEYS))}")
    clicks, space = _said(fields, frozenset(CLICKS)), _said(fields, frozenset(SPACE))
    if space and (clicks or box_beside is not None):
        raise fields.error(
            f"{space[0]} is said of points in space, {clicks[0] if clicks else 'box'} of a view; "
            "write two prompts"
        )
    on, off = ([(x, y) for x, y in _rows(fields, key, 2)] for key in ("positive", "negative"))
    on3, off3 = ([(x, y, z) for x, y, z in _rows(fields, f"{key}3d", 3)] for key in ("positive", "negative"))
    view, box = fields.text("view"), _box(fields) or box_beside
    least, crucial, own = fields.integer("least_visible"), _crucial(fields), fields.number("time")
    try:
        if space:
            return SpacePrompt(on3, off3, least, crucial, time if own is None else own)
        if view is None:
            raise InputError("view is missing; name the view that is clicked in")
        return PointPrompt(view, on, off) if box is None else BoxPrompt(view, box, on, off)
    except InputError as error:
        raise fields.error(str(error)) from error


def _said(fields: Fields, keys: frozenset[str]) -> list[str]:
    """Which of these keys say something, by name."""
    return sorted(key for key in keys if fields.values.get(key) not in (None, []))


def _rows(fields: Fields, key: str, size: int) -> list[list[float]]:
    rows = [_numbers(row, size) for row in fields.items(key) or []]
    if None in rows:
        raise fields.error(
            f"{key} is no list of points of {size} numbers; write [[{'x, y, z'[: 3 * size - 2]}], …]"
        )
    return [row for row in rows if row is not None]


def _crucial(fields: Fields) -> list[int]:
    found = [
        one for one in fields.items("crucial") or [] if isinstance(one, int) and not isinstance(one, bool)
    ]
    if len(found) != len(fields.items("crucial") or []):
        raise fields.error("crucial is no list of indices; write [0, 2]")
    return found


def _box(fields: Fields) -> Box | None:
    entry = fields.items("box")
    if entry is None:
        return None
    row = _numbers(entry, 4)
    if row is None:
        raise fields.error("box is not four numbers; write [x0, y0, x1, y1]")
    x0, y0, x1, y1 = row
    return x0, y0, x1, y1


def _numbers(value: object, size: int) -> list[float] | None:
    """A list of so many finite numbers, or None."""
    if not isinstance(value, list) or len(value) != size:
        return None
    numbers = [as_number(one) for one in value]
    return [one for one in numbers if one is not None] if all(map(_is_finite, numbers)) else None


def _is_finite(number: float | None) -> bool:
    return number is not None and math.isfinite(number)


def _in_camera(prompt: Prompt) -> bool:
    return not isinstance(prompt, SpacePrompt) and isinstance(prompt.view, Camera)


def _written(prompt: Prompt) -> dict[str, object]:
    on, off = ([list(point) for point in points] for points in (prompt.positive, prompt.negative))
    if isinstance(prompt, SpacePrompt):
        demands: dict[str, object] = (
            {} if prompt.least_visible is None else {"least_visible": prompt.least_visible}
        )
        demands |= {"crucial": list(prompt.crucial)} if prompt.crucial else {}
        demands |= {} if prompt.time is None else {"time": prompt.time}
        return {"positive3d": on, "negative3d": off} | demands
    clicks: dict[str, object] = {"view": prompt.view, "positive": on, "negative": off}
    return clicks | ({"box": list(prompt.box)} if isinstance(prompt, BoxPrompt) else {})
