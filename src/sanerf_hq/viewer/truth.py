"""Truth: painted ids as a scene's own, ``instances/*.png`` and ``scene.json``: read, mended, written.

An open scene was read before any of it was painted, so what counts is what the folder holds now. In the
scene's own folder the frame of ``transforms.json`` is told of its instance image, so that ``sanerf
eval`` and ``sanerf bench`` score by it. The run's fingerprint does not cover truth: it still fits.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int32
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.masks.interior import depth_inside
from sanerf_hq.runs import read_json, write_bytes, write_json
from sanerf_hq.scene import Scene, View, read_instances

MOST_IDS = 65535
OBJECTS_FILE = "scene.json"


@dataclass(frozen=True)
class Truth:
    """What a folder knows of a view.

    Attributes:
        labels: The id of each pixel of its photo, 0 = background.
        names: Names of the folder's ids, also of those that the view lacks.
        mark: Of the folder's image, as :func:`mark_of`.
    """

    labels: Int32[Tensor, "h w"]
    names: dict[int, str]
    mark: str


def read_truth(folder: Path, scene: Scene, view: View) -> Truth:
    """What is painted of a view in a folder; a folder that names no objects begins with what the scene knows.

    Args:
        folder: The scene's folder, or another one.
        scene: The scene, as it was opened.
        view: One of its views.

    Raises:
        InputError: A file is damaged, or an image is of another shape than the photo.
    """
    path, painted, mark = folder / OBJECTS_FILE, folder / image_of(view), mark_of(folder, view)
    is_own = not path.exists() or folder.resolve() == scene.root.resolve()  # else its ids mean other objects
    names = {one.id: one.name for one in scene.objects} if is_own else {}
    names |= _names_in(path) if path.exists() else {}
    if painted.is_file():
        return Truth(read_instances(replace(view, instance_path=painted)).int(), names, mark)
    if is_own and view.instance_path is not None and view.instance_path.is_file():
        return Truth(read_instances(view).int(), names, mark)
    return Truth(torch.zeros(view.camera.height, view.camera.width, dtype=torch.int32), names, mark)


def mark_of(folder: Path, view: View) -> str:
    """Of a view's image in a folder: another one whenever something else is written; empty: there is none."""
    path = folder / image_of(view)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error


def write_truth(
    folder: Path, scene: Scene, view: View, labels: Int32[Tensor, "h w"], names: Mapping[int, str]
) -> Path:
    """Write a view's ids, and the objects that they name.

    An object that ``scene.json`` knows by its name keeps its id there, whichever it was painted with, and
    what stands there of it; a new one gets a box and a click, its most interior pixel, in this view. An id
    without a name, such as another program's truth has for what is no object, stays as it is.

    Args:
        folder: The scene's folder, or another one.
        scene: The scene.
        view: The view that was painted.
        labels: The id of each pixel of its photo, 0 = background.
        names: Names of these ids.

    Returns:
        The instance image.

    Raises:
        InputError: A file cannot be read or written, or an id is too large for it.
    """
    ids = [int(one) for one in labels.unique().tolist() if one]
    path, relative = folder / OBJECTS_FILE, image_of(view)
    numbers = _numbered(ids, names, _names_in(path) if path.exists() else {})
    kept = torch.zeros_like(labels)
    for identity, number in numbers.items():
        kept[labels == identity] = number
    image = _png(kept)
    _write_objects(path, scene, view, kept, {numbers[one]: names[one] for one in ids if one in names})
    write_bytes(folder / relative, image)
    _write_frame(folder / "transforms.json", view, relative)
    return folder / relative


def image_of(view: View) -> Path:
    """Where a view's ids lie in a folder."""
    stem = Path(view.name).with_suffix(".png")
    parts = stem.parts[1:] if stem.parts[0] == "images" else stem.parts
    return Path("instances", *parts)


def _names_in(path: Path) -> dict[int, str]:
    """Names of the ids of a ``scene.json``."""
    listed = _objects_in(_content_of(path), path)
    named = [one for one in listed if isinstance(one, dict) and isinstance(one.get("id"), int)]
    return {one["id"]: str(one.get("name", "")) for one in named}


def _content_of(path: Path) -> dict[str, Any]:
    return read_json(path, "mend it, or move it away")


def _objects_in(content: dict[str, Any], path: Path) -> list[Any]:
    objects = content.setdefault("objects", [])
    if not isinstance(objects, list):
        raise InputError(f"{path} holds no list of objects; mend it, or move it away")
    return objects


def _numbered(ids: Sequence[int], names: Mapping[int, str], known: Mapping[int, str]) -> dict[int, int]:
    """By the ids that were painted with, those of a folder: its own of that name, else one that is free."""
    own = {name: identity for identity, name in known.items()}
    free = max([*known, *ids], default=0) + 1
    numbers: dict[int, int] = {}
    for identity in ids:
        unknown = identity if identity not in known else free
        numbers[identity] = own.get(names[identity], unknown) if identity in names else unknown
        free += numbers[identity] == free
    return numbers


def _write_objects(
    path: Path, scene: Scene, view: View, labels: Int32[Tensor, "h w"], names: Mapping[int, str]
) -> None:
    content = _content_of(path) if path.exists() else {"name": scene.name}
    objects = _objects_in(content, path)
    known = {one.get("id"): one for one in objects if isinstance(one, dict)}
    for identity, name in names.items():
        if identity in known:
            continue
        mask = labels == identity
        rows, columns = mask.nonzero().unbind(-1)
        y, x = divmod(int(depth_inside(mask).argmax()), mask.shape[1])
        box = [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]
        prompts = {"view": view.name, "positive": [[x, y]], "negative": []}
        objects.append({"id": identity, "name": name, "prompts": prompts, "box": box})
    write_json(path, content)


def _write_frame(path: Path, view: View, relative: Path) -> None:
    """Tell the view's frame of its instance image; a folder without ``transforms.json`` has no frames."""
    if not path.exists():
        return
    content = read_json(path)
    frames = content.get("frames")
    for frame in frames if isinstance(frames, list) else []:
        if not isinstance(frame, dict):
            continue
        named = str(frame.get("file_path", "")).removeprefix("./")
        if named in (view.name, Path(view.name).with_suffix("").as_posix()):
            if frame.get("instance_path") == relative.as_posix():
                return
            frame["instance_path"] = relative.as_posix()
            write_json(path, content)
            return


def _png(labels: Int32[Tensor, "h w"]) -> bytes:
    from PIL import Image

    largest = int(labels.max())
    if largest > MOST_IDS:
        raise InputError(f"id {largest} is too large; ids go to {MOST_IDS}")
    pixels = labels.numpy().astype(np.uint8 if largest < 256 else np.uint16)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()
