"""Load: a scene from whatever format its folder holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from sanerf_hq.errors import InputError
from sanerf_hq.scene.benchmark import find_benchmark, with_benchmark
from sanerf_hq.scene.formats import find_source, read_views
from sanerf_hq.scene.options import PAPER_SPLIT, SceneOptions
from sanerf_hq.scene.scene import Scene
from sanerf_hq.scene.scene_json import read_objects
from sanerf_hq.scene.splits import SplitRule, parse_split

FARTHEST = 1e18  # scene units; squares of 32-bit numbers overflow at 2e19
LEAST_EXTENT = 1e-8  # scene units, of all cameras; a field's frame is scaled no further


def load_scene(path: str | Path, options: SceneOptions | None = None) -> Scene:
    """Open a scene: check all of its cameras and image headers, read no pixels yet.

    Args:
        path: A scene's folder, or its ``transforms.json`` (or Blender's ``transforms_train.json``).
        options: Format, split, folder of photos and of truth; by default what is found by looking.

    Returns:
        The scene in OpenCV's axes and the file's own units, with the objects of its ``scene.json`` if
        there is one, or those of SANeRF-HQ's benchmark (:mod:`sanerf_hq.scene.benchmark`).

    Raises:
        InputError: Anything is missing, broken or does not fit; the message names it.
    """
    options = options or SceneOptions()
    try:
        source = find_source(Path(path), options.format)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is no path that can be read; give a scene's folder") from error
    root = source.root
    name = root.resolve().name or "scene"
    listed = find_benchmark(name, root, options)
    rule = parse_split(options.split) if listed is None else SplitRule(None, listed.test_views, listed.where)
    found = replace(_kept(options), format=source.format)
    if listed is not None:
        found = replace(found, split=PAPER_SPLIT)
    scene = Scene(root, name, read_views(source, options.images, rule), file=source.file, options=found)
    _check_scale(scene)
    if listed is not None:
        return with_benchmark(scene, listed)
    objects = root / "scene.json"
    return replace(scene, objects=read_objects(objects, scene)) if objects.is_file() else scene


def _check_scale(scene: Scene) -> None:
    """Refuse units in which 32-bit numbers overflow, or in which all cameras seem to stand in one place."""
    centers = torch.stack([view.camera.center for view in scene.views])
    farthest = float(centers.abs().max())
    if farthest > FARTHEST:
        raise InputError(
            f"the cameras of {scene.root} stand up to {farthest:.3g} units from the origin, more than can be "
            f"reckoned with ({FARTHEST:.0e}); write the poses in larger units"
        )
    extent = float((centers.amax(0) - centers.amin(0)).max())
    if 0 < extent < LEAST_EXTENT:
        raise InputError(
            f"the cameras of {scene.root} all stand within {extent:.3g} units, less than can be told apart "
            f"({LEAST_EXTENT:.0e}); write the poses in smaller units"
        )


def _kept(options: SceneOptions) -> SceneOptions:
    """Options whose paths hold from any folder."""
    kind, _, value = (options.split or "").partition(":")
    split = f"list:{Path(value).absolute()}" if kind == "list" else options.split
    return replace(options, split=split, truth=None if options.truth is None else options.truth.absolute())
