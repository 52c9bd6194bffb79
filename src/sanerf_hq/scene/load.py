"""Load: a scene from whatever format its folder holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sanerf_hq.errors import InputError
from sanerf_hq.scene.scene import Scene
from sanerf_hq.scene.scene_json import read_objects
from sanerf_hq.scene.transforms_json import read_views

SCENE_FILES = ("transforms.json", "transforms_train.json")


def load_scene(path: str | Path) -> Scene:
    """Open a scene: check all of its cameras and image headers, read no pixels yet.

    Args:
        path: A scene's folder, or its ``transforms.json`` (or Blender's ``transforms_train.json``).

    Returns:
        The scene in OpenCV's axes and the file's own units, with the objects of its ``scene.json`` if
        there is one.

    Raises:
        InputError: Anything is missing, broken or does not fit; the message names it.
    """
    try:
        file = _scene_file(Path(path))
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is no path that can be read; give a scene's folder") from error
    root = file.parent
    scene = Scene(root, root.resolve().name or "scene", read_views(file), file=file)
    objects = root / "scene.json"
    return replace(scene, objects=read_objects(objects, scene)) if objects.is_file() else scene


def _scene_file(path: Path) -> Path:
    if path.is_dir():
        for name in SCENE_FILES:
            if (path / name).is_file():
                return path / name
        raise InputError(f"{path} holds no transforms.json; give a scene's folder or its file")
    if not path.exists():
        raise InputError(f"{path} does not exist; give a scene's folder or its transforms.json")
    if path.suffix.lower() != ".json":
        raise InputError(f"{path} is no JSON file; give a scene's folder or its transforms.json")
    return path
