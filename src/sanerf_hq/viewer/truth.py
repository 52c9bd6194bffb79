"""Truth: painted ids written as a scene's own: ``instances/*.png`` and ``scene.json``.

In the scene's own folder the frame of ``transforms.json`` is told of its instance image, so that ``sanerf
eval`` and ``sanerf bench`` score by it. The run's fingerprint does not cover truth: it still fits.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64
from torch import Tensor

from sanerf_hq.errors import InputError
from sanerf_hq.masks.interior import depth_inside
from sanerf_hq.runs import read_json, write_bytes, write_json
from sanerf_hq.scene import Scene, View

MOST_IDS = 65535


def write_truth(
    folder: Path, scene: Scene, view: View, labels: Int64[Tensor, "h w"], names: Mapping[int, str]
) -> Path:
    """Write a view's ids, and the objects that they name.

    An object that ``scene.json`` knows keeps what stands there of it; a new one gets a box and a click, its
    most interior pixel, in this view.

    Args:
        folder: The scene's folder, or another one.
        scene: The scene.
        view: The view that was painted.
        labels: The id of each pixel of its photo, 0 = background.
        names: Names of the ids.

    Returns:
        The instance image.

    Raises:
        InputError: An id has no name, or a file cannot be read or written.
    """
    ids = [int(one) for one in labels.unique().tolist() if one]
    missing = [one for one in ids if one not in names]
    if missing:
        raise InputError(f"id {missing[0]} has no name; name each object that is painted")
    stem = Path(view.name).with_suffix(".png")
    parts = stem.parts[1:] if stem.parts[0] == "images" else stem.parts
    relative = Path("instances", *parts)
    write_bytes(folder / relative, _png(labels))
    _write_objects(folder / "scene.json", scene, view, labels, {one: names[one] for one in ids})
    _write_frame(folder / "transforms.json", view, relative)
    return folder / relative


def _write_objects(
    path: Path, scene: Scene, view: View, labels: Int64[Tensor, "h w"], names: Mapping[int, str]
) -> None:
    content: dict[str, Any] = read_json(path) if path.exists() else {"name": scene.name, "objects": []}
    objects = content.setdefault("objects", [])
    if not isinstance(objects, list):
        raise InputError(f"{path} holds no list of objects; mend it, or move it away")
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


def _png(labels: Int64[Tensor, "h w"]) -> bytes:
    from PIL import Image

    largest = int(labels.max())
    if largest > MOST_IDS:
        raise InputError(f"id {largest} is too large; ids go to {MOST_IDS}")
    pixels = labels.numpy().astype(np.uint8 if largest < 256 else np.uint16)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()
