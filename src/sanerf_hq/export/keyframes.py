"""Keyframes: the cameras of a path, out of a JSON file.

    {"keyframes": [
      {"seconds": 0, "view": "images/0000.jpg"},
      {"seconds": 2, "eye": [1, -3, 1.5], "target": [0, 0, 0.4], "fov": 35},
      {"seconds": 5, "transform_matrix": [[...], [...], [...], [0, 0, 0, 1]]}
    ]}

A keyframe is a view of the scene, a point to look from and one to look at, or a matrix as in a
transforms.json (OpenGL axes). ``fov`` is the vertical field of view in degrees: that of the view, or of the
scene's first one, where it is not given. Points and matrices are in the scene's coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sanerf_hq.export.camera_path import WIDEST_FOV, Keyframe, vertical_fov
from sanerf_hq.geometry import look_at, opengl_to_opencv, rigid_defect
from sanerf_hq.scene import Scene
from sanerf_hq.scene.fields import Fields, as_number, read_json_object

NARROWEST_FOV = 0.1
WAYS = ("view", "eye", "transform_matrix")


def read_keyframes(path: Path, scene: Scene, up: Float[Tensor, "3"]) -> tuple[Keyframe, ...]:
    """Read the keyframes of a path.

    Args:
        path: The file.
        scene: Whose views may be named.
        up: Which way is up where a keyframe has ``eye`` and ``target``.

    Raises:
        InputError: The file is missing or broken, or a keyframe is; the message says which.
    """
    shared = read_json_object(path)
    entries = shared.items("keyframes") or []
    found = [_read(shared.inside(entry, f"keyframe {i}"), scene, up) for i, entry in enumerate(entries)]
    if len(found) < 2:
        raise shared.error("a path needs two keyframes or more; add some to the list 'keyframes'")
    for number, (before, after) in enumerate(pairwise(found), 1):
        if after.seconds <= before.seconds:
            raise shared.error(f"keyframe {number} is not later than the one before; let 'seconds' grow")
    return tuple(found)


def _read(fields: Fields, scene: Scene, up: Tensor) -> Keyframe:
    seconds = fields.number("seconds")
    if seconds is None:
        raise fields.error("seconds is missing; say when the path passes it")
    given = [way for way in WAYS if fields.values.get(way) is not None]
    if len(given) != 1:
        raise fields.error("write one of view, eye (with target), or transform_matrix")
    fov = vertical_fov(scene.views[0].camera)
    if given == ["view"]:
        camera = scene.view(fields.text("view") or "").camera
        pose, fov = camera.camtoworld, vertical_fov(camera)
    elif given == ["eye"]:
        eye, target = _point(fields, "eye"), _point(fields, "target")
        if torch.equal(eye, target):
            raise fields.error("eye and target are one point; move one of them")
        pose = look_at(eye, target, up)
    else:
        pose = _matrix(fields)
    own = fields.number("fov")
    if own is not None and not NARROWEST_FOV <= own <= WIDEST_FOV:
        raise fields.error(f"fov is {own:g}; write degrees from {NARROWEST_FOV} to {WIDEST_FOV:g}")
    return Keyframe(seconds, pose, own or fov)


def _point(fields: Fields, key: str) -> Float[Tensor, "3"]:
    values = _numbers(fields.values.get(key), 3)
    if values is None:
        raise fields.error(f"{key} is no [x, y, z] of numbers; write it so")
    return torch.tensor(values)


def _matrix(fields: Fields) -> Float[Tensor, "4 4"]:
    rows = [_numbers(row, 4) for row in fields.items("transform_matrix") or []]
    if len(rows) == 3:
        rows.append([0.0, 0.0, 0.0, 1.0])
    whole = [row for row in rows if row is not None]
    if len(rows) != 4 or len(whole) != 4:
        raise fields.error("transform_matrix is no 4x4 matrix of numbers; write it as in a transforms.json")
    pose = torch.tensor(whole)
    defect = rigid_defect(pose)
    if defect is not None:
        raise fields.error(f"transform_matrix {defect}; write a rotation and a position")
    return opengl_to_opencv(pose)


def _numbers(value: object, count: int) -> list[float] | None:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != count:
        return None
    numbers = [as_number(item) for item in value]
    finite = [number for number in numbers if number is not None and math.isfinite(number)]
    return finite if len(finite) == count else None
